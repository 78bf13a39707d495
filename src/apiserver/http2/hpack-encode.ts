// The header blocks of responses in HPACK (RFC 7541), in their cheapest form: the static table and plain literals.
import { connectionNames, nameToken, staticTable } from "./hpack-names.ts";

/** What is known of a name. */
class Name {
  readonly text: string;
  /** How a field of it starts: with its index of the static table (a literal that no table keeps), or itself. */
  readonly start: Buffer;
  /** The last value, and its field once it was there twice in a row. */
  value = "";
  field: Buffer | undefined;

  constructor(text: string, start: Buffer) {
    this.text = text;
    this.start = start;
  }
}

const statusIndexes = new Map<number, number>();
const names = new Map<string, Name>();
for (const [at, [name, value]] of staticTable.entries()) {
  const index = at + 1;
  if (name === ":status") statusIndexes.set(Number(value), index);
  if (!name.startsWith(":") && !names.has(name)) {
    names.set(name, new Name(name, Buffer.from(index < 15 ? [index] : [15, index - 15])));
  }
}
/** There are few, except where responses of others are passed on. */
const maxNames = 512;
const maxKeptBytes = 256;

function nameOf(text: string): Name {
  const lower = text.toLowerCase();
  if (!nameToken.test(lower)) throw new TypeError(`Invalid header name ${JSON.stringify(text)}`);
  const start = Buffer.alloc(6 + lower.length);
  const length = putLength(start, 1, lower.length);
  const name = names.get(lower) ?? new Name(lower, start.subarray(0, length + start.write(lower, length, "latin1")));
  if (names.size < maxNames) names.set(text, name);
  return name;
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

function putField(target: Buffer, at: number, name: Name, value: string): number {
  const isSame = value === name.value;
  if (isSame && name.field) {
    target.set(name.field, at);
    return at + name.field.length;
  }
  const { start } = name;
  target.set(start, at);
  let end = putLength(target, at + start.length, value.length);
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if ((code < 0x20 && code !== 9) || code === 0x7f || code > 0xff) {
      throw new TypeError(`Invalid character in header ${JSON.stringify(name.text)}`);
    }
    target[end++] = code;
  }
  const isKept = end - at <= maxKeptBytes;
  name.field = isKept && isSame ? Buffer.from(target.subarray(at, end)) : undefined;
  name.value = isKept ? value : "";
  return end;
}

export type ResponseHeaders = Readonly<Record<string, string | readonly string[]>>;

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
  for (const text in headers) {
    const name = names.get(text) ?? nameOf(text);
    if (connectionNames.has(name.text) || (contentLength !== undefined && name === lengthName)) continue;
    const value = headers[text]!;
    if (typeof value === "string") at = putField(target, at, name, value);
    else for (const one of value) at = putField(target, at, name, one);
  }
  return contentLength === undefined ? at : putField(target, at, lengthName, String(contentLength));
}

const lengthName = nameOf("content-length");

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
