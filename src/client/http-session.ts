// One HTTP/2 connection to a server, made when it is needed and made anew when it is lost.
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import type { SecureContextOptions } from "node:tls";
import type { Clock } from "../machinery/clock.ts";
import { serviceUnavailable, statusError, StatusError } from "../machinery/errors.ts";

export interface HttpRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The body as it arrives: a readable stream of Buffers. Read it to the end or destroy it. */
  readonly body: ClientHttp2Stream;
}

export interface SessionOptions {
  readonly server: string;
  readonly tls: SecureContextOptions & { readonly servername?: string; readonly checkServerIdentity?: () => undefined };
  readonly clock: Clock;
}

/** A connection on which nothing can be heard for this long, although asked, is given up. Pings only while in use. */
const pingMs = 30_000;
const pongMs = 15_000;
const connectMs = 30_000;

export class HttpSession {
  readonly #options: SessionOptions;
  #session: ClientHttp2Session | undefined;
  #open = 0;
  #cancelPing = () => {};

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Resolves with the head of the answer, whatever its status. Throws ServiceUnavailable when the server is out of reach. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    request.signal?.throwIfAborted();
    const session = this.#connected();
    let stream: ClientHttp2Stream;
    try {
      const { method, path, headers, body } = request;
      stream = session.request({ ":method": method, ":path": path, ...headers }, { endStream: body === undefined });
    } catch (error) {
      this.#drop(session);
      throw this.#unreachable(error);
    }
    this.#count(session, 1);
    stream.once("close", () => this.#count(session, -1));
    if (request.body !== undefined) stream.end(request.body);
    return this.#answerOf(stream, request.signal);
  }

  close(): void {
    if (this.#session) this.#drop(this.#session);
  }

  #answerOf(stream: ClientHttp2Stream, signal: AbortSignal | undefined): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const abort = () => stream.close(constants.NGHTTP2_CANCEL);
      signal?.addEventListener("abort", abort);
      stream.once("close", () => {
        signal?.removeEventListener("abort", abort);
        reject(signal?.aborted ? signal.reason : this.#unreachable("the connection was closed before the answer"));
      });
      stream.on("error", (error) => reject(signal?.aborted ? signal.reason : this.#unreachable(error)));
      stream.once("response", (received) => {
        const { ":status": status = 0, ...headers } = received;
        resolve({ status, headers, body: stream });
      });
    });
  }

  #connected(): ClientHttp2Session {
    const current = this.#session;
    if (current && !current.closed && !current.destroyed) return current;
    const { server, tls } = this.#options;
    const session = connect(server, { ...tls, ALPNProtocols: ["h2"], settings: { initialWindowSize: 1 << 20 } });
    session.setTimeout(0);
    const giveUp = this.#options.clock.after(connectMs, () => session.destroy(new Error("connecting took too long")));
    session.once("connect", () => {
      giveUp();
      session.setLocalWindowSize(8 << 20);
    });
    session.on("error", () => this.#drop(session));
    session.once("goaway", () => this.#drop(session, false));
    session.once("close", () => {
      giveUp();
      this.#drop(session);
    });
    this.#session = session;
    this.#open = 0;
    return session;
  }

  /** Stops using a session for new requests; running ones end with it unless it closes in good order. */
  #drop(session: ClientHttp2Session, destroy = true): void {
    if (this.#session === session) {
      this.#session = undefined;
      this.#cancelPing();
    }
    if (destroy && !session.destroyed) session.destroy();
  }

  #count(session: ClientHttp2Session, change: number): void {
    if (this.#session !== session) return;
    this.#open += change;
    if (this.#open === 0) {
      this.#cancelPing();
      session.unref();
    } else if (this.#open === 1 && change === 1) {
      session.ref();
      this.#pingLater(session);
    }
  }

  #pingLater(session: ClientHttp2Session): void {
    this.#cancelPing();
    this.#cancelPing = this.#options.clock.after(pingMs, () => {
      const cancel = this.#options.clock.after(pongMs, () => this.#drop(session));
      const asked = session.ping((error) => {
        cancel();
        if (error) this.#drop(session);
        else if (this.#session === session && this.#open > 0) this.#pingLater(session);
      });
      if (!asked) cancel();
    });
  }

  #unreachable(cause: unknown): StatusError {
    if (cause instanceof StatusError) return cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    return Object.assign(serviceUnavailable(`no answer from ${this.#options.server}: ${why}`), { cause });
  }
}

/** The whole body as text. Throws ServiceUnavailable when it breaks off. */
export async function readText({ body }: HttpAnswer): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of body) chunks.push(chunk as Buffer);
  } catch (cause) {
    throw Object.assign(serviceUnavailable(`the answer broke off: ${String(cause)}`), { cause });
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The error that a failed answer stands for: the Status in it, or one made from its HTTP status. */
export async function errorOf(answer: HttpAnswer): Promise<StatusError> {
  const text = await readText(answer);
  try {
    const status = JSON.parse(text) as StatusError["status"];
    if (status.kind === "Status") return new StatusError(status);
  } catch {
    // Not the API's own answer: some proxy or another program speaks.
  }
  const error = statusError("InternalError", `HTTP ${answer.status}: ${text.trim().slice(0, 500)}`);
  return new StatusError({ ...error.status, code: answer.status, reason: reasonOf(answer.status) });
}

function reasonOf(code: number): string {
  const reasons: Record<number, string> = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "Timeout",
  };
  return reasons[code] ?? "InternalError";
}
