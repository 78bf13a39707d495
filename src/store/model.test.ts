// The store against the simplest model of itself: random histories of transactions, checked at every step.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { realClock } from "../machinery/clock.ts";
import { silentLogger } from "../machinery/log.ts";
import { openMemoryStore } from "./memory.ts";
import { openSqliteStore } from "./sqlite.ts";
import { key, pod } from "./store.contract.ts";
import type { Store, StoreEvent, Write } from "./store.ts";
import { StoreError } from "./store.ts";

type Operation = { type: Write["type"]; name: string; stale: boolean; volatile: boolean };
type Step = { type: "write"; operations: Operation[] } | { type: "settle" } | { type: "restart" };

const operation = fc.record({
  type: fc.constantFrom<Write["type"]>("create", "update", "update", "delete"),
  name: fc.constantFrom("a", "b", "c"),
  stale: fc.integer({ max: 9, min: 0 }).map((n) => n === 0),
  volatile: fc.boolean(),
});
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ type: fc.constant("write" as const), operations: fc.array(operation, { maxLength: 3 }) }),
    },
    { weight: 2, arbitrary: fc.constant({ type: "settle" } as const) },
    { weight: 1, arbitrary: fc.constant({ type: "restart" } as const) },
  ),
  { maxLength: 30 },
);

/** Name → content and revision of the newest version. */
type Model = Map<string, { value: number; revision: number }>;

/** The transaction that a step stands for, and what the model becomes; undefined when a precondition fails. */
function plan(model: Model, operations: Operation[], value: number): { writes: Write[]; valid: boolean } {
  const present = new Map([...model].map(([name, { revision }]) => [name, revision]));
  let valid = true;
  const writes = operations.map((op): Write => {
    const { name, type, volatile } = op;
    const object = pod(name, { spec: value });
    const known = present.get(name);
    if (type === "create") {
      valid &&= known === undefined;
      present.set(name, Number.NaN);
      return { type, key: key(name), object, volatile };
    }
    const expectedRevision = op.stale ? 1 : (known ?? 1);
    // A version made by the same transaction has a revision that its writer cannot know.
    valid &&= known !== undefined && expectedRevision === known;
    if (type === "delete") present.delete(name);
    else present.set(name, Number.NaN);
    return type === "delete"
      ? { type, key: key(name), expectedRevision }
      : { type, key: key(name), object, expectedRevision, volatile };
  });
  return { writes, valid };
}

async function run(open: () => Promise<Store>, restartable: boolean, script: Step[]): Promise<void> {
  let store = await open();
  const model: Model = new Map();
  const watched = new Map<string, number>();
  let events: StoreEvent[] = [];
  let unsettled: Promise<unknown>[] = [];
  const watch = () => store.watch({ collection: "/pods", after: store.revision }, (batch) => events.push(...batch));
  watch();
  const settle = async () => {
    await Promise.all(unsettled);
    unsettled = [];
    for (const { type, entry } of events) {
      if (type === "DELETED") watched.delete(entry.key.name);
      else watched.set(entry.key.name, entry.revision);
    }
    assert.deepEqual(
      events.map((e) => e.revision),
      events.map((e) => e.revision).sort((x, y) => x - y),
    );
    events = [];
    const shown = store
      .list("/pods")
      .entries.map(({ key: { name }, revision, object }) => [name, revision, (object as { spec?: unknown }).spec]);
    const wanted = [...model].sort().map(([name, { value, revision }]) => [name, revision, value]);
    assert.deepEqual(shown, wanted);
    assert.deepEqual(
      [...watched].sort(),
      wanted.map(([name, revision]) => [name, revision]),
    );
  };
  let value = 0;
  for (const step of script) {
    if (step.type === "settle") await settle();
    else if (step.type === "restart" && restartable) {
      await settle();
      await store.close();
      store = await open();
      watch();
    } else if (step.type === "write") {
      value++;
      const { writes, valid } = plan(model, step.operations, value);
      const writing = store.write(writes);
      if (!valid) {
        await assert.rejects(writing, StoreError);
        continue;
      }
      unsettled.push(writing);
      for (const { key: target } of writes) {
        const latest = store.latest(target);
        if (latest) model.set(target.name, { value, revision: latest.revision });
        else model.delete(target.name);
      }
    }
  }
  await settle();
  await store.close();
}

test("the memory store behaves like its model", async () => {
  await fc.assert(
    fc.asyncProperty(steps, (script) => run(() => openMemoryStore({ clock: realClock, freeze: true }), false, script)),
    { numRuns: 300 },
  );
});

test("the SQLite store behaves like its model, across orderly restarts", async () => {
  const folder = mkdtempSync(join(tmpdir(), "knarr-model-"));
  let files = 0;
  try {
    await fc.assert(
      fc.asyncProperty(steps, (script) => {
        const file = join(folder, `${files++}.db`);
        return run(() => openSqliteStore({ file, clock: realClock, log: silentLogger, freeze: true }), true, script);
      }),
      { numRuns: 15 },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
