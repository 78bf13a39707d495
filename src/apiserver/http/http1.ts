// HTTP/1.1 requests and upgrades as EdgeRequests. Node speaks the protocol.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { STATUS_CODES } from "../../machinery/http.ts";
import { Exchange, type Closing } from "./edge-request.ts";
import { upgraded, type BodySink, type EdgeRequest, type EdgeResponse, type Handler } from "./exchange.ts";
import type { Peers } from "./peers.ts";
import { sourceOf } from "./request-body.ts";
import { drained, run, stallBytes, stallMs } from "./sending.ts";

const closingOf = (target: ServerResponse | Duplex): Closing => ({
  get isClosed() {
    return target.destroyed;
  },
  onClose(callback) {
    if (target.destroyed) callback();
    else target.once("close", callback);
  },
});

const partsOf = (message: IncomingMessage, peers: Peers) => ({
  method: message.method ?? "GET",
  target: message.url ?? "/",
  headers: message.headers,
  peer: peers.of(message.socket as TLSSocket),
  body: sourceOf(message),
});

export async function answerHttp1(
  message: IncomingMessage,
  response: ServerResponse,
  peers: Peers,
  handle: Handler,
): Promise<void> {
  response.on("error", () => {});
  message.on("error", () => {});
  const request = new Exchange({ ...partsOf(message, peers), closing: closingOf(response) });
  const outcome = await handle(request);
  if (outcome === upgraded || response.destroyed) return;
  try {
    writeResponse(response, request, outcome);
  } catch {
    response.destroy();
  }
}

/** Headers that say how an HTTP/1.1 body is framed are Node's to set. */
function writeResponse(response: ServerResponse, request: EdgeRequest, { status, headers, body }: EdgeResponse): void {
  const length = typeof body === "function" || body === undefined ? undefined : Buffer.byteLength(body);
  response.writeHead(status, { ...headers, ...(length !== undefined ? { "content-length": length } : {}) } as never);
  if (typeof body === "function" && request.method !== "HEAD") {
    response.flushHeaders();
    run(body, sinkOf(response, request));
    return;
  }
  response.end(typeof body === "function" ? undefined : body);
  if (length !== undefined && length > stallBytes) response.setTimeout(stallMs, () => response.destroy());
}

function sinkOf(target: ServerResponse, request: EdgeRequest): BodySink {
  return {
    write(chunk, done) {
      if (target.writable) return target.write(chunk, done);
      done?.();
      return false;
    },
    drained: () => drained(target),
    get bufferedBytes() {
      return target.writableLength;
    },
    end: () => void target.end(),
    abort: () => void target.destroy(),
    signal: request.signal,
  };
}

export async function answerUpgrade(
  message: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  peers: Peers,
  handle: Handler,
): Promise<void> {
  socket.on("error", () => socket.destroy());
  const protocol = String(message.headers.upgrade ?? "").toLowerCase();
  const upgrade = { protocol, socket, head, message };
  const outcome = await handle(new Exchange({ ...partsOf(message, peers), upgrade, closing: closingOf(socket) }));
  if (outcome === upgraded || socket.destroyed) return;
  refuseUpgrade(socket, outcome);
}

const valuesOf = (value: string | readonly string[]) => (typeof value === "string" ? [value] : value);

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
