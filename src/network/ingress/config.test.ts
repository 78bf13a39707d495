// Ingress plans: whose path wins, which Ingresses are ours, and how endpoints move between slots.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Secret, Service } from "../../kinds/generated/core.v1.ts";
import type { Ingress, IngressClass } from "../../kinds/generated/networking.v1.ts";
import type { EndpointSlice } from "../../kinds/generated/discovery.v1.ts";
import { assignSlots, renderConfig, slotCommands, structureOf } from "./config.ts";
import { type IngressView, planIngress } from "./render.ts";
import { isOurs } from "./select.ts";
import { createSelfSigned } from "./self-signed.ts";

const directory = "/data";
const options = { directory, bind: ["0.0.0.0"], httpPort: 80, httpsPort: 443, threads: 1 };

const ingress = (name: string, spec: Ingress["spec"], created = "1"): Ingress => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "Ingress",
  metadata: {
    namespace: "shop",
    name,
    uid: name,
    creationTimestamp: created,
    resourceVersion: "",
  } as Ingress["metadata"],
  spec,
});

const rule = (host: string, path: string, service: string, pathType = "Prefix") => ({
  host,
  http: { paths: [{ path, pathType, backend: { service: { name: service, port: { number: 80 } } } }] },
});

function view(addresses: string[], secret?: Secret): IngressView {
  const service = { spec: { clusterIP: "10.96.0.1", ports: [{ name: "http", port: 80 }] } } as Service;
  const slice = {
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080 }],
    endpoints: addresses.map((address) => ({ addresses: [address] })),
  } as EndpointSlice;
  return {
    service: (_, name) => (name === "gone" ? undefined : service),
    slices: () => [slice],
    secret: () => secret,
  };
}

const plan = (ingresses: Ingress[], addresses: string[] = ["10.244.0.5"], secret?: Secret) =>
  planIngress(ingresses, view(addresses, secret), { nodeName: "n1" }, directory);

test("the older Ingress keeps a path that two claim", () => {
  const two = plan([
    ingress("new", { rules: [rule("h", "/", "b")] }, "2"),
    ingress("old", { rules: [rule("h", "/", "a")] }, "1"),
  ]);
  assert.equal(two.files.get("prefix.map"), "h#/ shop:a:80\n");
});

test("an Ingress's default backend takes the rest of its hosts", () => {
  const backend = { service: { name: "d", port: { number: 80 } } };
  const { files, defaultBackend } = plan([ingress("i", { defaultBackend: backend, rules: [rule("h", "/api", "a")] })]);
  assert.equal(files.get("prefix.map"), "h#/api/ shop:a:80\nh#/ shop:d:80\n");
  assert.equal(defaultBackend, "shop:d:80");
});

test("what cannot be served is reported by name", () => {
  const { problems } = plan([
    ingress("i", {
      tls: [{ secretName: "none" }],
      rules: [
        rule("h", "/", "gone"),
        { host: "r", http: { paths: [{ pathType: "Prefix", backend: { resource: { kind: "Bucket", name: "b" } } }] } },
      ],
    }),
  ]);
  assert.deepEqual(
    problems.map(({ reason, message }) => `${reason}: ${message}`),
    [
      "ServiceNotFound: Service gone does not exist",
      "UnsupportedBackend: backend Bucket: only Services are supported",
      "InvalidCertificate: Secret none: does not exist",
    ],
  );
});

test("nothing that somebody writes into an Ingress or its Secret can break the configuration of all", async () => {
  const pem = await createSelfSigned("n", Date.now());
  const key = pem.slice(pem.indexOf("-----BEGIN PRIVATE"));
  const block = (name: string, text: string) => `-----BEGIN ${name}-----\n${text}\n-----END ${name}-----\n`;
  const tried = (chain: string) => {
    const data = { "tls.crt": Buffer.from(chain).toString("base64"), "tls.key": Buffer.from(key).toString("base64") };
    const spec = { tls: [{ secretName: "s", hosts: ["h"] }] };
    const { files, problems } = plan([ingress("i", spec)], [], { data } as unknown as Secret);
    return { file: files.get("certificates/shop:s.pem"), reasons: problems.map(({ reason }) => reason) };
  };
  assert.deepEqual(tried(pem + block("CERTIFICATE", "Zm9v")), { file: undefined, reasons: ["InvalidCertificate"] });
  const { file, reasons } = tried(pem + block("DH PARAMETERS", "Zm9v"));
  assert.deepEqual(reasons, []);
  assert.doesNotMatch(file!, /DH PARAMETERS/);
  for (const path of ["/a shop:other:80", "/a\nvictim#/ shop:a:80", "/\0", `/${"x".repeat(5000)}`]) {
    const { files, problems } = plan([ingress("i", { rules: [rule("h", path, "a", "Exact")] })]);
    assert.equal(files.get("exact.map"), "");
    assert.equal(problems[0]?.reason, "InvalidPath");
  }
});

test("endpoints keep their slots, and a full backend grows", () => {
  const backends = (...addresses: string[]) =>
    plan([ingress("i", { rules: [rule("h", "/", "a")] })], addresses).backends;
  const first = assignSlots(new Map(), backends("10.0.0.1", "10.0.0.2"));
  const second = assignSlots(first, backends("10.0.0.2", "10.0.0.3"));
  assert.deepEqual(
    second.get("shop:a:80")!.map((slot) => slot?.address),
    [undefined, "10.0.0.2", "10.0.0.3", undefined],
  );
  assert.deepEqual(slotCommands(first, second), [
    "set server shop:a:80/s0 state maint",
    "set server shop:a:80/s2 addr 10.0.0.3 port 8080",
    "set server shop:a:80/s2 state ready",
  ]);
  const many = assignSlots(second, backends(...Array.from({ length: 5 }, (_, i) => `10.0.0.${i}`)));
  assert.equal(many.get("shop:a:80")!.length, 8);
});

test("endpoints do not change the structure, rules do", () => {
  const structure = (host: string, addresses: string[]) => {
    const made = plan([ingress("i", { rules: [rule(host, "/", "a")] })], addresses);
    return structureOf(made, assignSlots(new Map(), made.backends), options);
  };
  assert.equal(structure("h", ["10.0.0.1"]), structure("h", ["10.0.0.2", "10.0.0.3"]));
  assert.notEqual(structure("h", ["10.0.0.1"]), structure("other", ["10.0.0.1"]));
});

test("both ports are bound on every address given", () => {
  const made = plan([ingress("i", { rules: [rule("h", "/", "a")] })]);
  const text = renderConfig(made, new Map(), { ...options, bind: ["192.0.2.2", "127.0.0.1"], httpPort: 8080 });
  assert.match(text, /bind 192\.0\.2\.2:8080\n {2}bind 127\.0\.0\.1:8080\n/);
  assert.match(text, /bind 192\.0\.2\.2:443 ssl/);
});

test("an Ingress is ours by class, or by default when it names none", () => {
  const knarr = (isDefault: boolean) =>
    ({
      metadata: {
        name: "knarr",
        annotations: isDefault ? { "ingressclass.kubernetes.io/is-default-class": "true" } : {},
      },
      spec: { controller: "knarr.dev/haproxy" },
    }) as unknown as IngressClass;
  const named = (ingressClassName?: string) => ingress("i", { ingressClassName });
  assert.equal(isOurs(named("knarr"), [knarr(false)]), true);
  assert.equal(isOurs(named("nginx"), [knarr(true)]), false);
  assert.equal(isOurs(named(), [knarr(true)]), true);
  assert.equal(isOurs(named(), [knarr(false)]), false);
});
