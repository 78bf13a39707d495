import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, performServerHandshake } from "node:http2";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { encodeResponse, responseBytes } from "./hpack-encode.ts";
import { CompressionError, HpackDecoder } from "./hpack.ts";
import { decodeHuffman } from "./huffman.ts";

const decoder = (maxListBytes = 65536) => new HpackDecoder({ maxTableBytes: 4096, maxListBytes });
const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
const text = (name: string, value: string) =>
  Buffer.concat([
    Buffer.of(0, name.length),
    Buffer.from(name, "latin1"),
    Buffer.of(value.length),
    Buffer.from(value, "latin1"),
  ]);
/** GET https://a/ */
const get = hex("82 87 84 01 01 61");
const request = (...fields: Buffer[]) => decoder().decode(Buffer.concat([get, ...fields]), "request");

function fieldsOf(block: ReturnType<HpackDecoder["decode"]>) {
  if (block.type !== "fields") assert.fail(block.type);
  const { type: _, headers, ...pseudo } = block;
  return { ...pseudo, headers: { ...headers } };
}

test("the requests of RFC 7541, C.3 and C.4", () => {
  const plain = [
    "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
    "8286 84be 5808 6e6f 2d63 6163 6865",
    "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
  ];
  const huffman = [
    "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
    "8286 84be 5886 a8eb 1064 9cbf",
    "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
  ];
  for (const blocks of [plain, huffman]) {
    const hpack = decoder();
    const base = { method: "GET", path: "/", scheme: "http", authority: "www.example.com" };
    const [first, second, third] = blocks.map((block) => fieldsOf(hpack.decode(hex(block), "request")));
    assert.deepEqual(first, { ...base, headers: {} });
    assert.deepEqual(second, { ...base, headers: { "cache-control": "no-cache" } });
    const headers = { "custom-key": "custom-value" };
    assert.deepEqual(third, { ...base, scheme: "https", path: "/index.html", headers });
  }
});

test("Huffman code: a long symbol, padding that is too long or not of ones, and the end symbol are refused", () => {
  const decode = (bytes: string) => {
    const target = Buffer.alloc(100);
    return decodeHuffman(hex(bytes), 0, hex(bytes).length, target);
  };
  assert.equal(decode("fffffff3"), 1, "a line feed, and two ones");
  assert.equal(decode("07"), 1, "0 and three ones");
  assert.equal(decode("00"), -1, "0 and three zeros");
  assert.equal(decode("07ff"), -1, "eleven ones");
  assert.equal(decode("ffffffff"), -1, "the end symbol");
  assert.equal(decode(""), 0);
});

/** Takes the header blocks (each in one frame) out of what a client writes. */
function blockScanner(blocks: Buffer[]): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  let start = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".length;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= start + 9) {
      const end = start + 9 + rest.readUIntBE(start, 3);
      if (rest.length < end) return;
      const hasPriority = (rest[start + 4]! & 0x20) !== 0;
      if (rest[start + 3] === 1) blocks.push(rest.subarray(start + 9 + (hasPriority ? 5 : 0), end));
      rest = rest.subarray(end);
      start = 0;
    }
  };
}

const word = (alphabet: string, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength });
const letters = "abcdefghijklmnopqrstuvwxyz";
const headerNames = fc.oneof(
  fc.constantFrom("accept", "user-agent", "authorization", "cookie", "constructor", "x-a", "range", "tostring"),
  word(`${letters}-_0123456789`, 12),
);
const printable = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join("");
const headerValues = word(`${printable}\x80\xe4\xff`, 60);
const paths = fc.array(word(`${letters}%.-?=&~`, 20), { maxLength: 6 }).map((parts) => `/${parts.join("/")}`);
const requests = fc.record({
  path: paths,
  headers: fc.dictionary(headerNames, fc.array(headerValues, { minLength: 1, maxLength: 3 }), { maxKeys: 8 }),
});
const notForAll =
  /^(connection|keep-alive|proxy-connection|transfer-encoding|upgrade|te|host|content-length|expect|http2-settings)$/;

