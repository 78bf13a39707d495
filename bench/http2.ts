// An HTTP/2 client for load: requests are written from prepared bytes, responses only counted. It takes a fraction of what
// node:http2 takes for the same, so that the server is what a benchmark measures. Good for the servers of these benchmarks only.
import { connect, type TLSSocket } from "node:tls";

export interface Target {
  readonly url: string;
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

/** Who waits for a response. */
export interface Listener {
  /** Bytes of one DATA frame have arrived; `last` is the last of them. */
  onData?(bytes: number, last: number): void;
  onHeaders?(): void;
  onEnd?(): void;
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

function writeFrameHead(
  target: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): number {
  target.writeUIntBE(length, at, 3);
  target[at + 3] = type;
  target[at + 4] = flags;
  return target.writeUInt32BE(stream, at + 5);
}

function frame(type: number, flags: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(frameHead);
  writeFrameHead(head, 0, payload.length, type, flags, 0);
  return Buffer.concat([head, payload]);
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** SETTINGS: no header table of the server's, so that every status is readable on its own; a window without end. */
const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  frame(settingsFrame, 0, Buffer.concat([Buffer.from([0, 1]), uint32(0), Buffer.from([0, 4]), uint32(maxWindow)])),
  frame(windowUpdateFrame, 0, uint32(maxWindow - 0xffff)),
]);
const settingsReceived = frame(settingsFrame, 1, Buffer.alloc(0));

export interface LoadRequest {
  readonly method: string;
  /** `{i}` in it and in the body stands for a number. */
  readonly path: string;
  readonly contentType?: string | undefined;
  readonly body?: string | undefined;
}

/** By their number in HPACK's static table. */
const names = { authority: 1, method: 2, path: 4, accept: 19, contentType: 31, userAgent: 58 };
const https = 0x87;
const firstOwnEntry = 0x80 | 62;
const maxDigits = 10;

/** Text with numbers in it, as the parts between them. */
const partsOf = (text: string): readonly Buffer[] => text.split("{i}").map((part) => Buffer.from(part));
const lengthOf = (parts: readonly Buffer[], digits: number): number =>
  parts.reduce((sum, part) => sum + part.length, digits * (parts.length - 1));

function writeParts(target: Buffer, at: number, parts: readonly Buffer[], number: string): number {
  for (let i = 0; i < parts.length; i++) {
    if (i > 0) at += target.write(number, at, "latin1");
    target.set(parts[i]!, at);
    at += parts[i]!.length;
  }
  return at;
}

/** The bytes of a request, but for its number. As clients do, only the first on a connection says all headers. */
export class PreparedRequest {
  readonly maxBytes: number;
  /** Headers that enter the server's table, and the same when they are in it. */
  readonly #first: Buffer;
  readonly #again: Buffer;
  readonly #path: readonly Buffer[];
  readonly #body: readonly Buffer[] | undefined;

