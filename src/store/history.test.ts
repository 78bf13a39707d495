// The history window: what it keeps, and which rows nobody needs once it has moved on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryMemory, StoredEntry, TurnCache } from "./entry.ts";
import { garbageOf, History, type HistoryEvent } from "./history.ts";
import { pod, key } from "./store.contract.ts";

const memory = new EntryMemory(1000);
const entry = (revision: number, rowRevision = revision) =>
  new StoredEntry(
    { key: key("a"), revision, createRevision: 2, rowRevision, volatile: rowRevision !== revision },
    { object: pod("a") },
    memory,
  );
const event = (revision: number, previous?: StoredEntry, type: HistoryEvent["type"] = "MODIFIED"): HistoryEvent => ({
  type,
  revision,
  entry: entry(revision),
  ...(previous ? { previous } : {}),
});

test("events leave when they are too many or too old, the oldest first", () => {
  const history = new History({ events: 3, ageMs: 1000 });
  for (const revision of [2, 3, 4, 5]) history.push(event(revision), revision * 100);
  assert.deepEqual(
    history.trim(500).map(({ revision }) => revision),
    [2],
  );
  assert.deepEqual(
    history.trim(1450).map(({ revision }) => revision),
    [3, 4],
  );
  assert.equal(history.length, 1);
  assert.deepEqual(
    history.after(1).map(({ revision }) => revision),
    [5],
  );
});

test("a long history stays in order through all its trimming", () => {
  const history = new History({ events: 10, ageMs: 1e9 });
  for (let revision = 1; revision <= 5000; revision++) {
    history.push(event(revision), 0);
    history.trim(0);
  }
  assert.deepEqual(
    history.after(4995).map(({ revision }) => revision),
    [4996, 4997, 4998, 4999, 5000],
  );
});

test("the version before goes, and with a deletion its own row; versions in memory have no row", () => {
  assert.deepEqual(garbageOf([event(3, entry(2))]), [2]);
  assert.deepEqual(garbageOf([event(3, entry(2), "DELETED")]), [2, 3]);
  const inMemory: HistoryEvent = { type: "MODIFIED", revision: 4, entry: entry(4, 3), previous: entry(3) };
  assert.deepEqual(garbageOf([inMemory]), []);
  assert.deepEqual(garbageOf([event(9, entry(8, 3))]), [3]);
});

test("encoded bytes are kept up to their limit, the least used go first", () => {
  const small = new TurnCache(25);
  const [a, b, c] = [{}, {}, {}];
  small.set(a, {}, 10);
  small.set(b, {}, 10);
  small.get(a);
  small.set(c, {}, 10);
  assert.equal(small.get(b), undefined);
  assert.ok(small.get(a) && small.get(c));
  const d = {};
  small.offer(d, {}, 10);
  assert.equal(small.get(d), undefined, "what is in use stays");
  assert.ok(small.get(a) && small.get(c));
});
