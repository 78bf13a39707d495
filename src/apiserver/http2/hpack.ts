// The header blocks of requests (HPACK, RFC 7541) to strings, with the rules of RFC 9113, section 8, on what a request may
// say. Knows nothing of connections.
import type { IncomingHttpHeaders } from "node:http";
import { connectionNames, nameToken, staticTable } from "./hpack-names.ts";
import { decodeHuffman } from "./huffman.ts";

/** The block cannot be decoded, and with it the table is lost: a connection error COMPRESSION_ERROR. */
export class CompressionError extends Error {}

/** Blocks with the same fields share one `headers`: never write to it. */
export interface HeaderBlock {
  readonly type: "fields";
  /** These are empty in trailers; the path of CONNECT is "/". */
  readonly method: string;
  readonly path: string;
  readonly scheme: string;
  readonly authority: string | undefined;
  /** Names are lower case; several values of a name are joined as node:http2 joins them. No name is inherited. */
  readonly headers: IncomingHttpHeaders;
}

/** The table is in order and the connection goes on: a stream error PROTOCOL_ERROR, or an answer of 431. */
export interface RefusedBlock {
  readonly type: "malformed" | "too large";
}

export interface HpackLimits {
  /** Of the table of names and values already sent, as announced to the peer. */
  readonly maxTableBytes: number;
  /** Of the decoded fields of one block, each with 32 bytes of overhead. */
  readonly maxListBytes: number;
}

const fieldOverheadBytes = 32;

/** What a field is for a request; found once, when it is read, not each time the table is asked for it. */
type Role = "header" | "first" | "cookie" | "length" | "method" | "path" | "scheme" | "authority" | "bad";

interface Field {
  readonly name: string;
  readonly value: string;
  readonly role: Role;
}

const roles: Record<string, Role> = {
  __proto__: null as never,
  ":method": "method",
  ":path": "path",
  ":scheme": "scheme",
  ":authority": "authority",
  cookie: "cookie",
  "content-length": "length",
};
/** Of several values Node takes the first. */
const singleNames =
  "access-control-request-method age authorization content-encoding content-language content-location content-md5 " +
  "content-range content-type date dnt expires from host if-match if-modified-since if-none-match if-range " +
  "if-unmodified-since last-modified max-forwards proxy-authorization range referer upgrade-insecure-requests user-agent";
for (const name of singleNames.split(" ")) roles[name] = "first";
for (const name of connectionNames) roles[name] = "bad";