  constructor({ method, path, contentType, body }: LoadRequest) {
    const fields: [name: number, value: string][] = [
      [names.method, method],
      [names.authority, "localhost"],
      [names.accept, "application/json"],
      [names.userAgent, "bench"],
    ];
    if (contentType) fields.push([names.contentType, contentType]);
    const bytes = fields.map(([name, value]) =>
      Buffer.concat([Buffer.from([0x40 | name, value.length]), Buffer.from(value)]),
    );
    this.#first = Buffer.concat([Buffer.from([https]), ...bytes]);
    this.#again = Buffer.from([https, ...fields.map((_, i) => firstOwnEntry + fields.length - 1 - i)]);
    this.#path = partsOf(path);
    this.#body = body === undefined ? undefined : partsOf(body);
    const parts = lengthOf(this.#path, maxDigits) + (this.#body ? lengthOf(this.#body, maxDigits) : 0);
    this.maxBytes = 2 * frameHead + this.#first.length + 3 + parts;
  }

  /** Writes the frames into `target` and returns their end. */
  write(target: Buffer, at: number, stream: number, number: string, isFirst: boolean): number {
    const headers = isFirst ? this.#first : this.#again;
    const pathLength = lengthOf(this.#path, number.length);
    const flags = endHeaders | (this.#body ? 0 : endStream);
    at = writeFrameHead(target, at, headers.length + 2 + pathLength, headersFrame, flags, stream);
    target[at++] = names.path;
    target[at++] = pathLength;
    at = writeParts(target, at, this.#path, number);
    target.set(headers, at);
    at += headers.length;
    if (!this.#body) return at;
    at = writeFrameHead(target, at, lengthOf(this.#body, number.length), dataFrame, endStream, stream);
    return writeParts(target, at, this.#body, number);
  }
}

/** Whether a header block begins with a 2xx status: one of the static table, or digits in Huffman code or plain. */
function isSuccess(block: Buffer, start: number): boolean {
  const at = block[start] === 0x20 ? start + 1 : start;
  const first = block[at]!;
  if (first >= 0x80) return first <= 0x8a;
  return block[at + 1]! >= 0x80 ? block[at + 2]! >> 3 === 2 : block[at + 2] === 0x32;
}

const chunkBytes = 64 * 1024;

/** One connection. A failed request or connection calls `onError` once and ends everything. */
export class LoadConnection {
  readonly #socket: TLSSocket;
  readonly #onError: (error: Error) => void;
  readonly #streams = new Map<number, Listener>();
  #nextStream = 1;
  #lastRequest: PreparedRequest | undefined;
  /** Two take turns: one is written to while the other is on its way. */
  #out: Buffer = Buffer.allocUnsafe(chunkBytes);
  #spare: Buffer | undefined = Buffer.allocUnsafe(chunkBytes);
  #outBytes = 0;
  #isFlushing = false;
  /** The beginning of a frame whose rest is to come. */
  #rest: Buffer | undefined;
  /** Of a DATA frame that has not arrived as a whole. */
  #left = 0;
  #data = { length: 0, flags: 0, stream: 0 };

  constructor({ url, caPem, certPem, keyPem }: Target, onConnect: () => void, onError: (error: Error) => void) {
    const { hostname, port } = new URL(url);
    this.#onError = onError;
    // One buffer for all that comes in; unknown to the types of tls.
    const buffer = Buffer.allocUnsafe(chunkBytes);
    const callback = (bytes: number) => {
      this.#receive(buffer, bytes);
      return true;
    };
    const options = {
      host: hostname,
      port: Number(port),
      ca: caPem,
      cert: certPem,
      key: keyPem,
      ALPNProtocols: ["h2"],
      noDelay: true,
      onread: { buffer, callback },
    };
    this.#socket = connect(options);
    this.#socket.once("secureConnect", onConnect);
    this.#socket.on("error", onError);
    this.#socket.on("close", () => onError(new Error("the server has closed a connection")));
    this.#socket.write(preface);
  }

  send(request: PreparedRequest, number: number, listener: Listener): void {
    const stream = this.#nextStream;
    this.#nextStream += 2;
    this.#streams.set(stream, listener);
    if (this.#outBytes + request.maxBytes > this.#out.length) this.#flush();
    const isFirst = this.#lastRequest !== request;
    this.#lastRequest = request;
    this.#outBytes = request.write(this.#out, this.#outBytes, stream, String(number), isFirst);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(() => this.#flush());
  }

  close(): void {
    this.#socket.destroy();
  }

  #flush(): void {
    this.#isFlushing = false;
    const sent = this.#out;
    this.#socket.write(sent.subarray(0, this.#outBytes), () => (this.#spare = sent));
    this.#out = this.#spare ?? Buffer.allocUnsafe(chunkBytes);
    this.#spare = undefined;
    this.#outBytes = 0;
  }

  #receive(chunk: Buffer, bytes: number): void {
    if (this.#rest) {
      chunk = Buffer.concat([this.#rest, chunk.subarray(0, bytes)]);
      bytes = chunk.length;
      this.#rest = undefined;
    }
    let at = 0;
    while (at < bytes) {
      if (this.#left > 0) {
        const end = Math.min(at + this.#left, bytes);
        this.#left -= end - at;
        at = end;
        if (this.#left === 0) this.#endData(chunk[at - 1]!);
        continue;
      }
      if (bytes - at < frameHead) break;
      const length = (chunk[at]! << 16) | (chunk[at + 1]! << 8) | chunk[at + 2]!;
      const type = chunk[at + 3]!;
      const flags = chunk[at + 4]!;
      const stream = chunk.readUInt32BE(at + 5);
      if (type === dataFrame) {
        at += frameHead;
        this.#data = { length, flags, stream };
        this.#left = length;
        if (length === 0) this.#endData(0);
        continue;
      }
      if (bytes - at < frameHead + length) break;
      at += frameHead;
      this.#frame(type, flags, stream, chunk, at, length);
      at += length;
    }
    if (at < bytes) this.#rest = Buffer.from(chunk.subarray(at, bytes));
  }

  #endData(last: number): void {
    const { length, flags, stream } = this.#data;
    const listener = this.#streams.get(stream);
    listener?.onData?.(length, last);
    if ((flags & endStream) !== 0) this.#end(stream, listener);
  }

  #frame(type: number, flags: number, stream: number, chunk: Buffer, at: number, length: number): void {
    if (type === settingsFrame && (flags & 1) === 0) this.#socket.write(settingsReceived);
    if (type === resetFrame || type === goAwayFrame || (type === headersFrame && !isSuccess(chunk, at))) {
      const payload = chunk.toString("hex", at, at + length);
      this.#onError(new Error(`a request was refused (frame ${type}: ${payload})`));
    } else if (type === headersFrame) {
      const listener = this.#streams.get(stream);
      listener?.onHeaders?.();
      if ((flags & endStream) !== 0) this.#end(stream, listener);
    }
  }

  #end(stream: number, listener: Listener | undefined): void {
    this.#streams.delete(stream);
    listener?.onEnd?.();
  }
}

/** Connects and waits for nothing but TLS. */
export function connectLoad(target: Target, onError: (error: Error) => void): Promise<LoadConnection> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      reject(error);
      onError(error);
    };
    const connection: LoadConnection = new LoadConnection(target, () => resolve(connection), failed);
  });
}
