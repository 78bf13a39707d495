// Where proxied requests go, and what of them goes there.
import { test } from "node:test";
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Pod, Service } from "../../kinds/generated/core.v1.ts";
import type { EndpointSlice } from "../../kinds/generated/discovery.v1.ts";
import { StatusError } from "../../machinery/errors.ts";
import { edgeRequest } from "../http/testing.ts";
import { upgraded, type Upgrade } from "../http/exchange.ts";
import { optionsOf } from "./exec.ts";
import { logOptions } from "./logs.ts";
import { containerOf } from "./pods.ts";
import { portsOf } from "./portforward.ts";
import { forwardTo, proxiedLocation, requestHeaders } from "./proxy.ts";
import { checkAddress, podTarget, serviceTarget, splitName } from "./proxy-target.ts";

const codeOf = (run: () => unknown): number => {
  try {
    run();
  } catch (error) {
    return error instanceof StatusError ? error.code : -1;
  }
  return 200;
};

const podWith = (spec: object, status: object = {}): Pod =>
  ({ metadata: { name: "p", namespace: "default", uid: "u" }, spec, status }) as unknown as Pod;

test("proxy names carry scheme and port", () => {
  assert.deepEqual(splitName("a"), { scheme: "http", name: "a", port: "" });
  assert.deepEqual(splitName("a:80"), { scheme: "http", name: "a", port: "80" });
  assert.deepEqual(splitName("https:a:web"), { scheme: "https", name: "a", port: "web" });
  for (const bad of ["ftp:a:1", "a:b:c:d", ":80"])
    assert.equal(
      codeOf(() => splitName(bad)),
      400,
      bad,
    );
});

test("a pod is reached at its address and first port", () => {
  const pod = podWith(
    { containers: [{ name: "a" }, { name: "b", ports: [{ containerPort: 8080 }] }] },
    { podIP: "10.1.2.3" },
  );
  assert.deepEqual(podTarget(pod, "http", ""), { scheme: "http", host: "10.1.2.3", port: 8080 });
  assert.equal(podTarget(pod, "http", "99").port, 99);
  assert.equal(
    codeOf(() => podTarget(podWith({ containers: [] }), "http", "")),
    400,
  );
});

test("addresses of the server itself are refused", () => {
  for (const address of [
    "127.0.0.1",
    "169.254.169.254",
    "::1",
    "fe80::1",
    "0.0.0.0",
    "host.example",
    "::ffff:127.0.0.1",
  ]) {
    assert.equal(
      codeOf(() => checkAddress(address)),
      400,
      address,
    );
  }
});

test("a service is reached at a ready endpoint under the port's own number there", () => {
  const service = { metadata: { name: "s" }, spec: { ports: [{ name: "web", port: 80 }] } } as unknown as Service;
  const slice = {
    ports: [{ name: "web", port: 8080 }],
    endpoints: [
      { addresses: ["10.0.0.1"], conditions: { ready: false } },
      { addresses: ["10.0.0.2"], conditions: { ready: true } },
    ],
  } as unknown as EndpointSlice;
  const at = (port: string, slices = [slice]) => serviceTarget(service, slices, { scheme: "http", port, pick: 0 });
  for (const port of ["", "web", "80"]) assert.deepEqual(at(port), { scheme: "http", host: "10.0.0.2", port: 8080 });
  assert.equal(
    codeOf(() => at("8080")),
    503,
  );
  assert.equal(
    codeOf(() => at("web", [])),
    503,
  );
});

test("credentials and connection headers stay here", () => {
  const headers = {
    authorization: "Bearer x",
    "impersonate-user": "y",
    connection: "Upgrade",
    upgrade: "websocket",
    "x-a": "1",
  };
  assert.deepEqual(requestHeaders({ method: "GET", headers }), { "x-a": "1" });
  const upgrade = {} as Upgrade;
  assert.deepEqual(requestHeaders({ method: "GET", headers, upgrade }), {
    connection: "Upgrade",
    upgrade: "websocket",
    "x-a": "1",
  });
  const offered = { "sec-websocket-protocol": "base64url.bearer.authorization.k8s.io.c2VjcmV0, v5.channel.k8s.io" };
  const passed = requestHeaders({ method: "GET", headers: offered })["sec-websocket-protocol"];
  assert.equal((passed as string).trim(), "v5.channel.k8s.io");
});

