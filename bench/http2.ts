// An HTTP/2 client for load: whole requests as ready frames, responses only counted. It takes a fraction of what node:http2
// takes for the same, so that the server is what a benchmark measures. Good for the servers of these benchmarks only.
import { connect, type TLSSocket } from "node:tls";

export interface Target {
  readonly url: string;
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

export interface Listener {
  /** Bytes of one DATA frame have arrived; `last` is the last of them. */
  readonly onData?: (bytes: number, last: number) => void;
  readonly onHeaders?: () => void;
  readonly onEnd?: () => void;
}

const dataFrame = 0;
const headersFrame = 1;
const resetFrame = 3;
const settingsFrame = 4;
const goAwayFrame = 7;
const windowUpdateFrame = 8;
const endStream = 1;
const endHeaders = 4;
const frameHead = 9;
const maxWindow = 0x7fff_ffff;

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(frameHead + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  payload.copy(bytes, frameHead);
  return bytes;
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** SETTINGS: no header table of the server's, so that every status is readable on its own; a window without end. */
const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  frame(settingsFrame, 0, 0, Buffer.concat([Buffer.from([0, 1]), uint32(0), Buffer.from([0, 4]), uint32(maxWindow)])),
  frame(windowUpdateFrame, 0, 0, uint32(maxWindow - 0xffff)),
]);
const settingsReceived = frame(settingsFrame, 1, 0, Buffer.alloc(0));

/** A header whose name is in HPACK's static table; the value is up to 126 bytes. */
function literal(name: number, value: string): Buffer {
  const head = name < 15 ? [name] : [15, name - 15];
  return Buffer.concat([Buffer.from([...head, value.length]), Buffer.from(value, "latin1")]);
}

const origin = Buffer.concat([Buffer.from([0x87]), literal(1, "localhost")]);
const fixedHeaders = Buffer.concat([literal(19, "application/json"), literal(58, "bench")]);
const names = { method: 2, path: 4, contentType: 31 };

export interface LoadRequest {
  readonly method: string;
  readonly path: string;
  readonly contentType?: string | undefined;
  readonly body?: string | undefined;
}

function requestFrames(stream: number, { method, path, contentType, body }: LoadRequest): Buffer {
  const block = [literal(names.method, method), origin, literal(names.path, path), fixedHeaders];
  if (contentType) block.push(literal(names.contentType, contentType));
  const flags = endHeaders | (body === undefined ? endStream : 0);
  const head = frame(headersFrame, flags, stream, Buffer.concat(block));
  return body === undefined ? head : Buffer.concat([head, frame(dataFrame, endStream, stream, Buffer.from(body))]);
}

/** Whether a header block begins with a 2xx status: one of the static table, or digits in Huffman code. */
function isSuccess(block: Buffer): boolean {
  const at = block[0] === 0x20 ? 1 : 0;
  const first = block[at]!;
  if (first >= 0x80) return first <= 0x8a;
  return block[at + 1]! >= 0x80 ? block[at + 2]! >> 3 === 2 : block[at + 2] === 0x32;
}

/** One connection. A failed request or connection calls `onError` once and ends everything. */
export class LoadConnection {
  readonly #socket: TLSSocket;
  readonly #onError: (error: Error) => void;
  readonly #streams = new Map<number, Listener>();
  readonly #head = Buffer.alloc(frameHead);
  #headBytes = 0;
  #payload: Buffer[] = [];
  #left = 0;
  #next = 1;
  #out: Buffer[] = [];
  #scheduled = false;

  constructor(socket: TLSSocket, onError: (error: Error) => void) {
    this.#socket = socket;
    this.#onError = onError;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", onError);
    socket.write(preface);
  }

  send(request: LoadRequest, listener: Listener): void {
    const stream = this.#next;
    this.#next += 2;
    this.#streams.set(stream, listener);
    this.#out.push(requestFrames(stream, request));
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#socket.write(this.#out.length === 1 ? this.#out[0]! : Buffer.concat(this.#out));
      this.#out = [];
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    for (let at = 0; at < chunk.length || (this.#headBytes === frameHead && this.#left === 0);) {
      if (this.#headBytes < frameHead) {
        const copied = chunk.copy(this.#head, this.#headBytes, at, at + frameHead - this.#headBytes);
        this.#headBytes += copied;
        at += copied;
        if (this.#headBytes === frameHead) this.#left = this.#head.readUIntBE(0, 3);
        continue;
      }
      const part = chunk.subarray(at, at + this.#left);
      at += part.length;
      this.#left -= part.length;
      // Of data only the length and the end matter.
      if (this.#head[3] !== dataFrame) this.#payload.push(part);
      if (this.#left > 0) continue;
      this.#headBytes = 0;
      this.#frame(part.at(-1) ?? 0);
    }
  }

  #frame(last: number): void {
    const type = this.#head[3]!;
    const flags = this.#head[4]!;
    const stream = this.#head.readUInt32BE(5);
    const payload = this.#payload.length === 0 ? undefined : Buffer.concat(this.#payload);
    this.#payload = [];
    const listener = this.#streams.get(stream);
    if (type === dataFrame) listener?.onData?.(this.#head.readUIntBE(0, 3), last);
    else if (type === settingsFrame && (flags & 1) === 0) this.#socket.write(settingsReceived);
    else if (type === headersFrame && isSuccess(payload!)) listener?.onHeaders?.();
    else if (type === headersFrame || type === resetFrame || type === goAwayFrame) {
      this.#onError(new Error(`a request was refused (frame ${type}: ${payload?.toString("hex")})`));
    }
    if ((flags & endStream) === 0 || type > headersFrame) return;
    this.#streams.delete(stream);
    listener?.onEnd?.();
  }
}

/** Connects and waits for nothing but TLS. */
export function connectLoad({ url, caPem, certPem, keyPem }: Target, onError: (error: Error) => void) {
  const { hostname, port } = new URL(url);
  return new Promise<LoadConnection>((resolve, reject) => {
    const options = {
      host: hostname,
      port: Number(port),
      ca: caPem,
      cert: certPem,
      key: keyPem,
      ALPNProtocols: ["h2"],
    };
    const socket = connect(options, () => {
      socket.off("error", reject);
      socket.setNoDelay(true);
      resolve(new LoadConnection(socket, onError));
    });
    socket.once("error", reject);
  });
}
