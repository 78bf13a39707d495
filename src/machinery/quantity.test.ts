import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatMillis,
  formatQuantity,
  quantityMillis,
  quantityToNumber,
  quantityValue,
  subtractQuantities,
} from "./quantity.ts";

test("quantities take the canonical form of their family of suffixes", () => {
  const table: [string, string][] = [
    ["0", "0"],
    ["0Gi", "0"],
    ["1000m", "1"],
    ["0.5", "500m"],
    [".5", "500m"],
    ["1.", "1"],
    ["1500m", "1500m"],
    ["1000", "1k"],
    ["1024Ki", "1Mi"],
    ["1Gi", "1Gi"],
    ["1.5Gi", "1536Mi"],
    ["100Ki", "100Ki"],
    ["0.5Ki", "512"],
    ["1e3", "1e3"],
    ["1E3", "1e3"],
    ["12000e0", "12e3"],
    ["1E", "1E"],
    ["1n", "1n"],
    ["0.1n", "1n"],
    ["-1.5", "-1500m"],
    ["+5", "5"],
    ["0.3Ki", "307200m"],
    ["1Mi", "1Mi"],
    ["2048", "2048"],
    ["100E", "100E"],
    ["9999999999999999999999", "9223372036854775807"],
  ];
  for (const [text, canonical] of table) assert.equal(canonicalQuantity(text), canonical, text);
});

test("texts that are no quantities are refused", () => {
  for (const text of ["", "abc", "1x", "1 Gi", "1Kii", "--1", "1e", "1ee3", "Gi", ".", "1.2.3", "1e1.5", "0x1"]) {
    assert.throws(() => canonicalQuantity(text), /quantit/, text);
  }
});

test("values round up and sums are exact", () => {
  assert.equal(quantityValue("1500m"), 2);
  assert.equal(quantityValue("-1500m"), -1);
  assert.equal(quantityValue("1Gi"), 2 ** 30);
  assert.equal(quantityMillis("0.1"), 100);
  assert.equal(quantityMillis("1n"), 1);
  assert.equal(quantityToNumber("250m"), 0.25);
  assert.equal(addQuantities("100m", "0.2", "700m"), "1");
  assert.equal(addQuantities("1Gi", "1Mi"), "1025Mi");
  assert.equal(addQuantities("0", "1Gi"), "1Gi");
  assert.equal(addQuantities(), "0");
  assert.equal(subtractQuantities("1Gi", "512Mi"), "512Mi");
  assert.equal(compareQuantities("1Gi", "1G"), 1);
  assert.equal(compareQuantities("1000m", "1"), 0);
  assert.equal(formatQuantity(2 ** 20, "BinarySI"), "1Mi");
  assert.equal(formatQuantity(0.25), "250m");
  assert.equal(formatMillis(2000), "2");
});

test("what is canonical at first sight is so after calculation", () => {
  const suffixes = ["", "m", "k", "E", "Ki", "Ei"];
  for (const text of suffixes.flatMap((suffix) => [1, 10, 100, 999].map((amount) => `${amount}${suffix}`)))
    assert.deepEqual([canonicalQuantity(text), addQuantities(text)], [text, text]);
});

test("the canonical form is stable and keeps the amount", () => {
  const suffix = fc.constantFrom("", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-2");
  fc.assert(
    fc.property(fc.integer({ min: -1e9, max: 1e9 }), fc.nat(999), suffix, (whole, fraction, unit) => {
      const text = `${whole}.${fraction}${unit}`;
      const canonical = canonicalQuantity(text);
      assert.equal(canonicalQuantity(canonical), canonical);
      assert.equal(compareQuantities(text, canonical), 0);
      assert.doesNotMatch(canonical, /\./);
    }),
  );
});