test("what Node's client sends is read as Node's server reads it", async () => {
  const session = fc.tuple(fc.constantFrom(0, 64, 300, 4096), fc.array(requests, { minLength: 1, maxLength: 12 }));
  await fc.assert(
    fc.asyncProperty(session, async ([headerTableSize, list]) => {
      const [near, far] = duplexPair();
      const blocks: Buffer[] = [];
      const scan = blockScanner(blocks);
      const write = near._write.bind(near);
      near._write = (chunk: Buffer, encoding, done) => {
        scan(chunk);
        write(chunk, encoding, done);
      };
      const expected: object[] = [];
      const server = performServerHandshake(far, { settings: { headerTableSize } });
      server.on("stream", (stream, headers) => {
        const { ":method": method, ":path": path, ":scheme": scheme, ":authority": authority, ...rest } = headers;
        expected.push({ method, path, scheme, authority, headers: Object.fromEntries(Object.entries(rest)) });
        stream.respond({ ":status": 204 }, { endStream: true });
      });
      const options = { createConnection: () => near, strictSingleValueFields: false };
      const client = connect("http://localhost", options);
      for (const { path, headers } of list) {
        const allowed = Object.entries(headers).filter(([name]) => !notForAll.test(name));
        const stream = client.request({ ...Object.fromEntries(allowed), ":path": path });
        await once(stream.resume(), "close");
      }
      client.destroy();
      server.destroy();
      const hpack = decoder();
      assert.deepEqual(
        blocks.map((block) => fieldsOf(hpack.decode(block, "request"))),
        expected.map((one) => ({ ...one })),
      );
    }),
    { numRuns: 30, seed: 4 },
  );
});

