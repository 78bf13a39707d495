// Services, DNS names, Ingresses and host ports in a whole cluster: real pods ask, and this machine asks.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import {
  Endpoints,
  EndpointSlice,
  Ingress,
  IngressClass,
  Pod,
  Secret,
  Service,
  StatefulSet,
} from "../src/kinds/index.ts";
import type { PodSpec, ServiceSpec } from "../src/kinds/generated/core.v1.ts";
import type { IngressSpec } from "../src/kinds/generated/networking.v1.ts";
import { selfSigned } from "./certificates.ts";
import { containersPossible, eventually, freePort, startTestCluster, type TestCluster } from "./harness.ts";
import { request } from "./traffic.ts";
import { importTools, isReady, lives, node, runs, workloadsOf, type Workloads } from "./workloads.ts";

/** Answers HTTP on 8080 and 8081 and UDP on 8080: who it is, which port, who asks, what the request said. */
const echo = `
const http = require("node:http"), name = require("node:os").hostname();
for (const port of [8080, 8081]) http.createServer((request, response) => {
  const { url, headers } = request;
  response.end(JSON.stringify({ name, port, from: request.socket.remoteAddress.replace("::ffff:", ""), url, headers }));
}).listen(port);
const udp = require("node:dgram").createSocket("udp4");
udp.on("message", (_, from) => udp.send(name, from.port, from.address));
udp.bind(8080);
process.on("SIGTERM", () => process.exit(0));`;

interface Echo {
  readonly name: string;
  readonly port: number;
  readonly from: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

let cluster: TestCluster;
let work: Workloads;

const readinessProbe = { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 };
const server = (name: string, app: string, spec: Partial<PodSpec> = {}) =>
  work.pod(name, { containers: [node(echo, { readinessProbe })], ...spec }, { labels: { app } });

const service = (name: string, spec: ServiceSpec) =>
  work.create(Service, name, { spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }], ...spec } });

/** Asks from this machine. */
const ask = async (address: string, port: number, path = "/", host?: string, tls = false): Promise<Echo> => {
  const { status, body } = await request({ address, port, path, tls, ...(host ? { host } : {}) });
  assert.equal(status, 200, body);
  return JSON.parse(body) as Echo;
};
/** Asks from the pod `client`. */
const askFromPod = async (url: string, pod = "client"): Promise<Echo> =>
  JSON.parse(await work.exec(pod, "node", "-e", `fetch("${url}").then((r) => r.text()).then(console.log)`)) as Echo;

const askUdp = (address: string, port: number) =>
  new Promise<string>((resolve, reject) => {
    const socket = createSocket("udp4");
    const finish = (end: () => void) => {
      clearTimeout(timer);
      socket.close();
      end();
    };
    const timer = setTimeout(() => finish(() => reject(new Error("no answer"))), 3000);
    socket.on("message", (data) => finish(() => resolve(data.toString())));
    socket.on("error", (error) => finish(() => reject(error)));
    socket.send("?", port, address);
  });

/** The answer of the cluster's DNS inside the pod `client`, or the error's code. */
const resolve = async (call: string): Promise<unknown> => {
  const program = `require("node:dns").promises.${call}.catch(e => e.code).then(a => console.log(JSON.stringify(a)))`;
  return JSON.parse(await work.exec("client", "node", "-e", program)) as unknown;
};

const slicesOf = async (name: string) =>
  (
    await work.client.list(EndpointSlice, {
      namespace: "default",
      labelSelector: `kubernetes.io/service-name=${name}`,
    })
  ).items;
const settled = (name: string, count: number) =>
  eventually(`${name} has ${count} ready endpoints`, async () => {
    const endpoints = (await slicesOf(name)).flatMap((slice) => slice.endpoints ?? []);
    return endpoints.filter(({ conditions }) => conditions?.ready).length === count;
  });

