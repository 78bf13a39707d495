// Real packets through the real table: network namespaces stand in for pods, joined to a bridge of their own. Needs root.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { run, runOrThrow } from "../src/host/run.ts";
import { type Clock, realClock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import { ensurePodNetwork, removePodNetwork } from "../src/network/cni.ts";
import { EndpointSlice, Pod, Service } from "../src/kinds/index.ts";
import { startDns } from "../src/network/dns/server.ts";
import { removeServiceProxy, type ServiceProxy, startServiceProxy } from "../src/network/proxy/proxy.ts";
import { FakeClient } from "../src/network/testing.ts";
import { eventually } from "./harness.ts";

const network = {
  bridge: "knh-test0",
  podCidr: "10.231.0.0/24",
  serviceCidr: "10.232.0.0/16",
  localServiceAddresses: ["10.232.0.10"],
};
const table = "knh-test0";
const echo = join(import.meta.dirname, "network-echo.ts");
assert.equal(process.getuid?.(), 0, "these tests need root");
const children: ChildProcess[] = [];
const namespaces: string[] = [];
const stop = new AbortController();
const fake = new FakeClient();
let proxy: ServiceProxy;
/** Time as it is, except for what comes every half minute: that is when the test says so. */
let halfMinute = () => {};
const clock: Clock = {
  now: realClock.now,
  after(ms, callback, keepAlive) {
    if (ms !== 30_000) return realClock.after(ms, callback, keepAlive);
    halfMinute = callback;
    return () => {};
  },
};

async function addPod(name: string, address: string): Promise<void> {
  const namespace = `knh-${name}`;
  const host = `knh-v${name}`;
  namespaces.push(namespace);
  const { bridge } = network;
  await runOrThrow("ip", ["-batch", "-"], {
    input: [
      `netns add ${namespace}`,
      `link add ${host} type veth peer name eth0 netns ${namespace}`,
      `link set ${host} master ${bridge} up`,
      "",
    ].join("\n"),
  });
  await runOrThrow("ip", ["link", "set", host, "type", "bridge_slave", "hairpin", "on"]);
  await runOrThrow("ip", ["-n", namespace, "-batch", "-"], {
    input: [
      "link set lo up",
      `addr add ${address}/24 dev eth0`,
      "link set eth0 up",
      "route add default via 10.231.0.1",
      "",
    ].join("\n"),
  });
}

async function serve(name: string, port: number): Promise<void> {
  const child = spawn("ip", ["netns", "exec", `knh-${name}`, process.execPath, echo, "serve", name, String(port)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  await once(child.stdout!, "data");
}

/** Asks from a pod, or from the host with `from` "". */
async function ask(
  from: string,
  protocol: "tcp" | "udp" | "resolve",
  address: string,
  port: number | string,
): Promise<string> {
  const command = [process.execPath, echo, "ask", protocol, address, String(port)];
  const [file, ...args] = from ? ["ip", "netns", "exec", `knh-${from}`, ...command] : command;
  return (await runOrThrow(file!, args, { timeoutMs: 5000 })).stdout.trim();
}

const service = (name: string, clusterIP: string, spec: Partial<NonNullable<Service["spec"]>> = {}) =>
  ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "default", name },
    spec: {
      type: "ClusterIP",
      clusterIP,
      clusterIPs: [clusterIP],
      ports: [
        { name: "t", port: 80, protocol: "TCP" },
        { name: "u", port: 80, protocol: "UDP" },
      ],
      ...spec,
    },
  }) as Service;

const slice = (serviceName: string, addresses: string[]) =>
  ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      namespace: "default",
      name: `${serviceName}-1`,
      labels: { "kubernetes.io/service-name": serviceName },
    },
    addressType: "IPv4",
    ports: [
      { name: "t", port: 8080, protocol: "TCP" },
      { name: "u", port: 8080, protocol: "UDP" },
    ],
    endpoints: addresses.map((address) => ({ addresses: [address], nodeName: "n1", conditions: { ready: true } })),
  }) as unknown as EndpointSlice;

async function offer(svc: Service, addresses: string[]): Promise<void> {
  fake.put(Service, svc);
  fake.put(EndpointSlice, slice(svc.metadata.name, addresses));
  await proxy.settled();
}

const leaks = `${table}-leaks`;

