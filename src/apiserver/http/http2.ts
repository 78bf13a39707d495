// HTTP/2 requests as EdgeRequests, on connections over TLS.
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../machinery/clock.ts";
import { Http2Connection } from "../http2/connection.ts";
import { errorCode } from "../http2/frames.ts";
import type { Wire } from "../http2/outbox.ts";
import type { Http2Stream } from "../http2/stream.ts";
import { Exchange } from "./edge-request.ts";
import {
  upgraded,
  type BodySink,
  type EdgeRequest,
  type EdgeResponse,
  type Handler,
  type Outcome,
} from "./exchange.ts";
import type { Peer, Peers } from "./peers.ts";
import { run, stallBytes } from "./sending.ts";

export interface Http2Options {
  readonly peers: Peers;
  readonly clock: Clock;
  readonly handle: Handler;
  /** A client has to take something before this one goes on. */
  readonly onWaiting: (connection: Http2Connection) => void;
}

/** Serves a socket on which HTTP/2 was agreed. */
export function serveHttp2(socket: TLSSocket, { peers, clock, handle, onWaiting }: Http2Options): Http2Connection {
  let peer: Peer | undefined;
  const wait = () => onWaiting(connection);
  const connection: Http2Connection = new Http2Connection({
    wire: wireOf(socket, wait),
    clock,
    onRequest(stream) {
      peer ??= peers.of(socket, () => connection.leave());
      answer(stream, peer, handle, wait);
    },
  });
  socket.on("error", () => {});
  socket.on("close", () => connection.closed());
  socket.on("data", (chunk: Buffer) => connection.receive(chunk));
  return connection;
}

const wireOf = (socket: TLSSocket, onPause: () => void): Wire => ({
  write: (bytes, done) => void socket.write(bytes, (error) => error ?? done()),
  pause() {
    socket.pause();
    onPause();
  },
  resume: () => void socket.resume(),
  end: () => socket.destroySoon(),
  destroy: () => void socket.destroy(),
});

function answer(stream: Http2Stream, peer: Peer, handle: Handler, onWaiting: () => void): void {
  const { method, path, headers } = stream.head;
  const request = new Exchange({ method, target: path, headers, peer, body: stream, closing: stream });
  const send = (outcome: Outcome) => {
    if (outcome === upgraded || stream.isClosed) return;
    try {
      sendResponse(stream, request, outcome);
      if (stream.sending.bufferedBytes > 0) onWaiting();
    } catch {
      // Header values that cannot be sent.
      stream.reset(errorCode.internal);
    }
  };
  const outcome = handle(request);
  if (outcome instanceof Promise) void outcome.then(send);
  else send(outcome);
}

function sendResponse(stream: Http2Stream, request: EdgeRequest, { status, headers, body }: EdgeResponse): void {
  const isHead = request.method === "HEAD";
  if (body === undefined) stream.respondHead(status, headers, true);
  else if (typeof body === "function") {
    stream.respondHead(status, headers, isHead);
    if (!isHead) run(body, sinkOf(stream, request));
  } else {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    if (bytes.length > stallBytes) stream.sending.stalls = 0;
    stream.respond(status, headers, bytes, isHead);
  }
}

const sinkOf = (stream: Http2Stream, request: EdgeRequest): BodySink => ({
  write: (chunk, done) => stream.write(chunk, done),
  drained: () => stream.drained(),
  get bufferedBytes() {
    return stream.sending.bufferedBytes;
  },
  end: () => stream.end(),
  abort: () => stream.reset(errorCode.internal),
  get signal() {
    return request.signal;
  },
});
