// HTTP/2 and HTTP/1.1 over TLS on one port, both turned into EdgeRequests. Knows sockets, nothing of Kubernetes.
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders as Http2Headers,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { STATUS_CODES, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex, Writable } from "node:stream";
import type { TLSSocket } from "node:tls";
import { realClock, type Clock } from "../../machinery/clock.ts";
import type { PeerIdentity } from "../auth/authenticate.ts";
import type { KeyPair } from "../auth/pki.ts";
import { upgraded, type BodySink, type EdgeRequest, type EdgeResponse, type Outcome } from "./exchange.ts";
import { createPeers, type Peer, type Peers } from "./peers.ts";

export interface ListenAddress {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export interface Certificates {
  readonly serving: KeyPair;
  /** The CAs whose client certificates count. */
  readonly caPem: string;
  /** Those above them, if any: without them no chain is complete. */
  readonly rootsPem?: string;
}

export interface TransportOptions extends Certificates {
  readonly clock?: Clock;
  /** Told of every connection, also of those that fail for their certificates. */
  readonly onConnection?: () => void;
  /** Must not reject. */
  readonly handle: (request: EdgeRequest) => Promise<Outcome>;
}

export interface Transport {
  listen(address: ListenAddress): Promise<AddressInfo>;
  /** New connections are served with these; of the others, those that came in by a CA no longer among them are ended. */
  setCertificates(certificates: Certificates): void;
  /** Takes no connection any more and asks clients to leave; resolves when the last one is gone. */
  drain(): Promise<void>;
  /** Breaks off what is left. */
  close(): Promise<void>;
}

/** A connection on which nothing is asked for so long is closed. */
const firstRequestMs = 15_000;
/** A response that the client does not take any part of for so long is broken off. */
const stallMs = 60_000;
/** Smaller responses cost too little to watch over them. */
const stallBytes = 16 * 1024;
const maxConnections = 8000;

const secureOptions = ({ serving, caPem, rootsPem = "" }: Certificates) => ({
  cert: serving.certPem,
  key: serving.keyPem,
  ca: caPem + rootsPem,
  minVersion: "TLSv1.2" as const,
});

/** One server; nothing listens until `listen`. */
export function createTransport(options: TransportOptions): Transport {
  const { handle, clock = realClock, onConnection = () => {} } = options;
  const peers = createPeers(options.caPem, clock);
  const server = createSecureServer({
    ...secureOptions(options),
    requestCert: true,
    rejectUnauthorized: false,
    allowHTTP1: true,
    // The session memory also counts what waits for slow watchers of one connection.
    maxSessionMemory: 256,
    settings: { maxConcurrentStreams: 250, initialWindowSize: 1024 * 1024 },
    handshakeTimeout: firstRequestMs,
    // Clients cancel watches now and then; who does nothing else is attacking (CVE-2023-44487) and is sent away.
    streamResetBurst: 1000,
    streamResetRate: 100,
    maxSessionInvalidFrames: 100,
  });
  // Longer than clients keep idle connections, so that none is closed under a request on its way.
  Object.assign(server, { keepAliveTimeout: 180_000, headersTimeout: firstRequestMs, maxConnections });
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    onConnection();
    socket.setNoDelay(true);
    // Watches are silent for long: without probes a vanished client would never be noticed, nor would a NAT stay open.
    socket.setKeepAlive(true, 30_000);
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  // Adding a request listener makes Node answer HTTP/2 through its slower compatibility layer as well: take that off.
  server.on("request", (message, response) => {
    void answerHttp1(message as unknown as IncomingMessage, response as unknown as ServerResponse, peers, handle);
  });
  server.removeAllListeners("stream");
  server.on("stream", (stream, headers, flags) => {
    const hasBody = (flags & constants.NGHTTP2_FLAG_END_STREAM) === 0;
    void answerStream(stream as ServerHttp2Stream, headers, hasBody, peers, handle);
  });
  server.on("upgrade", (message: IncomingMessage, socket: Duplex, head: Buffer) => {
    void answerUpgrade(message, socket, head, peers, handle);
  });
  server.on("checkContinue", (message: Http2ServerRequest, response: Http2ServerResponse) => {
    response.writeContinue();
    server.emit("request", message, response);
  });
  server.on("session", (session) => {
    // Lifted by the first request.
    session.setTimeout(firstRequestMs, () => session.destroy());
  });
  server.on("sessionError", () => {});
  server.on("tlsClientError", () => {});
  server.on("clientError", (_error: Error, socket: Duplex) => socket.destroy());
  let drained: Promise<void> | undefined;
  const drain = () => (drained ??= new Promise<void>((resolve) => server.close(() => resolve())));
  return {
    listen: (address) => listen(server, address),
    setCertificates(certificates) {
      server.setSecureContext(secureOptions(certificates));
      peers.trust(certificates.caPem);
    },
    drain,
    async close() {
      const drained = drain();
      for (const socket of sockets) socket.destroy();
      await drained;
    },
  };
}

function listen(server: Http2SecureServer, { host, port }: ListenAddress): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

function splitTarget(target: string): { path: string; search: string } {
  const mark = target.indexOf("?");
  return mark < 0 ? { path: target, search: "" } : { path: target.slice(0, mark), search: target.slice(mark + 1) };
}

interface Parts {
  readonly method: string;
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly peer: Peer;
  readonly body: EdgeRequest["body"];
  readonly upgrade?: EdgeRequest["upgrade"];
  /** Emits "close", and is destroyed from then on, when the client is gone or served. */
  readonly closing: NodeJS.EventEmitter & { readonly destroyed: boolean };
}

const noQuery = new URLSearchParams();

/** Parsed query and abort signal are made when asked for: most requests need neither. */
class Exchange implements EdgeRequest {
  readonly method: string;
  readonly path: string;
  readonly search: string;
  readonly headers: IncomingHttpHeaders;
  readonly peer: PeerIdentity | undefined;
  readonly address: string | undefined;
  readonly body: EdgeRequest["body"];
  readonly upgrade?: NonNullable<EdgeRequest["upgrade"]>;
  readonly #closing: Parts["closing"];
  #query: URLSearchParams | undefined;
  #controller: AbortController | undefined;

