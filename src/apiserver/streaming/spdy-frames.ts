// SPDY/3.1 on the wire: frames to bytes and back, nothing of connections. Bounded against hostile input.
// Follows the SPDY Protocol draft 3.1 (frame layouts, header blocks, their zlib dictionary).
import { createInflate, type Inflate } from "node:zlib";

export type Headers = Readonly<Record<string, string>>;

export type Frame =
  | { readonly type: "synStream"; readonly streamId: number; readonly fin: boolean; readonly block: Buffer }
  | { readonly type: "synReply"; readonly streamId: number; readonly fin: boolean; readonly block: Buffer }
  | { readonly type: "headers"; readonly streamId: number; readonly fin: boolean; readonly block: Buffer }
  | { readonly type: "rstStream"; readonly streamId: number; readonly status: number }
  | { readonly type: "ping"; readonly id: number }
  | { readonly type: "goAway"; readonly lastStreamId: number; readonly status: number }
  | { readonly type: "windowUpdate"; readonly streamId: number; readonly delta: number }
  | { readonly type: "settings" }
  /** Part of a data frame; `fin` only with its last part. */
  | { readonly type: "data"; readonly streamId: number; readonly fin: boolean; readonly data: Buffer };

export class SpdyError extends Error {}

const version = 3;
const types = { synStream: 1, synReply: 2, rstStream: 3, settings: 4, ping: 6, goAway: 7, headers: 8, windowUpdate: 9 };
const finFlag = 1;
/** Control frames are small; a data frame may be long, but is handed on in parts. */
const maxControlBytes = 64 * 1024;
const maxHeaderBytes = 256 * 1024;

function controlFrame(type: number, flags: number, payload: Buffer): Buffer {
  const frame = Buffer.alloc(8 + payload.length);
  frame.writeUInt16BE(0x8000 | version, 0);
  frame.writeUInt16BE(type, 2);
  frame.writeUInt32BE(flags * 2 ** 24 + payload.length, 4);
  payload.copy(frame, 8);
  return frame;
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
  return bytes;
}

export const encodeSynStream = (streamId: number, fin: boolean, block: Buffer): Buffer =>
  controlFrame(types.synStream, fin ? finFlag : 0, Buffer.concat([words(streamId, 0), Buffer.from([0, 0]), block]));
export const encodeSynReply = (streamId: number, fin: boolean, block: Buffer): Buffer =>
  controlFrame(types.synReply, fin ? finFlag : 0, Buffer.concat([words(streamId), block]));
export const encodeRstStream = (streamId: number, status: number): Buffer =>
  controlFrame(types.rstStream, 0, words(streamId, status));
export const encodePing = (id: number): Buffer => controlFrame(types.ping, 0, words(id));
export const encodeGoAway = (lastStreamId: number, status: number): Buffer =>
  controlFrame(types.goAway, 0, words(lastStreamId, status));

/** The head of a data frame; its `length` bytes follow. */
export function encodeDataHead(streamId: number, length: number, fin: boolean): Buffer {
  return words(streamId, (fin ? finFlag : 0) * 2 ** 24 + length);
}

/** Cuts a byte stream into frames. `push` throws SpdyError on anything that is no SPDY/3.1; the decoder is dead then. */
export class FrameDecoder {
  #waiting: Buffer = Buffer.alloc(0);
  /** The data frame of which parts are still to come. */
  #data: { streamId: number; left: number; fin: boolean } | undefined;

