// A real HAProxy on loopback: routing, certificates, endpoints that come and go under load, taken ports.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server, request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { WebSocket, WebSocketServer } from "ws";
import { findCommand } from "../src/host/packages.ts";
import { eventually } from "./harness.ts";
import { EndpointSlice, Event, Ingress, Secret, Service } from "../src/kinds/index.ts";
import { realClock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import { createSelfSigned } from "../src/network/ingress/self-signed.ts";
import { type IngressController, startIngress, stopIngress } from "../src/network/ingress/ingress.ts";
import { FakeClient } from "../src/network/testing.ts";

assert.ok(findCommand("haproxy"), "these tests need haproxy");
const httpPort = 18480;
const httpsPort = 18443;
const dataDir = mkdtempSync(join(tmpdir(), "knarr-ingress-"));
const stop = new AbortController();
const fake = new FakeClient();
const servers: Server[] = [];
let controller: IngressController;

/** A backend that says who it is and what it saw. */
async function serve(name: string, address: string): Promise<void> {
  const server = createServer((request, response) =>
    response.end(JSON.stringify({ name, url: request.url, headers: request.headers })),
  );
  new WebSocketServer({ server }).on("connection", (socket) => socket.send(`hello from ${name}`));
  await new Promise<void>((resolve) => server.listen(8480, address, resolve));
  servers.push(server);
}

interface Reply {
  readonly status: number;
  readonly name?: string;
  readonly headers: Record<string, string>;
}

function get(host: string, path: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: "127.0.0.1", port: httpPort, path, headers: { host }, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const seen = text.startsWith("{") ? (JSON.parse(text) as Pick<Reply, "name" | "headers">) : { headers: {} };
          resolve({ status: response.statusCode!, ...seen });
        });
      },
    );
    request.on("error", reject);
    request.end();
  });
}

function putService(name: string, addresses: string[]): void {
  const metadata = { namespace: "shop", name };
  fake.put(Service, {
    apiVersion: "v1",
    kind: "Service",
    metadata,
    spec: { clusterIP: "10.0.0.1", ports: [{ name: "http", port: 80 }] },
  } as never);
  fake.put(EndpointSlice, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8480 }],
    endpoints: addresses.map((address) => ({ addresses: [address] })),
  } as never);
}

const backend = (name: string) => ({ service: { name, port: { number: 80 } } });
const path = (pathType: string, value: string, name: string) => ({ pathType, path: value, backend: backend(name) });

function putIngress(name: string, spec: object): void {
  const metadata = { namespace: "shop", name, generation: 1, creationTimestamp: "2026-01-01T00:00:00Z" };
  fake.put(Ingress, { apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata, spec } as never);
}

before(async () => {
  await Promise.all([serve("a", "127.0.0.2"), serve("b", "127.0.0.3"), serve("c", "127.0.0.4")]);
  controller = await startIngress({
    client: fake.client,
    httpPort,
    httpsPort,
    bind: ["127.0.0.1"],
    dataDir,
    clock: realClock,
    log: process.env.KNARR_TEST_LOG ? (console as never) : silentLogger,
    signal: stop.signal,
  });
  await new Promise((resolve) => setImmediate(resolve));
  putService("a", ["127.0.0.2"]);
  putService("b", ["127.0.0.3"]);
  putService("c", ["127.0.0.4"]);
  putService("none", []);
});

after(async () => {
  stop.abort();
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  await stopIngress({ dataDir, clock: realClock });
  rmSync(dataDir, { recursive: true });
});

test("hosts and paths lead where the rules say", async () => {
  assert.equal(controller.problem, undefined);
  putIngress("rules", {
    rules: [
      {
        host: "shop.example",
        http: {
          paths: [path("Prefix", "/", "a"), path("Prefix", "/api", "b"), path("Exact", "/api/exact", "c")],
        },
      },
      { host: "*.wild.example", http: { paths: [path("Prefix", "/", "b")] } },
      { host: "empty.example", http: { paths: [path("Prefix", "/", "none")] } },
    ],
  });
  await controller.settled();
  const table: [string, string, string | number][] = [
    ["shop.example", "/", "a"],
    ["Shop.Example:8080", "/x", "a"],
    ["shop.example", "/api", "b"],
    ["shop.example", "/api/", "b"],
    ["shop.example", "/api/v1?q=1", "b"],
    ["shop.example", "/apis", "a"],
    ["shop.example", "/api/exact", "c"],
    ["shop.example", "/api/exact/", "b"],
    ["one.wild.example", "/", "b"],
    ["two.one.wild.example", "/", 404],
    ["wild.example", "/", 404],
    ["empty.example", "/", 503],
    ["unknown.example", "/", 404],
  ];
  for (const [host, url, expected] of table) {
    const { status, name } = await get(host, url);
    assert.equal(status === 200 ? name : status, expected, `${host}${url}`);
  }
  const ingress = await fake.get(Ingress, "rules", "shop");
  assert.deepEqual(ingress.status?.loadBalancer?.ingress, [{ ip: "127.0.0.1" }]);
});

test("the backend learns the client's address and protocol", async () => {
  const { headers } = await get("shop.example", "/");
  assert.equal(headers["x-forwarded-for"], "127.0.0.1");
  assert.equal(headers["x-forwarded-proto"], "http");
  assert.equal(headers["x-forwarded-host"], "shop.example");
});

