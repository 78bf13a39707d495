// HTTP/2 frames by hand, for what no client library would send.

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flags = { endStream: 1, ack: 1, endHeaders: 4, padded: 8 } as const;

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export function frame(
  type: keyof typeof frameTypes,
  bits: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
  length = payload.length,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = frameTypes[type];
  head[4] = bits;
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, i * 4);
  return bytes;
}

function packed(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const lengths = [Math.min(bytes.length, 127)];
  for (let rest = bytes.length - 127; rest >= 0;) {
    lengths.push(rest >= 128 ? (rest % 128) + 128 : rest);
    rest = rest >= 128 ? Math.floor(rest / 128) : -1;
  }
  return Buffer.concat([Buffer.from(lengths), bytes]);
}

/** Header fields, each as a literal without indexing. */
export const literal = (...fields: readonly (readonly [string, string])[]): Buffer =>
  Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), packed(name), packed(value)]));

/** A literal that the peer has to remember. */
export const remembered = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.from([0x40]), packed(name), packed(value)]);

export const get = (path: string, ...more: readonly (readonly [string, string])[]): Buffer =>
  literal([":method", "GET"], [":scheme", "https"], [":authority", "localhost"], [":path", path], ...more);

export const post = (path: string, ...more: readonly (readonly [string, string])[]): Buffer =>
  literal([":method", "POST"], [":scheme", "https"], [":authority", "localhost"], [":path", path], ...more);