  *push(chunk: Buffer): Generator<Frame> {
    let bytes = this.#waiting.length > 0 ? Buffer.concat([this.#waiting, chunk]) : chunk;
    this.#waiting = Buffer.alloc(0);
    for (;;) {
      if (this.#data) {
        if (bytes.length === 0 && this.#data.left > 0) return;
        const part = bytes.subarray(0, this.#data.left);
        bytes = bytes.subarray(part.length);
        yield this.#dataPart(part);
        continue;
      }
      if (bytes.length < 8) break;
      const length = bytes.readUInt32BE(4) & 0xffffff;
      const flags = bytes[4]!;
      if ((bytes[0]! & 0x80) === 0) {
        this.#data = { streamId: bytes.readUInt32BE(0), left: length, fin: (flags & finFlag) !== 0 };
        bytes = bytes.subarray(8);
        continue;
      }
      if ((bytes.readUInt16BE(0) & 0x7fff) !== version) throw new SpdyError("not SPDY version 3");
      if (length > maxControlBytes) throw new SpdyError("a control frame is too long");
      if (bytes.length < 8 + length) break;
      const frame = decodeControl(bytes.readUInt16BE(2), flags, bytes.subarray(8, 8 + length));
      bytes = bytes.subarray(8 + length);
      if (frame) yield frame;
    }
    // A copy: keeping a slice would keep the whole chunk alive.
    this.#waiting = Buffer.from(bytes);
  }

  #dataPart(data: Buffer): Frame {
    const { streamId, left, fin } = this.#data!;
    const rest = left - data.length;
    this.#data = rest > 0 ? { streamId, left: rest, fin } : undefined;
    return { type: "data", streamId, fin: fin && rest === 0, data };
  }
}

const minBytes: Readonly<Record<number, number>> = { 1: 10, 2: 4, 3: 8, 6: 4, 7: 8, 8: 4, 9: 8 };

/** Unknown types are skipped, as the protocol wants it. */
function decodeControl(type: number, flags: number, payload: Buffer): Frame | undefined {
  if (payload.length < (minBytes[type] ?? 0)) throw new SpdyError("a control frame is too short");
  const fin = (flags & finFlag) !== 0;
  const word = (index: number) => payload.readUInt32BE(index * 4);
  const id = () => word(0) & 0x7fffffff;
  switch (type) {
    case types.synStream:
      return { type: "synStream", streamId: id(), fin, block: payload.subarray(10) };
    case types.synReply:
      return { type: "synReply", streamId: id(), fin, block: payload.subarray(4) };
    case types.headers:
      return { type: "headers", streamId: id(), fin, block: payload.subarray(4) };
    case types.rstStream:
      return { type: "rstStream", streamId: id(), status: word(1) };
    case types.ping:
      return { type: "ping", id: word(0) };
    case types.goAway:
      return { type: "goAway", lastStreamId: id(), status: word(1) };
    case types.windowUpdate:
      return { type: "windowUpdate", streamId: id(), delta: word(1) & 0x7fffffff };
    case types.settings:
      return { type: "settings" };
    default:
      return undefined;
  }
}

const dictionaryWords =
  "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow " +
  "authorization cache-control connection content-base content-encoding content-language content-length " +
  "content-location content-md5 content-range content-type date etag expect expires from host if-match " +
  "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma " +
  "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade " +
  "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie " +
  "keep-alive origin";
const dictionaryTail =
  "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505" +
  "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden" +
  "404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug " +
  "Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif," +
  "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch" +
  "charset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/** The dictionary that the protocol prescribes for header blocks. */
export const dictionary = Buffer.concat([
  ...dictionaryWords.split(" ").map((word) => {
    const bytes = Buffer.from(word.replace("_", " "));
    return Buffer.concat([words(bytes.length), bytes]);
  }),
  Buffer.from(dictionaryTail),
]);

/** An empty stored block: the peer's inflater may hold bytes back until it sees one. */
const flush = Buffer.from([0, 0, 0, 0xff, 0xff]);

/** Writes header blocks. They are stored, not compressed: they are few and short, and this needs no state but the start. */
export class HeaderEncoder {
  #started = false;

  encode(headers: Headers): Buffer {
    const pairs = Object.entries(headers);
    const parts = [words(pairs.length)];
    for (const [name, value] of pairs) {
      for (const text of [name.toLowerCase(), value]) {
        const bytes = Buffer.from(text);
        parts.push(words(bytes.length), bytes);
      }
    }
    const content = Buffer.concat(parts);
    if (content.length > 0xffff) throw new SpdyError("headers are too long");
    const block = Buffer.alloc(5);
    block.writeUInt16LE(content.length, 1);
    block.writeUInt16LE(content.length ^ 0xffff, 3);
    // zlib's own head, once per connection: deflate, preset dictionary, its Adler-32.
    const start = this.#started ? [] : [Buffer.from([0x78, 0xbb]), words(0xe3c6a7c2)];
    this.#started = true;
    return Buffer.concat([...start, block, content, flush]);
  }
}

/** Reads header blocks, in the order in which they came: one compression state lives as long as the connection. */
export class HeaderDecoder {
  readonly #inflate: Inflate;
  #output: Buffer[] = [];
  #size = 0;
  #failed: Error | undefined;

  constructor() {
    this.#inflate = createInflate({ dictionary });
    this.#inflate.on("data", (chunk: Buffer) => {
      this.#size += chunk.length;
      if (this.#size > maxHeaderBytes) this.#inflate.destroy(new SpdyError("headers are too long"));
      else this.#output.push(chunk);
    });
    this.#inflate.on("error", (error) => (this.#failed = error));
  }

  /** Rejects with SpdyError. One call at a time. */
  async decode(block: Buffer): Promise<Headers> {
    this.#output = [];
    this.#size = 0;
    await new Promise<void>((resolve) => {
      if (this.#failed || this.#inflate.destroyed) return resolve();
      this.#inflate.once("close", resolve);
      this.#inflate.write(block, () => {
        this.#inflate.off("close", resolve);
        // The error event comes after this callback.
        setImmediate(resolve);
      });
    });
    if (this.#failed) throw new SpdyError(`bad header block: ${this.#failed.message}`);
    return parseHeaders(Buffer.concat(this.#output));
  }

  close(): void {
    this.#inflate.destroy();
  }
}

function parseHeaders(bytes: Buffer): Headers {
  let at = 0;
  const word = () => {
    if (at + 4 > bytes.length) throw new SpdyError("a header block ends too early");
    at += 4;
    return bytes.readUInt32BE(at - 4);
  };
  const text = () => {
    const length = word();
    if (at + length > bytes.length) throw new SpdyError("a header block ends too early");
    at += length;
    return bytes.toString("utf8", at - length, at);
  };
  const headers: [string, string][] = [];
  const count = word();
  for (let i = 0; i < count; i++) headers.push([text(), text()]);
  return Object.fromEntries(headers);
}
