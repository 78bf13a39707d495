import { test } from "node:test";
import assert from "node:assert/strict";
import { createReviewCache } from "./review-cache.ts";

function setUp(goodForMs: number) {
  let now = 0;
  let fails = false;
  const asked: string[] = [];
  const cache = createReviewCache({
    clock: { now: () => now, after: () => () => {} },
    goodForMs: () => goodForMs,
    ask(question: string) {
      asked.push(question);
      return fails ? Promise.reject(new Error("down")) : Promise.resolve(`${question}!`);
    },
  });
  return { cache, asked, pass: (ms: number) => (now += ms), fail: (value: boolean) => (fails = value) };
}

test("an answer is used again while it is good, and asked for once at a time", async () => {
  const { cache, asked, pass } = setUp(100);
  assert.equal(cache.latest("a"), undefined);
  assert.deepEqual(await Promise.all([cache.fresh("a"), cache.fresh("a")]), ["a!", "a!"]);
  pass(99);
  await cache.fresh("a");
  assert.deepEqual(asked, ["a"]);
  pass(1);
  await cache.fresh("a");
  assert.deepEqual(asked, ["a", "a"]);
});

test("an answer that may not be used again is still there for the request that asked", async () => {
  const { cache, asked } = setUp(0);
  await cache.fresh("a");
  assert.equal(cache.latest("a"), "a!");
  await cache.fresh("a");
  assert.equal(asked.length, 2);
});

test("a failure is not kept, and takes the answer before it along", async () => {
  const { cache, pass, fail } = setUp(10);
  await cache.fresh("a");
  pass(10);
  fail(true);
  await assert.rejects(cache.fresh("a"), /down/);
  assert.equal(cache.latest("a"), undefined);
  fail(false);
  assert.equal(await cache.fresh("a"), "a!");
});

test("no more answers are kept than fit", async () => {
  const { cache } = setUp(10);
  for (let i = 0; i <= 4096; i++) await cache.fresh(String(i));
  assert.equal(cache.latest("0"), undefined);
  assert.equal(cache.latest("4096"), "4096!");
});
