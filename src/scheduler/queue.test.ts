// The queue: who is tried when, and what brings a pod back.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../machinery/clock.ts";
import type { ClusterChange } from "./plugin.ts";
import { podInfo } from "./pod-info.ts";
import { backoffMs, SchedulingQueue } from "./queue.ts";
import { builtPod, type PodOptions } from "./testing.ts";

function fixture() {
  let now = 0;
  let timers: { at: number; callback: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    after(ms, callback) {
      const timer = { at: now + ms, callback };
      timers.push(timer);
      return () => (timers = timers.filter((t) => t !== timer));
    },
  };
  const advance = (ms: number) => {
    now += ms;
    const due = timers.filter(({ at }) => at <= now);
    timers = timers.filter(({ at }) => at > now);
    for (const { callback } of due) callback();
  };
  let ready = 0;
  const queue = new SchedulingQueue({
    clock,
    onReady: () => ready++,
    mayHelp: (change, _info, plugins) => plugins.has(change.type),
  });
  const add = (name: string, options: PodOptions = {}) => queue.set(podInfo(builtPod(name, options)), false);
  const takeAll = () => {
    const names: string[] = [];
    for (let next = queue.take(); next; next = queue.take()) names.push(next.info.pod.metadata.name);
    return names;
  };
  return { queue, add, takeAll, advance, timers: () => timers.length, ready: () => ready };
}

const nodeChange: ClusterChange = { type: "node" };

test("the more important pod comes first, then the earlier one", () => {
  const { add, takeAll, ready } = fixture();
  add("a");
  add("b", { priority: 5 });
  add("c");
  add("d", { priority: 5 });
  add("e", { priority: -1 });
  assert.deepEqual(takeAll(), ["b", "d", "a", "c", "e"]);
  assert.equal(ready(), 5);
});

test("a gated pod is not tried until its gates are gone", () => {
  const { queue, add, takeAll } = fixture();
  add("a", { gates: ["wait"] });
  assert.deepEqual(takeAll(), []);
  queue.set(podInfo(builtPod("a")), true);
  assert.deepEqual(takeAll(), ["a"]);
});

test("a parked pod comes back at once for a change that its plugins care about, and for no other", () => {
  const { queue, takeAll, timers } = fixture();
  queue.park(podInfo(builtPod("a")), 1, new Set(["node"]));
  queue.wake({ type: "volume" });
  assert.deepEqual(takeAll(), []);
  queue.wake(nodeChange);
  assert.deepEqual(takeAll(), ["a"]);
  assert.equal(timers(), 0);
});

test("a parked pod whose own wishes change is tried again", () => {
  const { queue, takeAll } = fixture();
  const info = podInfo(builtPod("a"));
  queue.park(info, 1, new Set(["node"]));
  queue.set(info, false);
  assert.deepEqual(takeAll(), []);
  queue.set(info, true);
  assert.deepEqual(takeAll(), ["a"]);
});

test("only a pod that failed again and again has to wait, and longer each time", () => {
  assert.deepEqual([1, 5, 6, 7, 8, 20].map(backoffMs), [0, 0, 250, 500, 1000, 10_000]);
  const { queue, takeAll, advance } = fixture();
  queue.park(podInfo(builtPod("a")), 7, new Set(["node"]));
  queue.wake(nodeChange);
  assert.deepEqual(takeAll(), []);
  advance(500);
  assert.deepEqual(takeAll(), ["a"]);
});

test("after five minutes a parked pod is tried even though nothing seemed to help", () => {
  const { queue, takeAll, advance } = fixture();
  queue.park(podInfo(builtPod("a")), 1, new Set(["node"]));
  advance(5 * 60_000);
  assert.deepEqual(takeAll(), ["a"]);
});

test("a failed binding is tried again after a moment; a deleted pod is not", () => {
  const { queue, takeAll, advance, timers } = fixture();
  queue.retry(podInfo(builtPod("a")), 1);
  queue.retry(podInfo(builtPod("b")), 1);
  queue.delete("pod-b");
  assert.deepEqual(takeAll(), []);
  advance(100);
  assert.deepEqual(takeAll(), ["a"]);
  queue.close();
  assert.equal(timers(), 0);
});
