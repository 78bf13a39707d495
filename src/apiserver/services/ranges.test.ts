import { test } from "node:test";
import assert from "node:assert/strict";
import { addressRange, choose, numberToAddress, portRange } from "./ranges.ts";

test("random addresses come from above the band that is left for fixed ones, until that is full", () => {
  const range = addressRange("10.96.0.0/24");
  assert.equal(numberToAddress(range.first), "10.96.0.1");
  assert.equal(numberToAddress(range.last), "10.96.0.254");
  const taken = new Set<number>();
  for (let i = 0; i < 254; i++) {
    const value = choose(range, (candidate) => taken.has(candidate))!;
    assert.ok(!taken.has(value));
    if (i < 254 - 15) assert.ok(value >= range.preferred);
    taken.add(value);
  }
  assert.equal(
    choose(range, (candidate) => taken.has(candidate)),
    undefined,
  );
});

test("a range that is no network, or too big or small, is refused", () => {
  for (const bad of ["10.96.0.1/24", "10.0.0.0/7", "10.96.0.0/31", "x", "fd00::/108"]) {
    assert.throws(() => addressRange(bad), /no range for Services/);
  }
  assert.deepEqual(portRange(30_000, 32_767), { first: 30_000, last: 32_767, preferred: 30_086 });
});