/** Integers, strings and fields in every form of RFC 7541, with a table kept as a plain list. */
class ReferenceEncoder {
  readonly #table: [string, string][] = [];
  #maxBytes = 4096;
  #integer(bits: number, pattern: number, value: number): number[] {
    const max = 2 ** bits - 1;
    if (value < max) return [pattern | value];
    const bytes = [pattern | max];
    let rest = value - max;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
    return [...bytes, rest];
  }
  #text(value: string): number[] {
    return [...this.#integer(7, 0, value.length), ...Buffer.from(value, "latin1")];
  }
  #evict(): void {
    const size = () => this.#table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (size() > this.#maxBytes) this.#table.pop();
  }
  resize(maxBytes: number): number[] {
    this.#maxBytes = maxBytes;
    this.#evict();
    return this.#integer(5, 0x20, maxBytes);
  }
  field(name: string, value: string, isKept: boolean): number[] {
    const whole = this.#table.findIndex((entry) => entry[0] === name && entry[1] === value);
    if (whole >= 0) return this.#integer(7, 0x80, 62 + whole);
    const index = this.#table.findIndex((entry) => entry[0] === name) + 1;
    const start = isKept ? this.#integer(6, 0x40, index && 61 + index) : this.#integer(4, 0x10, index && 61 + index);
    if (isKept) this.#table.unshift([name, value]);
    this.#evict();
    return [...start, ...(index === 0 ? this.#text(name) : []), ...this.#text(value)];
  }
}

test("a table that fills, evicts, shrinks and grows again", () => {
  const field = fc.tuple(fc.constantFrom("a", "b", "long-name-of-a-header"), fc.nat(30), fc.nat(2000), fc.boolean());
  const block = fc.record({
    sizes: fc.array(fc.nat(4096), { maxLength: 2 }),
    fields: fc.array(field, { maxLength: 20 }),
  });
  fc.assert(
    fc.property(fc.array(block, { maxLength: 20 }), (blocks) => {
      const encoder = new ReferenceEncoder();
      const hpack = decoder();
      for (const { sizes, fields } of blocks) {
        const bytes = sizes.flatMap((size) => encoder.resize(size));
        bytes.push(...get);
        const expected: Record<string, string> = {};
        for (const [name, seed, length, isKept] of fields) {
          const value = String(seed).repeat(length % 50 === 0 ? length : length % 50);
          bytes.push(...encoder.field(name, value, isKept));
          expected[name] = name in expected ? `${expected[name]}, ${value}` : value;
        }
        assert.deepEqual(fieldsOf(hpack.decode(Buffer.from(bytes), "request")).headers, expected);
      }
    }),
    { seed: 7 },
  );
});

test("equal fields share one object, and no name is anything but a name", () => {
  const hpack = decoder();
  const kept = Buffer.concat([get, hex("40 01 61 01 62")]);
  const first = hpack.decode(kept, "request");
  const indexed = Buffer.concat([hex("82 87 04 02 2f 78 01 01 61"), hex("be")]);
  const second = hpack.decode(indexed, "request");
  assert.ok(first.type === "fields" && second.type === "fields");
  assert.equal(second.path, "/x");
  assert.equal(hpack.decode(indexed, "request").type === "fields" && second.headers, first.headers);
  const odd = request(text("__proto__", "a"), text("constructor", "b"), text("__proto__", "c"));
  assert.ok(odd.type === "fields");
  assert.deepEqual(Object.entries(odd.headers), [
    ["__proto__", "a, c"],
    ["constructor", "b"],
  ]);
  assert.equal((odd.headers as Record<string, unknown>)["hasownproperty"], undefined);
});

test("several values of a name", () => {
  const { headers } = fieldsOf(
    request(text("cookie", "a=1"), text("accept", "a"), text("cookie", "b=2"), text("accept", "b")),
  );
  assert.deepEqual(headers, { cookie: "a=1; b=2", accept: "a, b" });
  assert.equal(fieldsOf(request(text("authorization", "a"), text("authorization", "b"))).headers.authorization, "a");
});

const malformed: Record<string, Buffer> = {
  "an uppercase name": Buffer.concat([get, text("Accept", "a")]),
  "an empty name": Buffer.concat([get, text("", "a")]),
  "a colon in a name": Buffer.concat([get, text("a:b", "a")]),
  "an unknown pseudo header": Buffer.concat([text(":protocol", "websocket"), get]),
  "a pseudo header of responses": Buffer.concat([hex("88"), get]),
  "two methods": Buffer.concat([get, hex("83")]),
  "a late pseudo header": Buffer.concat([hex("82 87 01 01 61"), text("a", "b"), hex("84")]),
  "no method": hex("87 84 01 01 61"),
  "no scheme": hex("82 84 01 01 61"),
  "no path": hex("82 87 01 01 61"),
  "an empty path": Buffer.concat([hex("82 87 01 01 61"), text(":path", "")]),
  "a path without slash": Buffer.concat([hex("82 87 01 01 61"), text(":path", "a")]),
  "a star that is not for OPTIONS": Buffer.concat([hex("82 87 01 01 61"), text(":path", "*")]),
  "a path with a space": Buffer.concat([hex("82 87 01 01 61"), text(":path", "/a b")]),
  "neither authority nor host": hex("82 87 84"),
  "an authority with a slash": Buffer.concat([hex("82 87 84"), text(":authority", "a/b")]),
  "a CONNECT with a path": Buffer.concat([hex("87 84 01 01 61"), text(":method", "CONNECT")]),
  connection: Buffer.concat([get, text("connection", "close")]),
  "transfer-encoding": Buffer.concat([get, text("transfer-encoding", "chunked")]),
  "te other than trailers": Buffer.concat([get, text("te", "gzip")]),
  "two content lengths": Buffer.concat([get, text("content-length", "1"), text("content-length", "2")]),
  "a negative content length": Buffer.concat([get, text("content-length", "-1")]),
  NUL: Buffer.concat([get, text("a", "a\0b")]),
  CR: Buffer.concat([get, text("a", "a\rb")]),
  LF: Buffer.concat([get, text("a", "a\nb")]),
  "a space before": Buffer.concat([get, text("a", " b")]),
  "a tab after": Buffer.concat([get, text("a", "b\t")]),
};
for (const [name, block] of Object.entries(malformed)) {
  test(`malformed: ${name}`, () => {
    const hpack = decoder();
    assert.equal(hpack.decode(Buffer.concat([block, hex("40 01 78 01 79")]), "request").type, "malformed");
    const next = hpack.decode(Buffer.concat([get, hex("be")]), "request");
    assert.deepEqual(fieldsOf(next).headers, { x: "y" }, "the table goes on");
  });
}

test("what is allowed although it is rare", () => {
  const star = decoder().decode(
    Buffer.concat([hex("87 01 01 61"), text(":method", "OPTIONS"), text(":path", "*")]),
    "request",
  );
  assert.equal(fieldsOf(star).path, "*");
  const tunnel = decoder().decode(Buffer.concat([text(":method", "CONNECT"), hex("01 01 61")]), "request");
  assert.equal(fieldsOf(tunnel).path, "/");
  assert.equal(
    fieldsOf(decoder().decode(Buffer.concat([hex("82 87 84"), text("host", "a")]), "request")).authority,
    undefined,
  );
  assert.deepEqual(fieldsOf(request(text("te", "trailers"), text("a", ""))).headers, { te: "trailers", a: "" });
});

test("trailers have no pseudo headers", () => {
  assert.equal(decoder().decode(text("a", "b"), "trailers").type, "fields");
  assert.equal(decoder().decode(get, "trailers").type, "malformed");
});

test("a bomb of references to one large entry is too large, cheap, and leaves the table in order", () => {
  const hpack = decoder(8192);
  const large = Buffer.concat([get, hex("40 01 78 7f a1 1e"), Buffer.alloc(4000, "y")]);
  assert.equal(hpack.decode(large, "request").type, "fields");
  assert.equal(hpack.decode(Buffer.concat([get, Buffer.alloc(60_000, 0xbe)]), "request").type, "too large");
  assert.equal(fieldsOf(hpack.decode(Buffer.concat([get, hex("be")]), "request")).headers["x"]!.length, 4000);
});

const undecodable: Record<string, string> = {
  "index 0": "80",
  "an index beyond the table": "be",
  "an integer without end": "ff ff ff ff ff ff ff ff ff ff ff ff",
  "an integer of zeros without end": "ff 80 80 80 80 80 80 00",
  "an integer beyond 2^28": "ff ff ff ff ff 01",
  "a literal cut short": "00 01",
  "a string longer than the block": "00 05 61",
  "a table size within the block": "82 3f e1 1f",
  "a table size beyond the limit": "3f e2 1f",
  "a name beyond the table": "7f 00 01 61",
};
for (const [name, bytes] of Object.entries(undecodable)) {
  test(`undecodable: ${name}`, () => {
    assert.throws(() => decoder().decode(hex(bytes), "request"), CompressionError);
  });
}

test("any bytes are decoded, refused or undecodable, and nothing else", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
      const hpack = decoder(1000);
      try {
        for (const block of blocks) {
          const { type } = hpack.decode(Buffer.concat([get, block]), "request");
          assert.ok(["fields", "malformed", "too large"].includes(type));
        }
      } catch (error) {
        assert.ok(error instanceof CompressionError);
      }
    }),
    { numRuns: 2000, seed: 1 },
  );
});