  constructor(parts: Parts) {
    const { path, search } = splitTarget(parts.target);
    this.method = parts.method;
    this.path = path;
    this.search = search;
    this.headers = parts.headers;
    this.peer = parts.peer.identity;
    this.address = parts.peer.address;
    this.body = parts.body;
    if (parts.upgrade) this.upgrade = parts.upgrade;
    this.#closing = parts.closing;
  }

  get query(): URLSearchParams {
    return (this.#query ??= this.search === "" ? noQuery : new URLSearchParams(this.search));
  }

  get isGone(): boolean {
    return this.#closing.destroyed;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      const controller = (this.#controller = new AbortController());
      if (this.isGone) controller.abort();
      else this.#closing.once("close", () => controller.abort());
    }
    return this.#controller.signal;
  }
}

const ignore = () => {};

async function answerStream(
  stream: ServerHttp2Stream,
  headers: Http2Headers,
  hasBody: boolean,
  peers: Peers,
  handle: TransportOptions["handle"],
): Promise<void> {
  stream.on("error", ignore);
  const session = stream.session as ServerHttp2Session;
  const request = new Exchange({
    method: String(headers[":method"]),
    target: String(headers[":path"] ?? "/"),
    headers,
    peer: peers.of(session, session.socket as TLSSocket),
    body: stream,
    closing: stream,
  });
  const outcome = await handle(request);
  if (outcome === upgraded || stream.destroyed || stream.closed) return;
  try {
    writeStream(stream, request, outcome);
    // A body that nobody read is of no use any more; without this the stream would never close. Where there is none,
    // Node does the same later and cheaper.
    if (hasBody && !stream.readableEnded) stream.resume();
  } catch {
    // Header values that HTTP/2 refuses, or a stream that closed in between.
    stream.destroy();
  }
}

const valuesOf = (value: string | readonly string[]) => (typeof value === "string" ? [value] : value);

function writeStream(stream: ServerHttp2Stream, request: EdgeRequest, { status, headers, body }: EdgeResponse): void {
  const isEmpty = body === undefined || request.method === "HEAD";
  const length = typeof body === "function" || body === undefined ? undefined : Buffer.byteLength(body);
  // As a list, Node takes them as they are.
  const list = [":status", String(status)];
  for (const name in headers) for (const value of valuesOf(headers[name]!)) list.push(name, value);
  if (length !== undefined) list.push("content-length", String(length));
  stream.respond(list as never, { endStream: isEmpty });
  if (isEmpty) return;
  if (typeof body === "function")
    run(
      body,
      sinkOf(stream, request, () => stream.close(2)),
    );
  else {
    stream.end(body);
    if (length! > stallBytes) stream.setTimeout(stallMs, () => stream.close(constants.NGHTTP2_CANCEL));
  }
}

function run(produce: (sink: BodySink) => void | Promise<void>, sink: BodySink): void {
  Promise.try(produce, sink).catch(() => sink.abort());
}

function sinkOf(target: Writable, request: EdgeRequest, abort: () => void): BodySink {
  return {
    write(chunk, done) {
      if (target.writable) return target.write(chunk, done);
      done?.();
      return false;
    },
    drained: () =>
      new Promise((resolve) => {
        if (!target.writable || !target.writableNeedDrain) return resolve();
        const settle = () => {
          target.off("drain", settle);
          target.off("close", settle);
          resolve();
        };
        target.on("drain", settle);
        target.on("close", settle);
      }),
    get bufferedBytes() {
      return target.writableLength;
    },
    end: () => void target.end(),
    abort,
    signal: request.signal,
  };
}

/** Headers that say how an HTTP/1.1 body is framed are Node's to set. */
async function answerHttp1(
  message: IncomingMessage,
  response: ServerResponse,
  peers: Peers,
  handle: TransportOptions["handle"],
): Promise<void> {
  response.on("error", () => {});
  message.on("error", () => {});
  const request = new Exchange({
    method: message.method ?? "GET",
    target: message.url ?? "/",
    headers: message.headers,
    peer: peers.of(message.socket as TLSSocket, message.socket as TLSSocket),
    body: message,
    closing: response,
  });
  const outcome = await handle(request);
  if (outcome === upgraded || response.destroyed) return;
  const { status, headers, body } = outcome;
  try {
    const length = typeof body === "function" || body === undefined ? undefined : Buffer.byteLength(body);
    response.writeHead(status, { ...headers, ...(length !== undefined ? { "content-length": length } : {}) } as never);
    if (typeof body !== "function" || request.method === "HEAD") {
      response.end(body);
      if (length !== undefined && length > stallBytes) response.setTimeout(stallMs, () => response.destroy());
      return;
    }
    response.flushHeaders();
    run(
      body,
      sinkOf(response, request, () => void response.destroy()),
    );
  } catch {
    response.destroy();
  }
}

async function answerUpgrade(
  message: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  peers: Peers,
  handle: TransportOptions["handle"],
): Promise<void> {
  socket.on("error", () => socket.destroy());
  const outcome = await handle(
    new Exchange({
      method: message.method ?? "GET",
      target: message.url ?? "/",
      headers: message.headers,
      peer: peers.of(message.socket as TLSSocket, message.socket as TLSSocket),
      body: message,
      upgrade: { protocol: String(message.headers.upgrade ?? "").toLowerCase(), socket, head, message },
      closing: socket,
    }),
  );
  if (outcome === upgraded || socket.destroyed) return;
  refuseUpgrade(socket, outcome);
}

/** An ordinary response on a connection that Node has handed over; it is closed afterwards. */
function refuseUpgrade(socket: Duplex, { status, headers, body }: EdgeResponse): void {
  const whole = typeof body === "function" ? "the resource cannot be upgraded\n" : (body ?? "");
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`, "connection: close"];
  for (const [name, value] of Object.entries(headers)) {
    for (const line of valuesOf(value)) lines.push(`${name}: ${line}`);
  }
  lines.push(`content-length: ${Buffer.byteLength(whole)}`);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  socket.end(whole);
}