before(async () => {
  assert.ok(containersPossible(), "these tests run real containers: they need Linux and root");
  cluster = await startTestCluster("services");
  await importTools(cluster);
  work = await workloadsOf(cluster);
  await work.pod("client", { containers: [lives()] });
  await server("web-1", "web");
  await server("web-2", "web");
  for (const name of ["client", "web-1", "web-2"]) await work.until(name, isReady);
});
after(async () => {
  await work?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

describe("Services", { concurrency: 4 }, () => {
  test("a cluster IP with several ports, named target ports and UDP answers pods and this machine", async () => {
    const ports = [
      { name: "http", port: 80, targetPort: "web" },
      { name: "more", port: 81, targetPort: 8081 },
      { name: "udp", port: 80, targetPort: 8080, protocol: "UDP" as const },
    ];
    const containers = [node(echo, { readinessProbe, ports: [{ name: "web", containerPort: 8080 }] })];
    await server("many", "many", { containers });
    const { spec } = await service("many", { ports });
    await settled("many", 1);
    const address = spec!.clusterIP!;
    const client = await work.client.get(Pod, "client", "default");
    const first = await eventually("it answers", () => askFromPod("http://many/"));
    assert.deepEqual([first.name, first.port, first.from], ["many", 8080, client.status!.podIP]);
    assert.equal((await askFromPod("http://many:81/")).port, 8081);
    assert.equal((await ask(address, 80)).port, 8080);
    assert.equal((await ask(address, 81)).port, 8081);
    assert.equal(await askUdp(address, 80), "many");
    const program = `const s=require("node:dgram").createSocket("udp4");s.on("message",m=>{console.log(String(m));s.close()});s.send("?",80,"${address}")`;
    assert.equal(await work.exec("client", "node", "-e", program), "many\n");
  });

  test("connections spread over the ready endpoints, and only those", async () => {
    const notReady = { ...readinessProbe, exec: { command: ["false"] }, httpGet: undefined };
    await server("web-sick", "web", { containers: [node(echo, { readinessProbe: notReady })] });
    await work.until("web-sick", (pod) => pod?.status?.phase === "Running");
    const { spec } = await service("web", {});
    await settled("web", 2);
    const names = new Set<string>();
    for (let i = 0; i < 40; i++) names.add((await eventually("web answers", () => ask(spec!.clusterIP!, 80))).name);
    assert.deepEqual([...names].toSorted(), ["web-1", "web-2"]);
  });

  test("a Service without endpoints refuses at once", async () => {
    const { spec } = await service("empty", {});
    await eventually("it refuses", async () => {
      const failure = await ask(spec!.clusterIP!, 80).catch((error: NodeJS.ErrnoException) => error.code);
      return failure === "ECONNREFUSED";
    });
    await assert.rejects(askFromPod("http://empty/"), /ECONNREFUSED/);
  });

  test("ClientIP affinity keeps a client at one pod", async () => {
    const { spec } = await service("sticky", { selector: { app: "web" }, sessionAffinity: "ClientIP" });
    await settled("sticky", 2);
    const first = await eventually("it answers", () => askFromPod("http://sticky/"));
    for (let i = 0; i < 8; i++) assert.equal((await askFromPod("http://sticky/")).name, first.name);
    const host = await ask(spec!.clusterIP!, 80);
    for (let i = 0; i < 20; i++) assert.equal((await ask(spec!.clusterIP!, 80)).name, host.name);
  });

  test("a pod reaches itself through its Service; pods and this machine reach each other directly", async () => {
    const { status } = await server("self", "self").then(() => work.until("self", isReady));
    await service("myself", { selector: { app: "self" } });
    await settled("myself", 1);
    assert.equal((await eventually("it answers", () => askFromPod("http://myself/", "self"))).name, "self");
    assert.equal((await ask(status!.podIP!, 8080)).name, "self");
    const { nodeAddress } = cluster.settings;
    const here = createServer((_, response) => response.end('{"name":"the machine"}')).listen(0, nodeAddress);
    try {
      await once(here, "listening");
      const { port } = here.address() as { port: number };
      assert.equal((await askFromPod(`http://${nodeAddress}:${port}/`)).name, "the machine");
    } finally {
      here.close();
    }
  });

  test("a node port answers on 127.0.0.1, a LoadBalancer on the address in its status", async () => {
    const { spec } = await service("ports", { type: "NodePort", selector: { app: "web" } });
    await settled("ports", 2);
    const { nodePort } = spec!.ports![0]!;
    assert.match((await eventually("it answers", () => ask("127.0.0.1", nodePort!))).name, /^web-/);
    assert.match((await ask(cluster.settings.nodeAddress, nodePort!)).name, /^web-/);
    const port = await freePort();
    const ports = [{ port, targetPort: 8080 }];
    await service("balanced", { type: "LoadBalancer", selector: { app: "web" }, ports });
    const balanced = await work.untilObject(
      Service,
      "balanced",
      (object) => object?.status?.loadBalancer?.ingress !== undefined,
    );
    const [ingress] = balanced.status!.loadBalancer!.ingress!;
    const answer = await eventually("it answers", () => ask(ingress!.ip!, port));
    assert.match(answer.name, /^web-/);
  });

  test("without a selector, EndpointSlices or Endpoints made by hand say where to go", async () => {
    const { status } = await work.client.get(Pod, "web-1", "default");
    const ip = status!.podIP!;
    await work.create(Service, "by-slice", { spec: { ports: [{ name: "web", port: 80 }] } });
    await work.create(
      EndpointSlice,
      "by-slice-1",
      { addressType: "IPv4", ports: [{ name: "web", port: 8080 }], endpoints: [{ addresses: [ip] }] },
      { labels: { "kubernetes.io/service-name": "by-slice" } },
    );
    await work.create(Service, "by-endpoints", { spec: { ports: [{ port: 80 }] } });
    const subsets = [{ addresses: [{ ip }], ports: [{ port: 8080 }] }];
    await work.create(Endpoints, "by-endpoints", { subsets });
    for (const name of ["by-slice", "by-endpoints"])
      assert.equal((await eventually(`${name} answers`, () => askFromPod(`http://${name}/`))).name, "web-1");
  });

  test("a host port leads to its pod, over TCP and UDP, and goes with it", async () => {
    const hostPort = await freePort();
    const ports = [
      { hostPort, containerPort: 8080 },
      { hostPort, containerPort: 8080, protocol: "UDP" as const },
    ];
    await server("hosted", "hosted", { containers: [node(echo, { readinessProbe, ports })] });
    await work.until("hosted", isReady);
    assert.equal((await ask("127.0.0.1", hostPort)).name, "hosted");
    assert.equal((await ask(cluster.settings.nodeAddress, hostPort)).name, "hosted");
    assert.equal(await askUdp(cluster.settings.nodeAddress, hostPort), "hosted");
    await work.remove("hosted");
    await assert.rejects(ask("127.0.0.1", hostPort), /ECONNREFUSED/);
  });
});

describe("DNS", { concurrency: 4 }, () => {
  test("short and long names, SRV and PTR of a cluster IP; what is not there does not exist", async () => {
    const ports = [{ name: "http", port: 80, targetPort: 8080 }];
    const { spec } = await service("named", { selector: { app: "web" }, ports });
    const ip = spec!.clusterIP!;
    await settled("named", 2);
    for (const name of ["named", "named.default", "named.default.svc", "named.default.svc.cluster.local"])
      assert.deepEqual(await eventually(name, () => resolve(`lookup("${name}").then(a => a.address)`)), ip);
    assert.deepEqual(await resolve('resolveSrv("_http._tcp.named.default.svc.cluster.local")'), [
      { name: "named.default.svc.cluster.local", port: 80, priority: 0, weight: 100, type: "SRV" },
    ]);
    assert.deepEqual(await resolve(`reverse("${ip}")`), ["named.default.svc.cluster.local"]);
    assert.equal(await resolve('resolve4("none.default.svc.cluster.local")'), "ENOTFOUND");
    assert.equal(await resolve('lookup("none.default.svc")'), "ENOTFOUND");
    const config = await work.exec("client", "cat", "/etc/resolv.conf");
    assert.match(config, /search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/);
    assert.match(config, /options ndots:5/);
  });

  test("an ExternalName is an alias", async () => {
    const spec = { type: "ExternalName" as const, externalName: "kubernetes.default.svc.cluster.local" };
    await work.create(Service, "alias", { spec });
    const name = "alias.default.svc.cluster.local";
    assert.deepEqual(await resolve(`resolveCname("${name}")`), [spec.externalName]);
    const kubernetes = await work.client.get(Service, "kubernetes", "default");
    assert.deepEqual(await resolve(`resolve4("${name}")`), [kubernetes.spec!.clusterIP]);
  });

  test("a headless Service names its pods; not yet ready ones too when that is asked for", async () => {
    const labels = { app: "set" };
    const spec = { clusterIP: "None", selector: labels, ports: [{ name: "http", port: 8080 }] };
    await service("set", spec);
    await service("set-all", { ...spec, publishNotReadyAddresses: true });
    const ready = { exec: { command: ["sh", "-c", "test $(hostname) = set-0"] }, periodSeconds: 1 };
    const template = {
      metadata: { labels },
      spec: { terminationGracePeriodSeconds: 1, containers: [node(echo, { readinessProbe: ready })] },
    };
    await work.create(StatefulSet, "set", {
      spec: {
        serviceName: "set",
        replicas: 2,
        podManagementPolicy: "Parallel",
        selector: { matchLabels: labels },
        template,
      },
    });
    await work.until("set-0", isReady);
    const second = await work.until("set-1", (pod) => pod?.status?.podIP !== undefined);
    const first = await work.client.get(Pod, "set-0", "default");
    const ips = [first.status!.podIP!, second.status!.podIP!];
    const domain = "set.default.svc.cluster.local";
    await eventually("only the ready pod", async () => String(await resolve(`resolve4("${domain}")`)) === ips[0]);
    assert.deepEqual(await resolve(`resolve4("set-0.${domain}")`), [ips[0]]);
    await eventually("all pods", async () => {
      const all = await resolve('resolve4("set-all.default.svc.cluster.local")');
      return Array.isArray(all) && all.toSorted().join() === ips.toSorted().join();
    });
    assert.deepEqual(await resolve(`resolveSrv("_http._tcp.${domain}")`), [
      { name: `set-0.${domain}`, port: 8080, priority: 0, weight: 100, type: "SRV" },
    ]);
    assert.ok(((await resolve(`reverse("${ips[0]}")`)) as string[]).includes(`set-0.${domain}`));
    assert.deepEqual(await resolve(`resolve4("set-1.${domain}")`), "ENOTFOUND");
    assert.equal((await askFromPod(`http://set-0.${domain}:8080/`)).name, "set-0");
  });

  test("hostname and subdomain make a name; dnsPolicy and dnsConfig are obeyed", async () => {
    await service("inner", { clusterIP: "None", selector: { app: "inner" }, ports: [{ port: 8080 }] });
    const named = await server("named-pod", "inner", { hostname: "chosen", subdomain: "inner" }).then(() =>
      work.until("named-pod", isReady),
    );
    await settled("inner", 1);
    const name = "chosen.inner.default.svc.cluster.local";
    await eventually(name, async () => String(await resolve(`resolve4("${name}")`)) === named.status!.podIP);
    assert.equal((await work.exec("named-pod", "hostname", "-f")).trim(), name);
    const read = { restartPolicy: "Never" as const, containers: [runs("cat /etc/resolv.conf")] };
    const dnsConfig = { nameservers: ["127.0.0.9"], searches: ["own.test"], options: [{ name: "ndots", value: "1" }] };
    const none = await work.outputOf("dns-none", { ...read, dnsPolicy: "None", dnsConfig });
    assert.equal(none, "search own.test\nnameserver 127.0.0.9\noptions ndots:1\n");
    const onHost = { ...read, hostNetwork: true };
    const cluster1 = await work.outputOf("dns-host", { ...onHost, dnsPolicy: "ClusterFirstWithHostNet" });
    assert.match(cluster1, /svc\.cluster\.local/);
    assert.doesNotMatch(await work.outputOf("dns-default", { ...read, dnsPolicy: "Default" }), /svc\.cluster\.local/);
    const fromHost = await work.outputOf("lookup-host", {
      ...onHost,
      dnsPolicy: "ClusterFirstWithHostNet",
      containers: [runs("nslookup kubernetes.default.svc.cluster.local")],
    });
    assert.match(fromHost, /Address.*10\./);
  });
});

describe("Ingresses", { concurrency: 4 }, () => {
  const backend = (name: string) => ({ service: { name, port: { number: 80 } } });
  const path = (value: string, pathType: string, name: string) => ({ path: value, pathType, backend: backend(name) });
  const ingress = (name: string, spec: IngressSpec) => work.create(Ingress, name, { spec });
  const via = (host: string, where: string, tls = false) => {
    const { httpPort, httpsPort } = cluster.settings;
    return request({ address: "127.0.0.1", port: tls ? httpsPort : httpPort, host, path: where, tls });
  };
  const nameAt = async (host: string, where: string) => {
    const { status, body } = await via(host, where);
    return status === 200 ? (JSON.parse(body) as Echo).name : status;
  };

  before(async () => {
    for (const name of ["one", "two", "rest"]) {
      await server(name, name);
      await service(name, {});
    }
    for (const name of ["one", "two", "rest"]) await work.until(name, isReady).then(() => settled(name, 1));
  });

  test("hosts, exact and prefix paths, and the default backend", async () => {
    await ingress("paths", {
      rules: [
        {
          host: "a.test",
          http: { paths: [path("/x", "Exact", "one"), path("/x", "Prefix", "two"), path("/", "Prefix", "rest")] },
        },
        { host: "*.wild.test", http: { paths: [path("/", "Prefix", "two")] } },
      ],
    });
    await eventually("it answers", async () => (await nameAt("a.test", "/x")) === "one");
    const rows: readonly (readonly [string, string, string | number])[] = [
      ["a.test", "/x", "one"],
      ["a.test", "/x/", "two"],
      ["a.test", "/x/deep", "two"],
      ["a.test", "/xy", "rest"],
      ["a.test", "/", "rest"],
      ["one.wild.test", "/", "two"],
      ["deep.one.wild.test", "/", 404],
      ["wild.test", "/", 404],
    ];
    for (const [host, where, name] of rows) assert.equal(await nameAt(host, where), name, `${host}${where}`);
    await ingress("default", { defaultBackend: backend("rest") });
    await eventually("the default backend answers", async () => (await nameAt("unknown.test", "/")) === "rest");
  });

  test("the backend learns who asks; TLS takes the certificate of its Secret", async () => {
    const { certPem, keyPem } = await selfSigned("tls.test");
    await work.create(Secret, "tls", {
      type: "kubernetes.io/tls",
      stringData: { "tls.crt": certPem, "tls.key": keyPem },
    });
    await ingress("tls", {
      tls: [{ hosts: ["tls.test"], secretName: "tls" }],
      rules: [{ host: "tls.test", http: { paths: [path("/", "Prefix", "one")] } }],
    });
    const answer = await eventually("it answers", async () => {
      const { status, body } = await via("tls.test", "/", true);
      return status === 200 && (JSON.parse(body) as Echo);
    });
    assert.equal(answer.headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(answer.headers["x-forwarded-proto"], "https");
    assert.match(answer.headers["host"]!, /^tls\.test/);
  });

  test("an Ingress of another class is left alone", async () => {
    const classes = (await work.client.list(IngressClass)).items;
    assert.equal(classes.length, 1);
    const rules = (host: string) => [{ host, http: { paths: [path("/", "Prefix", "one")] } }];
    await work.client.create(IngressClass, {
      apiVersion: "networking.k8s.io/v1",
      kind: "IngressClass",
      metadata: { name: "foreign" },
      spec: { controller: "example.test/foreign" },
    });
    await ingress("foreign", { ingressClassName: "foreign", rules: rules("foreign.test") });
    await ingress("ours", { ingressClassName: classes[0]!.metadata.name, rules: rules("ours.test") });
    await eventually("ours answers", async () => (await nameAt("ours.test", "/")) === "one");
    assert.notEqual(await nameAt("foreign.test", "/"), "one");
    await eventually("its status has an address", async () => {
      const { status } = await work.client.get(Ingress, "ours", "default");
      return (status?.loadBalancer?.ingress?.length ?? 0) > 0;
    });
  });
});
