// The work queue: each key once at a time, retries with growing pauses, delays.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../machinery/clock.ts";
import { silentLogger } from "../machinery/log.ts";
import { retryDelay, WorkQueue } from "./work-queue.ts";

/** A clock that stands still until it is moved. */
function heldClock() {
  let now = 0;
  const timers = new Set<{ at: number; callback: () => void }>();
  const clock: Clock = {
    now: () => now,
    after(ms, callback) {
      const timer = { at: now + ms, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  };
  const advance = async (ms: number) => {
    now += ms;
    for (const timer of timers) {
      if (timer.at > now) continue;
      timers.delete(timer);
      timer.callback();
    }
    await settle();
  };
  return { clock, advance, timers };
}

const settle = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

function queueOf(work: (key: string) => Promise<number | undefined | void>) {
  const held = heldClock();
  const stop = new AbortController();
  const queue = new WorkQueue({ clock: held.clock, log: silentLogger, signal: stop.signal, work });
  return { queue, stop, ...held };
}

test("a key that is added many times is worked on once", async () => {
  const worked: string[] = [];
  const { queue } = queueOf(async (key) => void worked.push(key));
  for (let i = 0; i < 5; i++) queue.add("a");
  queue.add("b");
  await settle();
  assert.deepEqual(worked, ["a", "b"]);
  assert.equal(queue.idle, true);
});

test("a key that is added while it is in work runs once more afterwards, never beside itself", async () => {
  let running = 0;
  let runs = 0;
  let release = () => {};
  const { queue } = queueOf(async () => {
    assert.equal(++running, 1);
    runs++;
    await new Promise<void>((resolve) => (release = resolve));
    running--;
  });
  queue.add("a");
  await settle();
  queue.add("a");
  queue.add("a");
  await settle();
  assert.equal(runs, 1);
  release();
  await settle();
  assert.equal(runs, 2);
  release();
  await settle();
  assert.equal(runs, 2);
});

test("failures are retried after growing pauses; a success forgets them", async () => {
  let failing = 2;
  let runs = 0;
  const { queue, advance, timers } = queueOf(async () => {
    runs++;
    if (failing-- > 0) throw new Error("not yet");
  });
  queue.add("a");
  await settle();
  await advance(5);
  assert.equal(runs, 2);
  await advance(5);
  assert.equal(runs, 2);
  await advance(5);
  assert.equal(runs, 3);
  assert.equal(timers.size, 0);
  assert.deepEqual([1, 2, 3, 20].map(retryDelay), [5, 10, 20, 60_000]);
});

test("of two delays the shorter one counts, and stopping drops what waits", async () => {
  let runs = 0;
  const { queue, advance, stop, timers } = queueOf(async () => void runs++);
  queue.addAfter("a", 100);
  queue.addAfter("a", 10);
  queue.addAfter("a", 50);
  await advance(10);
  assert.equal(runs, 1);
  queue.addAfter("b", 10);
  stop.abort();
  assert.equal(timers.size, 0);
  queue.add("c");
  await advance(10);
  assert.equal(runs, 1);
});