function encoded(status: number, headers: Record<string, string | string[]>, length?: number): Buffer {
  const target = Buffer.alloc(5 + responseBytes(headers));
  return target.subarray(5, encodeResponse(target, 5, status, headers, length));
}

test("responses are read back as they were written", async () => {
  const values = word(`${printable}\xe4`, 200);
  const headers = fc.dictionary(headerNames, fc.oneof(values, fc.array(values, { minLength: 1, maxLength: 3 })), {
    maxKeys: 6,
  });
  fc.assert(
    fc.property(fc.integer({ min: 200, max: 599 }), headers, fc.option(fc.nat()), (status, given, length) => {
      const block = encoded(status, given, length ?? undefined);
      const isKnown = block[0]! >= 0x80;
      const written = isKnown ? status : Number(block.toString("latin1", 2, 5));
      assert.equal(written, status);
      const read = decoder().decode(Buffer.concat([get, block.subarray(isKnown ? 1 : 5)]), "request");
      if (read.type !== "fields") return;
      for (const [name, value] of Object.entries(given)) {
        const all = typeof value === "string" ? [value] : value;
        const joined =
          name === "authorization" || name === "range" || name === "user-agent"
            ? all[0]!
            : all.join(name === "cookie" ? "; " : ", ");
        assert.equal(read.headers[name], joined);
      }
      if (length !== null) assert.equal(read.headers["content-length"], String(length));
    }),
  );
});

test("values that come again are written as they were the first time", () => {
  const [one, other] = [
    { "x-a": "b", vary: "c" },
    { "x-a": "d", vary: "" },
  ].map((headers) => () => encoded(200, headers));
  const [first, second] = [one!(), other!()];
  for (const [make, expected] of [
    [one, first],
    [one, first],
    [one, first],
    [other, second],
    [one, first],
  ] as const) {
    assert.deepEqual(make!(), expected);
  }
});

test("a response has no headers of HTTP/1 connections, one length, and none that split it", () => {
  const plain = encoded(200, { "X-A": "b" }, 3);
  assert.deepEqual(
    encoded(200, { Connection: "close", "x-a": "b", "content-length": "9", "transfer-encoding": "chunked" }, 3),
    plain,
  );
  for (const value of ["a\r\nb", "a\0", "\u20ac"]) assert.throws(() => encoded(200, { a: value }), TypeError);
  for (const name of ["", "a b", "a\n", ":status"]) assert.throws(() => encoded(200, { [name]: "a" }), TypeError);
  assert.equal(encoded(200, { a: "x".repeat(70_000) }).length, 70_000 + 1 + 3 + 3 + 1);
});
