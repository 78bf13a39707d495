import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff, formatDelay } from "./backoff.ts";

test("delays double from 10 s to 5 min and start over after 10 quiet minutes", () => {
  const backoff = new Backoff();
  let now = 0;
  assert.equal(backoff.until("k", now), 0);
  const delays = [];
  for (let round = 0; round < 7; round++) {
    backoff.next("k", now);
    delays.push(backoff.delay("k") / 1000);
    now = backoff.until("k", now);
  }
  assert.deepEqual(delays, [10, 20, 40, 80, 160, 300, 300]);
  const later = now + 601_000;
  assert.equal(backoff.until("k", later), 0);
  backoff.next("k", later);
  assert.equal(backoff.delay("k"), 10_000);
});

test("delays read as in events", () => {
  assert.deepEqual([10_000, 80_000, 300_000].map(formatDelay), ["10s", "1m20s", "5m0s"]);
});