const allowedValues: Partial<Record<Role, RegExp>> = {
  method: /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/,
  path: /^[!-~\x80-\xff]+$/,
  scheme: /^[A-Za-z][A-Za-z0-9+\-.]*$/,
  authority: /^[!$%&'()*+,\-.\w:;=[\]~]+$/,
  length: /^\d{1,15}$/,
};
/** No control characters, and no space around. */
const goodValue = /^(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/;

function roleOf(name: string, value: string): Role {
  const role = roles[name] ?? (name === "te" && value.toLowerCase() !== "trailers" ? "bad" : "header");
  const allowed = allowedValues[role];
  if (allowed) return allowed.test(value) ? role : "bad";
  return goodValue.test(value) && nameToken.test(name) ? role : "bad";
}

const fieldOf = (name: string, value: string): Field => ({ name, value, role: roleOf(name, value) });
const staticFields = staticTable.map(([name, value = ""]) => fieldOf(name, value));

/** Objects with fast properties that inherit nothing: any name is only a name. */
const Headers = function () {} as unknown as new () => Record<string, string>;
Headers.prototype = Object.create(null);

/** A block being read: its pseudo headers, and all other fields in order. */
class Reading {
  method: string | undefined;
  path: string | undefined;
  scheme: string | undefined;
  authority: string | undefined;
  isMalformed = false;
  listBytes = 0;
  count = 0;
  length: string | undefined;

  /** Whether it is one of the other fields. */
  take(field: Field): boolean {
    const { role, value } = field;
    if (role === "bad") {
      this.isMalformed = true;
      return false;
    }
    if (role === "length") {
      if (this.length !== undefined && this.length !== value) this.isMalformed = true;
      this.length = value;
    }
    if (role !== "method" && role !== "path" && role !== "scheme" && role !== "authority") return true;
    // Late, or there twice.
    if (this.count > 0 || this[role] !== undefined) this.isMalformed = true;
    this[role] = value;
    return false;
  }
}

/** Of one connection. */
export class HpackDecoder {
  readonly #limits: HpackLimits;
  /** A ring; entries are reused by reference, so the strings of a name and value exist once. */
  readonly #ring: (Field | undefined)[];
  #next = 0;
  #count = 0;
  #bytes = 0;
  #maxBytes: number;
  #block = noBlock;
  #at = 0;
  /** The ordinary fields of the last block, and what was made of them. */
  readonly #fields: Field[] = [];
  #lastHeaders: Record<string, string> | undefined;

  constructor(limits: HpackLimits) {
    this.#limits = limits;
    this.#maxBytes = limits.maxTableBytes;
    this.#ring = Array.from({ length: Math.floor(limits.maxTableBytes / fieldOverheadBytes) + 1 });
  }

  /** Throws CompressionError. Whatever else it returns, the table has taken in the whole block. */
  decode(block: Buffer, kind: "request" | "trailers"): HeaderBlock | RefusedBlock {
    const reading = new Reading();
    let isSame = true;
    this.#block = block;
    this.#at = 0;
    this.#readTableSizes();
    while (this.#at < block.length) {
      const field = this.#readField();
      reading.listBytes += sizeOf(field);
      if (reading.listBytes > this.#limits.maxListBytes || !reading.take(field)) continue;
      const at = reading.count++;
      if (isSame && this.#fields[at] !== field) isSame = false;
      this.#fields[at] = field;
    }
    // It would keep all bytes alive that came with it.
    this.#block = noBlock;
    if (!isSame || reading.count < this.#fields.length) this.#lastHeaders = undefined;
    this.#fields.length = reading.count;
    if (reading.listBytes > this.#limits.maxListBytes) return { type: "too large" };
    return this.#finish(reading, kind);
  }

  #finish(reading: Reading, kind: "request" | "trailers"): HeaderBlock | RefusedBlock {
    const isRequest = kind === "request";
    const headers = (this.#lastHeaders ??= joined(this.#fields));
    const isWhole = isRequest ? isCompleteRequest(reading, headers) : isWithoutPseudoHeaders(reading);
    if (reading.isMalformed || !isWhole) return { type: "malformed" };
    const { method = "", path = isRequest ? "/" : "", scheme = "", authority } = reading;
    return { type: "fields", method, path, scheme, authority, headers };
  }

  #readField(): Field {
    const byte = this.#block[this.#at]!;
    if (byte >= 0x80) return this.#entry(this.#readInteger(7));
    if (byte >= 0x40) {
      const field = this.#readLiteral(6);
      this.#insert(field);
      return field;
    }
    if (byte >= 0x20) throw new CompressionError("a table size after a field");
    return this.#readLiteral(4);
  }

  #readLiteral(prefixBits: number): Field {
    const index = this.#readInteger(prefixBits);
    const name = index === 0 ? this.#readString() : this.#entry(index).name;
    return fieldOf(name, this.#readString());
  }

  #entry(index: number): Field {
    if (index > 0 && index <= staticFields.length) return staticFields[index - 1]!;
    const age = index - staticFields.length;
    if (index === 0 || age > this.#count) throw new CompressionError(`no entry ${index}`);
    return this.#ring[(this.#next - age + this.#ring.length) % this.#ring.length]!;
  }

  #insert(field: Field): void {
    const bytes = sizeOf(field);
    this.#evictTo(this.#maxBytes - bytes);
    if (bytes > this.#maxBytes) return;
    this.#ring[this.#next] = field;
    this.#next = (this.#next + 1) % this.#ring.length;
    this.#count++;
    this.#bytes += bytes;
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes && this.#count > 0) {
      const oldest = (this.#next - this.#count + this.#ring.length) % this.#ring.length;
      this.#bytes -= sizeOf(this.#ring[oldest]!);
      this.#ring[oldest] = undefined;
      this.#count--;
    }
  }

  #readTableSizes(): void {
    while (this.#at < this.#block.length && this.#block[this.#at]! >> 5 === 1) {
      const bytes = this.#readInteger(5);
      if (bytes > this.#limits.maxTableBytes) throw new CompressionError("a table beyond the limit");
      this.#maxBytes = bytes;
      this.#evictTo(bytes);
    }
  }

  #readByte(): number {
    if (this.#at >= this.#block.length) throw new CompressionError("the block ends within a field");
    return this.#block[this.#at++]!;
  }

  #readInteger(prefixBits: number): number {
    const max = (1 << prefixBits) - 1;
    let value = this.#readByte() & max;
    if (value < max) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#readByte();
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new CompressionError("an integer that is too large");
  }

  #readString(): string {
    const isHuffman = this.#at < this.#block.length && this.#block[this.#at]! >= 0x80;
    const length = this.#readInteger(7);
    const from = this.#at;
    const end = from + length;
    if (end > this.#block.length) throw new CompressionError("the block ends within a string");
    this.#at = end;
    if (!isHuffman) return this.#block.toString("latin1", from, end);
    const target = length <= scratch.length / 2 ? scratch : Buffer.allocUnsafe(length * 2);
    const decoded = decodeHuffman(this.#block, from, end, target);
    if (decoded < 0) throw new CompressionError("a string that is not in Huffman code");
    return target.toString("latin1", 0, decoded);
  }
}

const noBlock: Buffer = Buffer.alloc(0);
const scratch = Buffer.allocUnsafeSlow(4096);
const sizeOf = ({ name, value }: Field): number => name.length + value.length + fieldOverheadBytes;

function joined(fields: readonly Field[]): Record<string, string> {
  const headers = new Headers();
  for (const { name, value, role } of fields) {
    const existing = headers[name];
    if (existing === undefined) headers[name] = value;
    else if (role === "cookie") headers[name] = `${existing}; ${value}`;
    else if (role === "header") headers[name] = `${existing}, ${value}`;
  }
  return headers;
}

function isCompleteRequest(reading: Reading, headers: IncomingHttpHeaders): boolean {
  const { method, path, scheme, authority } = reading;
  if (method === undefined || !(authority ?? headers.host)) return false;
  if (method === "CONNECT") return path === undefined && scheme === undefined;
  if (scheme === undefined || path === undefined) return false;
  return path.startsWith("/") || (path === "*" && method === "OPTIONS");
}

const isWithoutPseudoHeaders = ({ method, path, scheme, authority }: Reading): boolean =>
  (method ?? path ?? scheme ?? authority) === undefined;