test("redirects of the backend to itself come through the proxy again", () => {
  const target = { scheme: "http" as const, host: "10.0.0.1", port: 80 };
  const prefix = "/api/v1/namespaces/default/pods/p/proxy";
  assert.equal(proxiedLocation("/y?z=1", prefix, target), `${prefix}/y?z=1`);
  assert.equal(proxiedLocation("http://10.0.0.1/y", prefix, target), `${prefix}/y`);
  assert.equal(proxiedLocation("https://else.example/", prefix, target), "https://else.example/");
});

test("names that begin like the proxy are not taken for it", async (t) => {
  const backend = createServer((_, response) => response.writeHead(302, { location: "/y" }).end());
  backend.listen(0, "127.0.0.1");
  await once(backend, "listening");
  t.after(() => backend.close());
  const { port } = backend.address() as AddressInfo;
  const prefix = "/api/v1/namespaces/proxy-1/pods/proxy/proxy";
  const outcome = await forwardTo(edgeRequest("GET", `${prefix}/proxy/x`, {}), "/proxy/x", {
    scheme: "http",
    host: "127.0.0.1",
    port,
  });
  assert.ok(outcome !== upgraded);
  assert.equal(outcome.headers.location, `${prefix}/y`);
});

test("a request is passed on and its answer comes back", async (t) => {
  const backend = createServer((request: IncomingMessage, response) => {
    response.setHeader("x-seen", `${request.method} ${request.url} ${request.headers.authorization ?? "anonymous"}`);
    response.statusCode = 418;
    request.pipe(response);
  });
  backend.listen(0, "127.0.0.1");
  await once(backend, "listening");
  t.after(() => backend.close());
  const { port } = backend.address() as AddressInfo;
  const request = edgeRequest("POST", "/api/v1/namespaces/default/pods/p/proxy/a%20b?c=d", {
    headers: { authorization: "Bearer secret" },
    body: "payload",
  });
  const outcome = await forwardTo(request, "/a%20b", { scheme: "http", host: "127.0.0.1", port });
  assert.ok(outcome !== upgraded);
  assert.deepEqual([outcome.status, outcome.headers["x-seen"]], [418, "POST /a%20b?c=d anonymous"]);
  const redirect = await forwardTo(edgeRequest("GET", "/x/proxy?a=b", {}), "", {
    scheme: "http",
    host: "127.0.0.1",
    port,
  });
  assert.ok(redirect !== upgraded);
  assert.deepEqual([redirect.status, redirect.headers.location], [301, "/x/proxy/?a=b"]);
});

test("a container is chosen only when there is one", () => {
  const one = podWith({ containers: [{ name: "a" }] });
  const two = podWith({ containers: [{ name: "a" }, { name: "b" }], initContainers: [{ name: "i" }] });
  assert.equal(containerOf(one, null).container, "a");
  assert.equal(containerOf(two, "i").container, "i");
  assert.throws(() => containerOf(two, null), /choose one of: \[a b\] or one of the init containers: \[i\]/);
  assert.throws(() => containerOf(two, "x"), /container x is not valid for pod p/);
});

test("options of logs, exec and port forwarding are checked", () => {
  const query = (text: string) => new URLSearchParams(text);
  assert.deepEqual(logOptions(query("follow=true&tailLines=5&timestamps=1")), {
    follow: true,
    tailLines: 5,
    timestamps: true,
  });
  for (const bad of [
    "tailLines=-1",
    "limitBytes=0",
    "sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z",
    "sinceSeconds=0",
  ]) {
    assert.equal(
      codeOf(() => logOptions(query(bad))),
      422,
      bad,
    );
  }
  assert.equal(
    codeOf(() => logOptions(query("tailLines=x"))),
    400,
  );
  assert.equal(optionsOf(query("command=a&stdout=1&stderr=1&tty=1"), "exec").stderr, false);
  assert.equal(
    codeOf(() => optionsOf(query("stdout=1"), "exec")),
    400,
  );
  assert.equal(
    codeOf(() => optionsOf(query("command=a"), "exec")),
    400,
  );
  assert.deepEqual(portsOf(query("ports=80,81&ports=82")), [80, 81, 82]);
  for (const bad of ["", "ports=0", "ports=x", "ports=99999"])
    assert.equal(
      codeOf(() => portsOf(query(bad))),
      400,
      bad,
    );
});
