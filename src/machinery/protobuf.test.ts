import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { defineMessages, ProtobufError } from "./protobuf.ts";

const codec = defineMessages({
  messages: {
    All: [
      [1, "text", "string"],
      [2, "small_number", "int32"],
      [3, "big", "int64"],
      [4, "unsigned", "uint64"],
      [5, "flag", "bool"],
      [6, "raw", "bytes"],
      [7, "list", "repeated int64"],
      [8, "labels", "map<string, string>"],
      [9, "child", "All"],
      [10, "children", "repeated All"],
      [11, "color", "Color"],
      [12, "zig", "sint64"],
      [13, "real", "double"],
      [20, "byName", "map<string,All>"],
    ],
    Choice: [
      [1, "a", "string"],
      [2, "b", "int32"],
    ],
    Empty: [],
  },
  enums: { Color: { RED: 0, GREEN: 5 } },
  oneofs: { Choice: [["a", "b"]] },
});
const all = codec<Record<string, unknown>>("All");

test("known bytes of the protobuf documentation decode and encode", () => {
  assert.deepEqual(codec("Choice").decode(Buffer.from("0a0774657374696e67", "hex")), { a: "testing" });
  assert.equal(codec("Choice").encode({ b: 150 }).toString("hex"), "109601");
});

test("negative and 64-bit integers keep their value", () => {
  const message = { smallNumber: -2, big: -9007199254740993n, unsigned: 18446744073709551615n, zig: -5 };
  assert.deepEqual(all.decode(all.encode(message)), message);
});

test("packed and unpacked lists are both read", () => {
  assert.deepEqual(all.decode(Buffer.from("3a03010203", "hex")), { list: [1, 2, 3] });
  assert.deepEqual(all.decode(Buffer.from("380138023803", "hex")), { list: [1, 2, 3] });
});

test("the last member of a oneof wins", () => {
  assert.deepEqual(codec("Choice").decode(Buffer.from("0a01781001", "hex")), { b: 1 });
});

test("unknown fields are skipped", () => {
  assert.deepEqual(codec("Empty").decode(all.encode({ text: "x", real: 1.5, child: { flag: true } })), {});
});

test("zero values are filled when asked for", () => {
  const zeros = defineMessages(
    {
      messages: {
        M: [
          [1, "s", "string"],
          [2, "l", "repeated M"],
          [3, "e", "E"],
          [4, "m", "M"],
        ],
      },
      enums: { E: { A: 0 } },
    },
    { zeroValues: true },
  );
  assert.deepEqual(zeros("M").decode(new Uint8Array(0)), { s: "", l: [], e: "A" });
});

test("a map key cannot reach the prototype", () => {
  const decoded = all.decode(all.encode({ labels: JSON.parse('{"__proto__":"x"}') }));
  assert.equal(Object.hasOwn(decoded["labels"] as object, "__proto__"), true);
});

const tree = fc.letrec<{ node: Record<string, unknown> }>((tie) => ({
  node: fc.record(
    {
      text: fc.string(),
      smallNumber: fc.integer(),
      big: fc.maxSafeInteger(),
      flag: fc.boolean(),
      raw: fc.uint8Array(),
      list: fc.array(fc.maxSafeInteger(), { minLength: 1 }),
      color: fc.constantFrom("RED", "GREEN", 7),
      zig: fc.maxSafeInteger(),
      real: fc.double({ noNaN: true }),
      child: tie("node"),
      children: fc.array(tie("node"), { minLength: 1, maxLength: 3 }),
    },
    { requiredKeys: [], noNullPrototype: true },
  ),
})).node;

test("what is encoded decodes to the same message", () => {
  fc.assert(
    fc.property(tree, (message) => assert.deepEqual(all.decode(all.encode(message)), message)),
    { numRuns: 200 },
  );
});

test("random bytes decode or fail with a ProtobufError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        all.decode(bytes);
      } catch (error) {
        assert.ok(error instanceof ProtobufError);
      }
    }),
    { numRuns: 2000 },
  );
});
