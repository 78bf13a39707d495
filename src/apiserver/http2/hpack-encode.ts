// The header blocks of responses in HPACK (RFC 7541), in their cheapest form: the static table and plain literals.
import { connectionNames, nameToken, staticTable } from "./hpack-names.ts";

const statusIndexes = new Map<number, number>();
/** How a name starts in a response: its index of the static table (a literal that no table keeps), or itself. */
const nameStarts = new Map<string, Buffer>();
for (const [at, [name, value]] of staticTable.entries()) {
  const index = at + 1;
  if (name === ":status") statusIndexes.set(Number(value), index);
  if (!name.startsWith(":") && !nameStarts.has(name)) {
    nameStarts.set(name, Buffer.from(index < 15 ? [index] : [15, index - 15]));
  }
}
/** Of names outside the static table: there are few, except where responses of others are passed on. */
const maxNameStarts = 512;

function nameStart(name: string): Buffer {
  const known = nameStarts.get(name);
  if (known) return known;
  const lower = name.toLowerCase();
  if (!nameToken.test(lower)) throw new TypeError(`Invalid header name ${JSON.stringify(name)}`);
  const length = Buffer.alloc(6);
  const text = Buffer.from(lower, "latin1");
  const start =
    nameStarts.get(lower) ?? Buffer.concat([Buffer.of(0), length.subarray(0, putLength(length, 0, text.length)), text]);
  if (nameStarts.size < maxNameStarts) nameStarts.set(name, start);
  return start;
}

function putLength(target: Buffer, at: number, length: number): number {
  if (length < 0x7f) {
    target[at++] = length;
    return at;
  }
  target[at++] = 0x7f;
  let rest = length - 0x7f;
  for (; rest >= 0x80; rest >>>= 7) target[at++] = (rest & 0x7f) | 0x80;
  target[at++] = rest;
  return at;
}

function putField(target: Buffer, at: number, name: string, value: string): number {
  const start = nameStart(name);
  for (let i = 0; i < start.length; i++) target[at++] = start[i]!;
  at = putLength(target, at, value.length);
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if ((code < 0x20 && code !== 9) || code === 0x7f || code > 0xff) {
      throw new TypeError(`Invalid character in header ${JSON.stringify(name)}`);
    }
    target[at++] = code;
  }
  return at;
}

type ResponseHeaders = Readonly<Record<string, string | readonly string[]>>;

/**
 * Writes the header block of a response into `target` from `at` and returns its end; `responseBytes` says how much room it
 * needs. Needs no table and leaves none. Headers about an HTTP/1 connection are left out, and so is any content-length of
 * `headers` when one is given. Throws TypeError for names and values that no header may have.
 */
export function encodeResponse(
  target: Buffer,
  at: number,
  status: number,
  headers: ResponseHeaders,
  contentLength?: number,
): number {
  const index = statusIndexes.get(status);
  if (index !== undefined) target[at++] = 0x80 | index;
  else {
    target[at++] = 0x08;
    target[at++] = 3;
    target[at++] = 0x30 + Math.floor(status / 100);
    target[at++] = 0x30 + (Math.floor(status / 10) % 10);
    target[at++] = 0x30 + (status % 10);
  }
  for (const name in headers) {
    if (connectionNames.has(name) || (contentLength !== undefined && name === "content-length")) continue;
    const value = headers[name]!;
    if (typeof value === "string") at = putField(target, at, name, value);
    else for (const one of value) at = putField(target, at, name, one);
  }
  return contentLength === undefined ? at : putField(target, at, "content-length", String(contentLength));
}

/** At most so many bytes does `encodeResponse` write. */
export function responseBytes(headers: ResponseHeaders): number {
  let bytes = 64;
  for (const name in headers) {
    const value = headers[name]!;
    if (typeof value === "string") bytes += name.length + value.length + 12;
    else for (const one of value) bytes += name.length + one.length + 12;
  }
  return bytes;
}
