import { test } from "node:test";
import assert from "node:assert/strict";
import { ageOf, formatAge } from "./duration.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

const cases: readonly [number, string][] = [
  [-3 * second, "<invalid>"],
  [-1500, "0s"],
  [0, "0s"],
  [5 * second + 900, "5s"],
  [119 * second, "119s"],
  [2 * minute, "2m"],
  [3 * minute + 12 * second, "3m12s"],
  [10 * minute + 30 * second, "10m"],
  [179 * minute, "179m"],
  [3 * hour, "3h"],
  [7 * hour + 59 * minute, "7h59m"],
  [8 * hour + 5 * minute, "8h"],
  [47 * hour, "47h"],
  [2 * day + 3 * hour, "2d3h"],
  [8 * day, "8d"],
  [2 * year - hour, "729d"],
  [2 * year, "2y"],
  [3 * year + 4 * day, "3y4d"],
  [9 * year + 4 * day, "9y"],
];
for (const [ms, text] of cases) test(`${ms} ms is ${text}`, () => assert.equal(formatAge(ms), text));

test("the age of no timestamp is unknown", () => {
  assert.equal(ageOf(undefined, 0), "<unknown>");
  assert.equal(ageOf("1970-01-01T00:00:05Z", 10_000), "5s");
});
