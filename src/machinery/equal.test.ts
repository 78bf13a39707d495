import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { deepEqual, semanticEqual } from "./equal.ts";
import { fnv32a, stableHash, stableJson } from "./hash.ts";

test("deepEqual sees values, not key order, and takes undefined for absent", () => {
  assert.ok(deepEqual({ a: 1, b: [1, { c: 2 }] }, { b: [1, { c: 2 }], a: 1 }));
  assert.ok(deepEqual({ a: undefined }, {}));
  assert.ok(deepEqual({}, { a: undefined }));
  for (const [a, b] of [
    [{ a: 1 }, { a: 2 }],
    [{ a: 1 }, {}],
    [{}, { a: null }],
    [[1], [1, 2]],
    [[], {}],
    [null, {}],
    ["1", 1],
  ]) {
    assert.ok(!deepEqual(a, b), JSON.stringify([a, b]));
    assert.ok(!deepEqual(b, a), JSON.stringify([b, a]));
  }
});

test("semanticEqual takes empty for absent", () => {
  assert.ok(semanticEqual({ a: [] }, {}));
  assert.ok(semanticEqual({ a: { b: 1 } }, { a: { b: 1, c: {} } }));
  assert.ok(!semanticEqual({ a: 0 }, {}));
  assert.ok(!semanticEqual({ a: [1] }, { a: [] }));
});

test("a copy is equal and has the same hash, whatever its key order", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const copy = JSON.parse(JSON.stringify(value)) as unknown;
      assert.ok(deepEqual(value, copy));
      assert.equal(stableHash(value), stableHash(copy));
    }),
  );
  assert.equal(stableJson({ b: 1, a: { d: 1, c: undefined } }), '{"a":{"d":1},"b":1}');
  assert.notEqual(stableHash({}), stableHash({}, 1));
  assert.equal(fnv32a("foobar"), 0xbf9cf968);
});
