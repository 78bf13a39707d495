import { test } from "node:test";
import assert from "node:assert/strict";
import type { Clock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import { openMemoryStore } from "../../store/memory.ts";
import { followEvents, lastSeen } from "./event-expiry.ts";

const start = Date.parse("2026-01-01T00:00:00Z");

/** A clock that a test moves on. */
function handClock(): Clock & { advance(ms: number): void; readonly timers: number } {
  let now = start;
  const timers = new Set<{ at: number; run: () => void }>();
  return {
    now: () => now,
    after(ms, run) {
      const timer = { at: now + ms, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance(ms) {
      now += ms;
      for (const timer of [...timers].filter(({ at }) => at <= now)) {
        timers.delete(timer);
        timer.run();
      }
    },
    get timers() {
      return timers.size;
    },
  };
}

const event = (name: string, lastTimestamp: string) => ({
  apiVersion: "v1",
  kind: "Event",
  metadata: { name, namespace: "default", uid: name, resourceVersion: "", creationTimestamp: "2026-01-01T00:00:00Z" },
  lastTimestamp,
});

test("the newest of an event's times counts", () => {
  assert.equal(lastSeen(event("a", "2026-01-01T00:10:00Z")), start + 600_000);
  assert.equal(lastSeen(event("a", "2025-01-01T00:10:00Z")), start);
});

test("events go an hour after they last happened, and then no timer is left", async () => {
  const clock = handClock();
  const store = await openMemoryStore({ clock });
  const stop = new AbortController();
  followEvents({ store, clock, log: silentLogger, signal: stop.signal });
  assert.equal(clock.timers, 0);
  const create = (name: string, time: string) =>
    store.write([
      { type: "create", key: { collection: "/events", namespace: "default", name }, object: event(name, time) },
    ]);
  await create("early", "2026-01-01T00:00:00Z");
  await create("late", "2026-01-01T00:30:00Z");
  assert.equal(clock.timers, 1);
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  clock.advance(62 * 60_000);
  await settled();
  assert.deepEqual(
    store.list("/events").entries.map(({ key }) => key.name),
    ["late"],
  );
  clock.advance(32 * 60_000);
  await settled();
  assert.deepEqual(store.list("/events").entries, []);
  clock.advance(62 * 60_000);
  await settled();
  assert.equal(clock.timers, 0);
  stop.abort();
});