/** Counts packets to pod and service addresses that leave by any other way than the bridge. */
const watchForLeaks = () =>
  runOrThrow("nft", ["-f", "-"], {
    input: `add table ip ${leaks}
add chain ip ${leaks} leaving { type filter hook postrouting priority 200; }
add rule ip ${leaks} leaving ip daddr { ${network.podCidr}, ${network.serviceCidr} } oifname != { lo, ${network.bridge} } counter
`,
  });

const golden = join(import.meta.dirname, "../src/network/proxy/golden/small-cluster.nft");

test("nft takes the golden table", async () => {
  await runOrThrow("nft", ["-c", "-f", golden]);
});

const cleanUp = async () => {
  for (const name of ["a", "b", "c"]) await run("ip", ["netns", "del", `knh-${name}`]);
  await removePodNetwork(network);
  await removeServiceProxy(table);
  await removeServiceProxy(leaks);
};

before(async () => {
  await cleanUp();
  await watchForLeaks();
  const { bridgeNetfilter } = await ensurePodNetwork(network);
  await Promise.all([addPod("a", "10.231.0.2"), addPod("b", "10.231.0.3"), addPod("c", "10.231.0.4")]);
  await Promise.all([serve("a", 8080), serve("b", 8080)]);
  proxy = await startServiceProxy({
    ...network,
    client: fake.client,
    nodeName: "n1",
    nodeAddresses: ["10.231.0.1"],
    table,
    bridgeNetfilter,
    clock,
    log: silentLogger,
    signal: stop.signal,
  });
});

after(async () => {
  stop.abort();
  for (const child of children) child.kill();
  await cleanUp();
});

test("a cluster IP answers pods with their own address kept, and the host, over TCP and UDP", async () => {
  await offer(service("one", "10.232.0.20"), ["10.231.0.2"]);
  assert.equal(await ask("c", "tcp", "10.232.0.20", 80), "a 10.231.0.4");
  assert.equal(await ask("c", "udp", "10.232.0.20", 80), "a 10.231.0.4");
  assert.equal(await ask("", "tcp", "10.232.0.20", 80), "a 10.231.0.1");
  assert.equal(await ask("", "udp", "10.232.0.20", 80), "a 10.231.0.1");
});

test("a pod reaches itself through its Service", async () => {
  await offer(service("one", "10.232.0.20"), ["10.231.0.2"]);
  assert.equal(await ask("a", "tcp", "10.232.0.20", 80), "a 10.231.0.1");
});

test("a Service without endpoints, and a port that no Service has, refuse at once", async () => {
  await offer(service("none", "10.232.0.21"), []);
  for (const from of ["", "c"]) {
    assert.equal(await ask(from, "tcp", "10.232.0.21", 80), "ECONNREFUSED");
    assert.equal(await ask(from, "udp", "10.232.0.21", 80), "ECONNREFUSED");
    assert.equal(await ask(from, "tcp", "10.232.9.9", 1), "ECONNREFUSED");
  }
  await offer(service("none", "10.232.0.21"), ["10.231.0.3"]);
  assert.equal(await ask("c", "tcp", "10.232.0.21", 80), "b 10.231.0.4");
});

test("connections spread over all endpoints", async () => {
  await offer(service("two", "10.232.0.22"), ["10.231.0.2", "10.231.0.3"]);
  const seen = new Set<string>();
  for (let i = 0; i < 40 && seen.size < 2; i++) seen.add(await connectOnce("10.232.0.22", 80));
  assert.deepEqual([...seen].toSorted(), ["a", "b"]);
});

test("ClientIP affinity keeps a client at one endpoint", async () => {
  await offer(service("sticky", "10.232.0.23", { sessionAffinity: "ClientIP" }), ["10.231.0.2", "10.231.0.3"]);
  const seen = new Set<string>();
  for (let i = 0; i < 20; i++) seen.add(await connectOnce("10.232.0.23", 80));
  assert.equal(seen.size, 1);
  // The endpoint goes away: the client moves on.
  await offer(service("sticky", "10.232.0.23", { sessionAffinity: "ClientIP" }), [
    seen.has("a") ? "10.231.0.3" : "10.231.0.2",
  ]);
  assert.equal(await connectOnce("10.232.0.23", 80), seen.has("a") ? "b" : "a");
});

