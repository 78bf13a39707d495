// Events are delivered in order and behind the requests' backs; what is lost is counted; files rotate.
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock, type Clock } from "../../machinery/clock.ts";
import { logFileSink, outdatedBackups } from "./log-file.ts";
import { bufferedSink } from "./sink.ts";

/** Timers fire when told to. */
function heldClock(start = 0) {
  let now = start;
  const due = new Set<() => void>();
  const clock: Clock = {
    now: () => now,
    after(_ms, callback) {
      due.add(callback);
      return () => due.delete(callback);
    },
  };
  return {
    clock,
    pass(ms: number) {
      now += ms;
      for (const callback of due) {
        due.delete(callback);
        callback();
      }
    },
  };
}

const limits = { name: "log", batchSize: 2, waitMs: 100, maxEvents: 4, maxBytes: 100 } as const;

test("events wait for others until there are enough or time has passed", async () => {
  const { clock, pass } = heldClock();
  const batches: string[][] = [];
  const deliver = async (lines: readonly string[]) => void batches.push([...lines]);
  const sink = bufferedSink({ ...limits, clock, deliver, lost: () => assert.fail() });
  sink.push("a");
  assert.deepEqual(batches, []);
  pass(100);
  assert.deepEqual(batches, [["a"]]);
  await Promise.resolve();
  sink.push("b");
  sink.push("c");
  sink.push("d");
  await sink.close();
  assert.deepEqual(batches, [["a"], ["b", "c"], ["d"]]);
});

test("what does not fit or cannot be delivered is counted", async () => {
  const { clock } = heldClock();
  let lost = 0;
  const deliver = () => Promise.reject(new Error("disk full"));
  const sink = bufferedSink({ ...limits, batchSize: 10, clock, deliver, lost: (count) => (lost += count) });
  for (let i = 0; i < 6; i++) sink.push("x");
  assert.equal(lost, 2);
  sink.push("y".repeat(200));
  assert.equal(lost, 3);
  await sink.close();
  assert.equal(lost, 7);
});

test("the file is private, and a new one begins when it is full; the oldest go", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "knarr-audit-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, "audit.log");
  const { clock, pass } = heldClock(Date.parse("2026-01-01T00:00:00Z"));
  const sink = () =>
    logFileSink({
      file,
      clock,
      maxBytes: 10,
      maxBackups: 2,
      maxAgeMs: 0,
      lost: (_, error) => assert.fail(String(error)),
    });
  for (const line of ["one", "two", "three", "four", "five"]) {
    const once = sink();
    once.push(line.padEnd(8));
    await once.close();
    pass(1000);
  }
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(readFileSync(file, "utf8").trim(), "five");
  assert.deepEqual(readdirSync(dir).toSorted(), [
    "audit-2026-01-01T00-00-03.000.log",
    "audit-2026-01-01T00-00-04.000.log",
    "audit.log",
  ]);
});

test("old files go by age, and files of others stay", () => {
  const names = ["a-2026-01-01T00-00-00.000.log", "a-2026-01-03T00-00-00.000.log", "a-notes.log", "a.log", "b.log"];
  const place = { stem: "a", extension: ".log", maxBackups: 0 };
  assert.deepEqual(outdatedBackups(names, { ...place, oldest: "2026-01-02T00-00-00.000" }), [names[0]]);
  assert.deepEqual(outdatedBackups(names, { ...place, oldest: "" }), []);
});

test("a file that cannot be opened loses events and nothing else", async () => {
  let lost = 0;
  const file = "/nonexistent/audit.log";
  const counted = (count: number) => void (lost += count);
  const sink = logFileSink({ file, clock: realClock, maxBytes: 10, maxBackups: 0, maxAgeMs: 0, lost: counted });
  sink.push("a");
  await sink.close();
  assert.equal(lost, 1);
});
