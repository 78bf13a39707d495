// Sockets: both HTTP versions, WebSocket watches, certificates, and clients that leave.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { request } from "node:https";
import type { IncomingMessage } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { WebSocket } from "ws";
import { realClock } from "../../machinery/clock.ts";
import { ensurePki, type Pki } from "../auth/pki.ts";
import { testRouter } from "./testing.ts";
import { createTransport, type Transport } from "./transport.ts";

const dir = mkdtempSync(join(tmpdir(), "knarr-transport-"));
let pki: Pki;
let transport: Transport;
let url: string;

before(async () => {
  const { router } = await testRouter();
  pki = await ensurePki(dir, { names: ["localhost"], addresses: ["127.0.0.1"], clock: realClock });
  transport = createTransport({ serving: pki.serving, caPem: pki.caPem, handle: router });
  const { port } = await transport.listen({ host: "127.0.0.1", port: 0 });
  url = `https://127.0.0.1:${port}`;
});

after(async () => {
  await transport.close();
  rmSync(dir, { recursive: true });
});

const credentials = () => ({ ca: pki.caPem, cert: pki.admin.certPem, key: pki.admin.keyPem });

async function http1(path: string, options: object = {}, body?: string | Buffer) {
  const call = request(`${url}${path}`, { ...credentials(), ...options });
  call.on("error", () => {});
  call.end(body);
  const [response] = (await once(call, "response")) as [IncomingMessage];
  return { status: response.statusCode, headers: response.headers, text: await text(response) };
}

async function http2(path: string, headers: object = {}, body?: string) {
  const session = connect(url, credentials());
  const stream = session.request({ ":path": path, ...headers });
  stream.end(body);
  const [head] = (await once(stream, "response")) as [Record<string, unknown>];
  const content = await text(stream);
  session.close();
  return { status: head[":status"], text: content };
}

test("both HTTP versions give the same answers", async () => {
  for (const path of ["/api/v1/namespaces", "/readyz", "/nowhere", "/api/v1/nodes/none"]) {
    const [old, modern] = [await http1(path), await http2(path)];
    assert.deepEqual([modern.status, modern.text], [old.status, old.text], path);
  }
});

test("a certificate of another authority is nobody's", async () => {
  const other = mkdtempSync(join(tmpdir(), "knarr-other-"));
  const foreign = await ensurePki(other, { names: [], addresses: [], clock: realClock });
  const { certPem: cert, keyPem: key } = foreign.admin;
  assert.equal((await http1("/api/v1/pods", { cert, key })).status, 401);
  assert.equal((await http1("/api/v1/pods", { cert: undefined, key: undefined })).status, 401);
  rmSync(other, { recursive: true });
});

test("a body beyond the limit is answered with 413", async () => {
  const headers = { ":method": "POST", "content-type": "application/json" };
  const big = await http2("/api/v1/namespaces", headers, "x".repeat(4 * 1024 * 1024));
  assert.equal(big.status, 413);
});

test("an upgrade where there is none is refused in plain HTTP", async () => {
  const refused = await http1("/api/v1/namespaces/default/pods/p/exec?command=a&stdout=1", {
    method: "POST",
    headers: { connection: "Upgrade", upgrade: "SPDY/3.1" },
  });
  assert.equal(refused.status, 404);
  const plain = await http1("/api/v1/namespaces/default/pods/p/exec?command=a&stdout=1", { method: "POST" });
  assert.match(plain.text, /Upgrade request required/);
});

test("a WebSocket can watch", async () => {
  const socket = new WebSocket(`${url}/api/v1/namespaces?watch=true`, credentials());
  const [message] = (await once(socket, "message")) as [Buffer];
  assert.equal(JSON.parse(message.toString()).type, "ADDED");
  socket.close();
  await once(socket, "close");
});

test("a large list comes whole, compressed or not", async () => {
  const plain = await http1("/openapi/v2");
  const zipped = await http1("/openapi/v2", { headers: { "accept-encoding": "gzip" } });
  assert.equal(zipped.headers["content-encoding"], "gzip");
  assert.ok(Number(zipped.headers["content-length"]) < Buffer.byteLength(plain.text) / 2);
});

test("a client that floods, or breaks off, loses its connection; the others do not notice", async () => {
  const good = connect(url, credentials());
  const ask = async () => {
    const stream = good.request({ ":path": "/readyz" });
    return text(stream);
  };
  const greeting = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");
  const pings = Buffer.alloc(17 * 5000, Buffer.from("\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0", "latin1"));
  for (const bytes of [pings, Buffer.alloc(100_000, "x"), greeting.subarray(3)]) {
    const socket = connectTls({ ...credentials(), port: Number(new URL(url).port), ALPNProtocols: ["h2"] });
    socket.on("error", () => {});
    socket.resume().write(Buffer.concat([greeting, bytes]));
    assert.equal(await ask(), "ok");
    if (!socket.closed) await once(socket, "close");
  }
  for (let i = 0; i < 20; i++) {
    const session = connect(url, credentials());
    session.on("error", () => {});
    session.request({ ":path": "/api/v1/pods?watch=1" }).on("error", () => {});
    if (i % 2 === 0) await once(session, "remoteSettings");
    session.socket.destroy();
  }
  assert.equal(await ask(), "ok");
  good.close();
});
