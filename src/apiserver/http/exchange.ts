// One request and its response, free of HTTP versions and sockets: what every handler of the edge speaks.
import type { IncomingHttpHeaders } from "node:http";
import type { Duplex } from "node:stream";
import { internalError, StatusError, type Status } from "../../machinery/errors.ts";
import type { PeerIdentity } from "../auth/authenticate.ts";
import { prefersProtobuf } from "./negotiate.ts";
import { protobufResponse, type Typed } from "./protobuf.ts";
import type { RequestBody } from "./request-body.ts";

export interface EdgeRequest {
  readonly method: string;
  /** Percent-encoded path without the query. */
  readonly path: string;
  /** The query as sent, without the question mark. */
  readonly search: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** Set when the client showed a certificate of the cluster CA. */
  readonly peer: PeerIdentity | undefined;
  /** The other end of the connection. */
  readonly address?: string | undefined;
  readonly body: RequestBody;
  /** Whether nobody waits for the answer any more. */
  readonly isGone: boolean;
  /** Aborts when the client goes away or the response is complete. */
  readonly signal: AbortSignal;
  /** Set for HTTP/1.1 requests that ask for an upgrade: the connection is the handler's once it returns `upgraded`. */
  readonly upgrade?: Upgrade;
}

export interface Upgrade {
  readonly protocol: string;
  readonly socket: Duplex;
  /** Bytes that arrived after the request's head. */
  readonly head: Buffer;
  /** The original message, for libraries that take over from there. */
  readonly message: import("node:http").IncomingMessage;
}

/** Where a streamed body goes. */
export interface BodySink {
  /**
   * False when the client is behind: wait for `drained` or look at `bufferedBytes` before writing much more. The bytes
   * are in use until `done` is called.
   */
  write(chunk: Uint8Array, done?: () => void): boolean;
  drained(): Promise<void>;
  readonly bufferedBytes: number;
  end(): void;
  /** Breaks the response off so that the client notices. */
  abort(): void;
  /** Aborts when the client goes away or the response is complete. */
  readonly signal: AbortSignal;
}

export type Body = Uint8Array | string | ((sink: BodySink) => void | Promise<void>);

export interface EdgeResponse {
  readonly status: number;
  readonly headers: Record<string, string | readonly string[]>;
  readonly body?: Body;
  /** May be sent with gzip when it is large. */
  readonly compressible?: boolean;
}

/** The handler has taken the connection over; there is nothing left to answer. */
export const upgraded = Symbol("upgraded");
export type Outcome = EdgeResponse | typeof upgraded;

/** Answers a request. Must neither throw nor reject. */
export type Handler = (request: EdgeRequest) => Outcome | Promise<Outcome>;

export const jsonType = "application/json";

export function jsonResponse(value: unknown, status = 200): EdgeResponse {
  return { status, headers: { "content-type": jsonType }, body: Buffer.from(`${JSON.stringify(value)}\n`) };
}

export function textResponse(text: string, status = 200): EdgeResponse {
  return {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
    body: text,
  };
}

/** The Status of whatever a handler threw; anything but a StatusError is our own fault. */
export function statusOf(error: unknown): Status {
  if (error instanceof StatusError) return error.status;
  return internalError(error instanceof Error ? error.message : String(error)).status;
}

/** A Status, or another document that stands for itself, in the encoding that the client prefers. */
export function typedResponse(object: Typed, code: number, accept: string | undefined): EdgeResponse {
  return (prefersProtobuf(accept) && protobufResponse(object, code)) || jsonResponse(object, code);
}

export function errorResponse(error: unknown, accept: string | undefined): EdgeResponse {
  const status = statusOf(error);
  const response = typedResponse(status, status.code, accept);
  const retryAfter = status.details?.retryAfterSeconds;
  const headers = {
    ...response.headers,
    ...(retryAfter !== undefined ? { "retry-after": String(retryAfter) } : {}),
    ...(status.code === 401 ? { "www-authenticate": 'Bearer realm="kubernetes"' } : {}),
  };
  return { ...response, headers };
}
