// The server on loopback with a stand-in for the host's resolver: truncation, TCP, forwarding, caching, SERVFAIL.
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as dns from "dns-packet";
import { EndpointSlice, Namespace, Service } from "../../kinds/index.ts";
import { realClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import { FakeClient } from "../testing.ts";
import { framed } from "./forward.ts";
import { startDns } from "./server.ts";

const port = 15353;
const upstreamPort = 15354;
const address = "127.0.0.7";
const directory = mkdtempSync(join(tmpdir(), "knarr-dns-"));
const resolvConf = join(directory, "resolv.conf");
const stop = new AbortController();
const fake = new FakeClient();
let upstream: Socket;
let asked: string[] = [];

before(async () => {
  writeFileSync(resolvConf, "search example.net\nnameserver 127.0.0.8\n");
  upstream = createSocket("udp4");
  upstream.on("message", (bytes, from) => {
    const query = dns.decode(bytes);
    const { name } = query.questions![0]!;
    asked.push(name);
    if (name === "silent.example.com") return;
    const answers = [{ name, type: "A", ttl: 60, data: "192.0.2.7" }];
    const missing = name === "missing.example.com";
    upstream.send(
      dns.encode({
        type: "response",
        id: query.id,
        flags: dns.RECURSION_AVAILABLE | (missing ? 3 : 0),
        questions: query.questions,
        answers: missing ? [] : answers,
      }),
      from.port,
      from.address,
    );
  });
  upstream.bind(upstreamPort, "127.0.0.8");
  await once(upstream, "listening");
  const named = (name: string, namespace?: string) => ({ metadata: { name, namespace } }) as never;
  fake.put(Namespace, named("default"));
  fake.put(Service, { ...(named("web", "default") as object), spec: { clusterIP: "10.96.0.20" } } as never);
  fake.put(Service, { ...(named("many", "default") as object), spec: { clusterIP: "None" } } as never);
  const alias = { type: "ExternalName", externalName: "example.com" };
  fake.put(Service, { ...(named("alias", "default") as object), spec: alias } as never);
  fake.put(EndpointSlice, {
    metadata: { name: "many-1", namespace: "default", labels: { "kubernetes.io/service-name": "many" } },
    addressType: "IPv4",
    endpoints: Array.from({ length: 60 }, (_, i) => ({ addresses: [`10.244.0.${i + 1}`] })),
  } as never);
  await startDns({
    client: fake.client,
    address,
    port,
    clusterDomain: "cluster.local",
    resolvConf,
    upstreamPort,
    clock: realClock,
    log: silentLogger,
    signal: stop.signal,
  });
});

after(() => {
  stop.abort();
  upstream.close();
  rmSync(directory, { recursive: true });
});

async function ask(name: string, type = "A", udpPayloadSize?: number): Promise<dns.Packet> {
  const socket = createSocket("udp4");
  const option = { name: ".", type: "OPT", udpPayloadSize, flags: 0, options: [] };
  const additionals = udpPayloadSize === undefined ? [] : [option];
  socket.send(dns.encode({ type: "query", id: 7, questions: [{ name, type }], additionals }), port, address);
  const [bytes] = (await once(socket, "message", { signal: AbortSignal.timeout(4000) })) as [Buffer];
  socket.close();
  return dns.decode(bytes);
}

const data = (packet: dns.Packet) => packet.answers!.map((record) => record.data);

test("a Service's name has its address", async () => {
  const packet = await ask("web.default.svc.cluster.local");
  assert.deepEqual(data(packet), ["10.96.0.20"]);
  assert.notEqual(packet.flags! & dns.AUTHORITATIVE_ANSWER, 0);
});

test("a missing name is denied with the zone's SOA, without asking outside", async () => {
  asked = [];
  const packet = await ask("example.com.default.svc.cluster.local");
  assert.equal(packet.rcode, "NXDOMAIN");
  assert.equal(packet.authorities![0]!.type, "SOA");
  assert.deepEqual(asked, []);
});

test("kube-dns is announced as a Service", async () => {
  assert.equal((await fake.get(Service, "kube-dns", "kube-system")).spec?.clusterIP, address);
});

test("an answer that does not fit is truncated, and whole with EDNS or TCP", async () => {
  const name = "many.default.svc.cluster.local";
  const short = await ask(name);
  assert.notEqual(short.flags! & dns.TRUNCATED_RESPONSE, 0);
  assert.equal((await ask(name, "A", 4096)).answers!.length, 60);
  const socket = connect(port, address);
  socket.write(framed(dns.encode({ type: "query", id: 9, questions: [{ name, type: "A" }] })));
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    if (bytes.length >= 2 + bytes.readUInt16BE(0)) break;
  }
  assert.equal(dns.decode(bytes.subarray(2)).answers!.length, 60);
});

test("clients that take the first address spread over all", async () => {
  const first = new Set<unknown>();
  for (let i = 0; i < 20; i++) first.add(data(await ask("many.default.svc.cluster.local", "A", 4096))[0]);
  assert.ok(first.size > 10);
});

test("outside names come from the host's resolver, once", async () => {
  asked = [];
  assert.deepEqual(data(await ask("example.com")), ["192.0.2.7"]);
  assert.deepEqual(data(await ask("EXAMPLE.com")), ["192.0.2.7"]);
  assert.equal((await ask("missing.example.com")).rcode, "NXDOMAIN");
  assert.deepEqual(asked, ["example.com", "missing.example.com"]);
});

test("an ExternalName leads to its target's addresses", async () => {
  assert.deepEqual(data(await ask("alias.default.svc.cluster.local")), ["example.com", "192.0.2.7"]);
});

test("a resolver that is silent or absent means SERVFAIL, the second time at once", async () => {
  assert.equal((await ask("silent.example.com")).rcode, "SERVFAIL");
  const start = performance.now();
  assert.equal((await ask("silent.example.com")).rcode, "SERVFAIL");
  assert.ok(performance.now() - start < 200);
  writeFileSync(resolvConf, "# none\n");
  assert.equal((await ask("other.example.com")).rcode, "SERVFAIL");
});