test("a node port answers on every address of the node, loopback included", async () => {
  const ports = [
    { name: "t", port: 80, protocol: "TCP", nodePort: 31990 },
    { name: "u", port: 80, protocol: "UDP", nodePort: 31990 },
  ];
  await offer(service("np", "10.232.0.24", { type: "NodePort", ports }), ["10.231.0.2"]);
  assert.match(await ask("", "tcp", "127.0.0.1", 31990), /^a /);
  assert.match(await ask("", "udp", "127.0.0.1", 31990), /^a /);
  assert.match(await ask("", "tcp", "10.231.0.1", 31990), /^a /);
  assert.equal(await ask("c", "tcp", "10.231.0.1", 31990), "a 10.231.0.4");
  await offer(service("np", "10.232.0.24", { type: "NodePort", ports }), []);
  assert.equal(await ask("", "tcp", "127.0.0.1", 31990), "ECONNREFUSED");
});

test("a load balancer gets the node's address and answers there; a taken port stays with its process", async () => {
  const balancer = (name: string, clusterIP: string, port: number) =>
    service(name, clusterIP, { type: "LoadBalancer", ports: [{ name: "t", port, protocol: "TCP" }] });
  const squatter = createServer().listen(18097, "0.0.0.0");
  await once(squatter, "listening");
  await offer(balancer("lb-free", "10.232.0.27", 18098), ["10.231.0.2"]);
  await offer(balancer("lb-taken", "10.232.0.28", 18097), ["10.231.0.2"]);
  for (let i = 0; i < 5; i++) await proxy.settled();
  squatter.close();
  const status = async (name: string) => (await fake.get(Service, name, "default")).status?.loadBalancer?.ingress;
  assert.deepEqual(await status("lb-free"), [{ ip: "10.231.0.1", ipMode: "VIP" }]);
  assert.equal(await status("lb-taken"), undefined);
  assert.equal(await ask("c", "tcp", "10.231.0.1", 18098), "a 10.231.0.4");
});

test("the health check port says whether this node has endpoints", async () => {
  const local = {
    type: "LoadBalancer",
    loadBalancerClass: "other",
    externalTrafficPolicy: "Local",
    healthCheckNodePort: 31991,
  };
  await offer(service("health", "10.232.0.30", local), ["10.231.0.2"]);
  const ask = async () => {
    const response = await fetch("http://127.0.0.1:31991/");
    return [response.status, ((await response.json()) as { localEndpoints: number }).localEndpoints];
  };
  assert.deepEqual(await ask(), [200, 1]);
  await offer(service("health", "10.232.0.30", local), []);
  assert.deepEqual(await ask(), [503, 0]);
  fake.remove(Service, "default/health");
  await assert.rejects(ask());
});

test("cluster DNS answers pods and the host on its service address", async () => {
  const dns = await startDns({
    client: fake.client,
    address: "10.232.0.10",
    clusterDomain: "cluster.local",
    ranges: [network.podCidr, network.serviceCidr],
    resolvConf: "/dev/null",
    clock: realClock,
    log: silentLogger,
    signal: stop.signal,
  });
  await offer(service("named", "10.232.0.29"), ["10.231.0.2"]);
  assert.equal(await ask("c", "resolve", "10.232.0.10", "named.default.svc.cluster.local"), "10.232.0.29");
  assert.equal(await ask("", "resolve", "10.232.0.10", "named.default.svc.cluster.local"), "10.232.0.29");
  assert.equal(await ask("c", "resolve", "10.232.0.10", "nobody.default.svc.cluster.local"), "ENOTFOUND");
  await dns[Symbol.asyncDispose]();
});

test("source ranges of a load balancer refuse everyone else", async () => {
  const balancer = (range: string) => ({
    ...service("lb", "10.232.0.25", {
      type: "LoadBalancer",
      loadBalancerClass: "other",
      loadBalancerSourceRanges: [range],
    }),
    status: { loadBalancer: { ingress: [{ ip: "10.231.0.1" }] } },
  });
  await offer(balancer("10.231.0.4/32"), ["10.231.0.2"]);
  assert.equal(await ask("c", "tcp", "10.231.0.1", 80), "a 10.231.0.4");
  assert.equal(await ask("b", "tcp", "10.231.0.1", 80), "timeout");
});