test("WebSockets pass", async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${httpPort}/`, { headers: { host: "shop.example" } });
  const message = await new Promise((resolve, reject) => {
    socket.on("message", (data: Buffer) => resolve(data.toString()));
    socket.on("error", reject);
  });
  assert.equal(message, "hello from a");
  socket.close();
});

test("a Secret's certificate answers to its host, another one to the rest; HTTP/2 works", async () => {
  const pem = await createSelfSigned("shop.example", Date.now());
  const [certificate = "", key = ""] = pem.split(/(?=-----BEGIN PRIVATE KEY)/);
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  fake.put(Secret, {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { namespace: "shop", name: "tls" },
    data: { "tls.crt": base64(certificate), "tls.key": base64(key) },
  } as never);
  putIngress("tls", {
    tls: [{ hosts: ["shop.example"], secretName: "tls" }, { secretName: "missing" }],
    rules: [{ host: "shop.example", http: { paths: [path("Prefix", "/tls", "c")] } }],
  });
  await controller.settled();
  assert.equal(await subject("shop.example"), "shop.example");
  assert.equal(await subject("other.example"), "Knarr default certificate");
  const session = connectHttp2(`https://127.0.0.1:${httpsPort}`, {
    servername: "shop.example",
    rejectUnauthorized: false,
  });
  const stream = session.request({ ":path": "/tls", ":authority": "shop.example" });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  session.close();
  const seen = JSON.parse(Buffer.concat(chunks).toString()) as Reply;
  assert.equal(seen.name, "c");
  assert.equal(seen.headers["x-forwarded-proto"], "https");
});

function subject(servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: "127.0.0.1", port: httpsPort, servername, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on("error", reject);
  });
}

const reloads = () => readFileSync(join(dataDir, "haproxy.log"), "utf8").match(/New worker/g)?.length ?? 0;

test("endpoints are exchanged under load without a failed request and without a reload", async () => {
  const before = reloads();
  const statuses = await underLoad(async () => {
    for (const addresses of [["127.0.0.2", "127.0.0.3"], ["127.0.0.3"], ["127.0.0.4", "127.0.0.3"], ["127.0.0.4"]]) {
      putService("a", addresses);
      await controller.settled();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // An endpoint that refuses, as a pod does that is gone before its EndpointSlice says so.
    putService("a", ["127.0.0.4", "127.0.0.5"]);
    await controller.settled();
    await new Promise((resolve) => setTimeout(resolve, 100));
    putService("a", ["127.0.0.2"]);
    await controller.settled();
  });
  assert.deepEqual(statuses, [200]);
  assert.equal((await get("shop.example", "/")).name, "a");
  assert.equal(reloads(), before);
});

test("a reload for a new rule fails no request either", async () => {
  const statuses = await underLoad(async () => {
    putIngress("later", { rules: [{ host: "later.example", http: { paths: [path("Prefix", "/", "b")] } }] });
    await controller.settled();
    assert.equal((await get("later.example", "/")).name, "b");
  });
  assert.deepEqual(statuses, [200]);
});

/** The different outcomes of requests that were made all the time while `act` ran. */
async function underLoad(act: () => Promise<void>): Promise<(number | string)[]> {
  let running = true;
  const outcomes = new Set<number | string>();
  const load = async () => {
    while (running)
      outcomes.add(
        await get("shop.example", "/").then(
          ({ status }) => status,
          (error: Error) => error.message,
        ),
      );
  };
  const loads = [load(), load(), load()];
  await act().finally(() => (running = false));
  await Promise.all(loads);
  return [...outcomes];
}

test("a default backend takes what no rule wants", async () => {
  putIngress("default", { defaultBackend: backend("c") });
  await controller.settled();
  assert.equal((await get("unknown.example", "/")).name, "c");
});

test("the next Knarr adopts the running HAProxy", async () => {
  await controller[Symbol.asyncDispose]();
  assert.equal((await get("shop.example", "/")).status, 200);
  controller = await startIngress({
    client: fake.client,
    httpPort,
    httpsPort,
    bind: ["127.0.0.1"],
    dataDir,
    clock: realClock,
    log: process.env.KNARR_TEST_LOG ? (console as never) : silentLogger,
    signal: stop.signal,
  });
  assert.equal(controller.problem, undefined);
  await controller.settled();
  assert.equal((await get("shop.example", "/")).status, 200);
});

test("without Ingresses there is no HAProxy, and a taken port is named with its holder", async () => {
  for (const name of ["rules", "tls", "later", "default"]) fake.remove(Ingress, `shop/${name}`);
  await controller.settled();
  await assert.rejects(get("shop.example", "/"));
  const squatter = createTcpServer();
  await new Promise<void>((resolve) => squatter.listen(httpPort, "127.0.0.1", resolve));
  assert.match(
    controller.problem ?? "",
    new RegExp(`port ${httpPort} is held by .+ \\(pid ${process.pid}\\) on 127.0.0.1`),
  );
  putIngress("rules", { defaultBackend: backend("a") });
  await controller.settled();
  squatter.close();
  const events = fake.cache(Event);
  await eventually("an event tells of it", () => events.list().some((event) => event.reason === "PortTaken"), 5000);
});
