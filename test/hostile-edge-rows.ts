// What hostile clients do to the edge: TLS, HTTP/2, HTTP/1.1 and bodies. Each row ends by itself.
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { gzipSync } from "node:zlib";
import { flags, frame, get, literal, post, preface, remembered, uint32 } from "./http2-frames.ts";

export interface Target {
  readonly port: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface HostileRow {
  readonly name: string;
  readonly attack: (target: Target) => Promise<void>;
}

/** Long enough for the server to answer or to hang up; it may do neither. */
const patienceMs = 300;

/** Resolves when the other side ends the connection, or after a while. */
async function settle(socket: Socket, ms = patienceMs): Promise<void> {
  if (socket.destroyed) return;
  await Promise.race([once(socket, "close").catch(() => {}), new Promise((resolve) => setTimeout(resolve, ms))]);
  socket.destroy();
}

async function tcp({ port }: Target, ...bytes: (string | Uint8Array)[]): Promise<void> {
  const socket = connectTcp(port, "127.0.0.1");
  socket.on("error", () => {});
  for (const part of bytes) socket.write(part);
  await settle(socket);
}

async function tls({ port, ca, cert, key }: Target, options: ConnectionOptions = {}): Promise<TLSSocket | undefined> {
  const socket = connectTls({ host: "127.0.0.1", port, ca, cert, key, servername: "localhost", ...options });
  socket.on("error", () => {});
  socket.resume();
  const up = await Promise.race([
    once(socket, "secureConnect").then(
      () => true,
      () => false,
    ),
    once(socket, "close").then(() => false),
  ]);
  return up ? socket : undefined;
}

/** Over TLS, as HTTP/2 after the preface and settings. */
async function h2(target: Target, ...parts: Iterable<Buffer>[]): Promise<void> {
  const socket = await tls(target, { ALPNProtocols: ["h2"] });
  if (!socket) throw new Error("no TLS connection");
  socket.write(Buffer.concat([preface, frame("settings", 0, 0)]));
  for (const part of parts) {
    for (const bytes of part) {
      if (socket.destroyed) return;
      if (!socket.write(bytes)) await Promise.race([once(socket, "drain"), once(socket, "close")]).catch(() => {});
    }
  }
  await settle(socket);
}

async function h1(target: Target, ...parts: (string | Uint8Array)[]): Promise<void> {
  const socket = await tls(target, { ALPNProtocols: ["http/1.1"] });
  if (!socket) throw new Error("no TLS connection");
  for (const part of parts) socket.write(part);
  await settle(socket);
}

function* times(count: number, make: (i: number) => Buffer): Iterable<Buffer> {
  // In lumps, as one write a frame would keep the attacker busy, not the server.
  for (let i = 0; i < count; i += 100) {
    yield Buffer.concat(Array.from({ length: Math.min(100, count - i) }, (_, j) => make(i + j)));
  }
}

const many = (count: number, run: () => Promise<unknown>) => Promise.all(Array.from({ length: count }, run));
const idOf = (i: number) => 2 * i + 1;
const both = flags.endHeaders | flags.endStream;
const head = "GET /api/v1/namespaces HTTP/1.1\r\nHost: localhost\r\n";
const create = "POST /api/v1/namespaces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

const tlsRows: HostileRow[] = [
  { name: "garbage instead of TLS", attack: (t) => tcp(t, Buffer.alloc(5000, 0xa5)) },
  { name: "plain HTTP/1.1 on the TLS port", attack: (t) => tcp(t, `${head}\r\n`) },
  { name: "plain HTTP/2 on the TLS port", attack: (t) => tcp(t, preface) },
  {
    name: "TLS 1.1 only",
    attack: async (t) => {
      const up = await tls(t, { minVersion: "TLSv1", maxVersion: "TLSv1.1" }).catch(() => undefined);
      if (up) throw new Error("TLS 1.1 was accepted");
    },
  },
  { name: "a truncated hello", attack: (t) => tcp(t, Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])) },
  {
    name: "a record longer than allowed",
    attack: (t) => tcp(t, Buffer.from([22, 3, 1, 255, 255]), Buffer.alloc(70_000)),
  },
  { name: "an empty record, many times", attack: (t) => tcp(t, Buffer.alloc(50_000, Buffer.from([22, 3, 1, 0, 0]))) },
  { name: "an alert first", attack: (t) => tcp(t, Buffer.from([21, 3, 3, 0, 2, 2, 40])) },
  { name: "application data first", attack: (t) => tcp(t, Buffer.from([23, 3, 3, 0, 4, 1, 2, 3, 4])) },
  { name: "two hundred connections that say nothing", attack: async (t) => void (await many(200, () => tcp(t))) },
  {
    name: "fifty handshakes and silence",
    attack: async (t) => {
      const sockets = await many(50, () => tls(t, { ALPNProtocols: ["h2"] }));
      await new Promise((resolve) => setTimeout(resolve, patienceMs));
      for (const socket of sockets) (socket as TLSSocket | undefined)?.destroy();
    },
  },
  {
    name: "handshakes broken off",
    attack: async (t) =>
      void (await many(100, async () => {
        const socket = connectTls({ host: "127.0.0.1", port: t.port, ca: t.ca });
        socket.on("error", () => {});
        await once(socket, "connect").catch(() => {});
        socket.destroy();
      })),
  },
  {
    name: "an unknown ALPN protocol",
    attack: async (t) => void (await tls(t, { ALPNProtocols: ["spdy/99"] }).catch(() => undefined))?.destroy(),
  },
  {
    name: "a chain of a thousand certificates",
    attack: async (t) => void (await tls(t, { cert: t.cert + t.ca.repeat(1000) }).catch(() => undefined))?.destroy(),
  },
];