test("a host port leads to its pod and goes with it", async () => {
  fake.put(Pod, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: "default", name: "hp", uid: "1", resourceVersion: "", creationTimestamp: "" },
    spec: { nodeName: "n1", containers: [{ name: "c", ports: [{ containerPort: 8080, hostPort: 18099 }] }] },
    status: { phase: "Running", podIP: "10.231.0.3" },
  } as never);
  await proxy.settled();
  assert.match(await ask("", "tcp", "127.0.0.1", 18099), /^b /);
  assert.equal(await ask("c", "tcp", "10.231.0.1", 18099), "b 10.231.0.4");
  fake.remove(Pod, "default/hp");
  await proxy.settled();
  assert.equal(await ask("", "tcp", "127.0.0.1", 18099), "ECONNREFUSED");
});

test("a UDP client that keeps sending follows its Service to the new endpoint", async () => {
  await offer(service("move", "10.232.0.26"), ["10.231.0.2"]);
  const { createSocket } = await import("node:dgram");
  const socket = createSocket("udp4");
  socket.connect(80, "10.232.0.26");
  await once(socket, "connect");
  const next = async () => {
    socket.send("?");
    return String((await once(socket, "message", { signal: AbortSignal.timeout(1000) }))[0]).slice(0, 1);
  };
  assert.equal(await next(), "a");
  await offer(service("move", "10.232.0.26"), ["10.231.0.3"]);
  assert.equal(await next(), "b");
  socket.close();
});

test("one Service more, after a thousand, costs no new table", async (t) => {
  for (let i = 0; i < 1000; i++) {
    const name = `many-${i}`;
    fake.put(Service, service(name, `10.232.${10 + (i >> 8)}.${i & 255}`));
    fake.put(EndpointSlice, slice(name, ["10.231.0.2", "10.231.0.3"]));
  }
  await proxy.settled();
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    await offer(service(`late-${i}`, `10.232.1.${i}`), ["10.231.0.2"]);
    times.push(performance.now() - start);
    assert.equal(await connectOnce(`10.232.1.${i}`, 80), "a");
  }
  t.diagnostic(`milliseconds until each worked: ${times.map(Math.round).join(", ")}`);
});

test("a pod that sends to the node's loopback is dropped, by the guard and nothing else", async () => {
  await run("ip", ["netns", "exec", "knh-c", "sysctl", "-q", "-w", "net.ipv4.conf.all.route_localnet=1"]);
  const input = "addr flush dev lo\nroute add 127.0.0.0/8 via 10.231.0.1 src 10.231.0.4\n";
  await runOrThrow("ip", ["-n", "knh-c", "-batch", "-"], { input });
  const server = createServer((socket) => socket.end("inside")).listen(18096, "127.0.0.1");
  await once(server, "listening");
  assert.equal(await ask("c", "tcp", "127.0.0.1", 18096), "timeout");
  await runOrThrow("nft", ["flush", "chain", "ip", table, "loopback-guard"]);
  assert.equal(await ask("c", "tcp", "127.0.0.1", 18096), "inside");
  server.close();
});

test("a table that somebody else removed is back with the next change", async () => {
  await runOrThrow("nft", ["delete", "table", "ip", table]);
  await offer(service("again", "10.232.1.9"), ["10.231.0.2"]);
  assert.equal(await connectOnce("10.232.1.9", 80), "a");
  assert.equal(await connectOnce("10.232.1.1", 80), "a");
});

test("a table that somebody else removed is noticed within half a minute, nothing having changed", async () => {
  await runOrThrow("nft", ["delete", "table", "ip", table]);
  halfMinute();
  await eventually("the table is back", async () => (await run("nft", ["list", "table", "ip", table])).code === 0);
  assert.equal(await connectOnce("10.232.1.9", 80), "a");
});

test("no packet to a pod or service address left the machine in all of this", async () => {
  // An address in the pod range that nobody has, and one in the service range.
  assert.equal(await ask("", "udp", "10.231.0.77", 1), "timeout");
  assert.equal(await ask("", "udp", "10.232.200.1", 1), "ECONNREFUSED");
  const { stdout } = await runOrThrow("nft", ["list", "table", "ip", leaks]);
  assert.match(stdout, /counter packets 0 bytes 0/);
});

/** Name of the endpoint that answers a connection from the host. */
function connectOnce(address: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, address);
    socket.on("data", (data) => resolve(data.toString().split(" ")[0]!));
    socket.on("error", reject);
    socket.setTimeout(1500, () => reject(new Error("timeout")));
  });
}