const settingsFlood = frame("settings", 0, 0, Buffer.from([0, 4, 0, 1, 0, 0]));

const http2Rows: HostileRow[] = [
  {
    name: "rapid reset",
    attack: (t) =>
      h2(
        t,
        times(5000, (i) =>
          Buffer.concat([frame("headers", both, idOf(i), get("/api/v1/pods")), frame("reset", 0, idOf(i), uint32(8))]),
        ),
      ),
  },
  {
    name: "a flood of settings",
    attack: (t) =>
      h2(
        t,
        times(20_000, () => settingsFlood),
      ),
  },
  {
    name: "a flood of pings",
    attack: (t) =>
      h2(
        t,
        times(20_000, () => frame("ping", 0, 0, Buffer.alloc(8))),
      ),
  },
  {
    name: "a flood of priorities",
    attack: (t) =>
      h2(
        t,
        times(20_000, (i) => frame("priority", 0, idOf(i), Buffer.from([0, 0, 0, 1, 9]))),
      ),
  },
  {
    name: "a stream that depends on itself",
    attack: (t) => h2(t, [frame("priority", 0, 1, Buffer.from([0, 0, 0, 1, 9]))]),
  },
  {
    name: "a header bomb: one large field, referred to thousands of times",
    attack: (t) =>
      h2(t, [
        frame("headers", flags.endStream, 1, Buffer.concat([get("/api"), remembered("x-bomb", "x".repeat(4000))])),
        frame("continuation", flags.endHeaders, 1, Buffer.alloc(16_000, 0xbe)),
      ]),
  },
  {
    name: "continuations without end",
    attack: (t) =>
      h2(
        t,
        [frame("headers", flags.endStream, 1, get("/api"))],
        times(5000, (i) => frame("continuation", 0, 1, literal([`x-${i}`, "y"]))),
      ),
  },
  {
    name: "empty continuations",
    attack: (t) =>
      h2(
        t,
        [frame("headers", flags.endStream, 1, get("/api"))],
        times(20_000, () => frame("continuation", 0, 1)),
      ),
  },
  {
    name: "windows that overflow",
    attack: (t) =>
      h2(t, [frame("windowUpdate", 0, 0, uint32(0x7fffffff)), frame("windowUpdate", 0, 0, uint32(0x7fffffff))]),
  },
  { name: "a window update of zero", attack: (t) => h2(t, [frame("windowUpdate", 0, 0, uint32(0))]) },
  {
    name: "large answers with a window of zero",
    attack: (t) =>
      h2(
        t,
        [frame("settings", 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]))],
        times(200, (i) => frame("headers", both, idOf(i), get("/openapi/v2"))),
      ),
  },
  {
    name: "more streams than allowed",
    attack: (t) =>
      h2(
        t,
        times(2000, (i) => frame("headers", flags.endHeaders, idOf(i), post("/api/v1/namespaces"))),
      ),
  },
  { name: "data without a stream", attack: (t) => h2(t, [frame("data", 0, 0, Buffer.from("x"))]) },
  {
    name: "data on a closed stream",
    attack: (t) =>
      h2(
        t,
        [frame("headers", both, 1, get("/readyz"))],
        times(5000, () => frame("data", 0, 1, Buffer.from("late"))),
      ),
  },
  {
    name: "empty data frames without end",
    attack: (t) =>
      h2(
        t,
        [frame("headers", flags.endHeaders, 1, post("/api/v1/namespaces"))],
        times(20_000, () => frame("data", 0, 1)),
      ),
  },
  {
    name: "more data than declared",
    attack: (t) =>
      h2(t, [
        frame("headers", flags.endHeaders, 1, post("/api/v1/namespaces", ["content-length", "2"])),
        frame("data", flags.endStream, 1, Buffer.from("{}{}{}")),
      ]),
  },
  {
    name: "a frame larger than allowed",
    attack: (t) => h2(t, [frame("data", 0, 1, Buffer.alloc(100), 0xffffff), Buffer.alloc(100_000)]),
  },
  { name: "a ping of seven bytes", attack: (t) => h2(t, [frame("ping", 0, 0, Buffer.alloc(7))]) },
  {
    name: "padding longer than the frame",
    attack: (t) => h2(t, [frame("headers", both | flags.padded, 1, Buffer.from([200, 0x82]))]),
  },
  { name: "streams of even numbers", attack: (t) => h2(t, [frame("headers", both, 2, get("/readyz"))]) },
  {
    name: "streams that count down",
    attack: (t) =>
      h2(
        t,
        [9, 7, 5].map((id) => frame("headers", both, id, get("/readyz"))),
      ),
  },
  { name: "a pushed stream from the client", attack: (t) => h2(t, [frame("push", flags.endHeaders, 1, uint32(2))]) },
  {
    name: "header compression that refers to nothing",
    attack: (t) => h2(t, [frame("headers", both, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x7f]))]),
  },
  {
    name: "a method in capitals and no path",
    attack: (t) => h2(t, [frame("headers", both, 1, literal([":method", "GET"], ["X-Upper", "1"]))]),
  },
  {
    name: "a connection header in HTTP/2",
    attack: (t) =>
      h2(t, [frame("headers", both, 1, get("/readyz", ["connection", "close"], ["transfer-encoding", "chunked"]))]),
  },
  {
    name: "goodbyes without end",
    attack: (t) =>
      h2(
        t,
        times(5000, () => frame("goAway", 0, 0, uint32(0, 0))),
      ),
  },
  {
    name: "HTTP/1.1 where HTTP/2 was agreed",
    attack: async (t) => {
      const socket = await tls(t, { ALPNProtocols: ["h2"] });
      socket!.write(`${head}\r\n`);
      await settle(socket!);
    },
  },
];

const http1Rows: HostileRow[] = [
  {
    name: "Content-Length and Transfer-Encoding",
    attack: (t) => h1(t, `${create}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${head}\r\n`),
  },
  { name: "two Content-Lengths", attack: (t) => h1(t, `${create}Content-Length: 2\r\nContent-Length: 4\r\n\r\n{}{}`) },
  {
    name: "a disguised Transfer-Encoding",
    attack: (t) => h1(t, `${create}Transfer-Encoding : chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n`),
  },
  { name: "a negative Content-Length", attack: (t) => h1(t, `${create}Content-Length: -5\r\n\r\n{}`) },
  {
    name: "a chunk of absurd size",
    attack: (t) => h1(t, `${create}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}`),
  },
  { name: "bare line feeds", attack: (t) => h1(t, "GET /api HTTP/1.1\nHost: localhost\n\n") },
  { name: "NUL and control bytes in headers", attack: (t) => h1(t, `${head}X-A: a\0b\x01\r\n\r\n`) },
  { name: "headers of a megabyte", attack: (t) => h1(t, `${head}X-Big: ${"y".repeat(1024 * 1024)}\r\n\r\n`) },
  { name: "a hundred thousand headers", attack: (t) => h1(t, `${head}${"A: b\r\n".repeat(100_000)}\r\n`) },
  {
    name: "a path of a megabyte",
    attack: (t) => h1(t, `GET /${"a".repeat(1024 * 1024)} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
  },
  { name: "absolute URIs", attack: (t) => h1(t, "GET https://10.0.0.1/api HTTP/1.1\r\nHost: elsewhere\r\n\r\n") },
  { name: "CONNECT", attack: (t) => h1(t, "CONNECT 10.0.0.1:443 HTTP/1.1\r\nHost: elsewhere\r\n\r\n") },
  { name: "a thousand pipelined requests", attack: (t) => h1(t, `${head}\r\n`.repeat(1000)) },
  {
    name: "slow headers on fifty connections",
    attack: async (t) => void (await many(50, () => h1(t, head, "X-Slow:"))),
  },
  {
    name: "bodies that stop half-way",
    attack: async (t) => void (await many(50, () => h1(t, `${create}Content-Length: 1000\r\n\r\n{"a`))),
  },
  {
    name: "an upgrade to h2c",
    attack: (t) =>
      h1(t, `${head}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`),
  },
  {
    name: "an expectation that nobody knows",
    attack: (t) => h1(t, `${create}Expect: 1000-wonders\r\nContent-Length: 2\r\n\r\n{}`),
  },
  { name: "HTTP/3.0", attack: (t) => h1(t, "GET /api HTTP/3.0\r\nHost: localhost\r\n\r\n") },
];

const withBody =
  (type: string, body: Uint8Array | string, more = "") =>
  (t: Target) =>
    h1(
      t,
      `POST /api/v1/namespaces HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`,
      body,
    );

const yamlBomb = `a0: &a0 [x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 8 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array.from({ length: 9 }, () => `*a${i}`).join(",")}]`).join("\n")}`;

const bodyRows: HostileRow[] = [
  { name: "a multipart body", attack: withBody("multipart/form-data; boundary=x", "--x\r\n\r\n{}\r\n--x--") },
  {
    name: "a content type of ten thousand parameters",
    attack: withBody(`application/json${";a=b".repeat(3000)}`, "{}"),
  },
  {
    name: "a gzip bomb",
    attack: withBody("application/json", gzipSync(Buffer.alloc(50_000_000)), "Content-Encoding: gzip\r\n"),
  },
  { name: "JSON of a hundred thousand levels", attack: withBody("application/json", "[".repeat(100_000)) },
  { name: "a YAML bomb", attack: withBody("application/yaml", yamlBomb) },
  {
    name: "a protobuf body of lengths that lie",
    attack: withBody(
      "application/vnd.kubernetes.protobuf",
      Buffer.concat([Buffer.from("k8s\0"), Buffer.alloc(5000, 0xff)]),
    ),
  },
  { name: "ten megabytes at once", attack: withBody("application/json", Buffer.alloc(10_000_000, 0x20)) },
  {
    name: "ten megabytes in chunks",
    attack: (t) =>
      h1(
        t,
        `${create}Transfer-Encoding: chunked\r\n\r\n`,
        ...Array.from({ length: 10 }, () => `f4240\r\n${"x".repeat(1_000_000)}\r\n`),
      ),
  },
];

export const hostileRows: readonly HostileRow[] = [...tlsRows, ...http2Rows, ...http1Rows, ...bodyRows];
