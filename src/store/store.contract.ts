// What every store must do, as tests that each implementation runs.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "../machinery/object.ts";
import type { Store, StoreErrorCode, StoreEvent, StoreKey, Write } from "./store.ts";
import { StoreError } from "./store.ts";

export interface ContractOptions {
  readonly historyEvents?: number;
}

export const key = (name: string, namespace = "default", collection = "/pods"): StoreKey => ({
  collection,
  namespace,
  name,
});

export const pod = (name: string, extra: object = {}): KubeObject =>
  ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", uid: `uid-${name}` },
    ...extra,
  }) as KubeObject;

export const create = (name: string, namespace?: string): Write => ({
  type: "create",
  key: key(name, namespace),
  object: pod(name),
});

const code = (expected: StoreErrorCode) => (error: unknown) => error instanceof StoreError && error.code === expected;

const names = (entries: readonly { key: StoreKey }[]) => entries.map((e) => `${e.key.namespace}/${e.key.name}`);

const seen = (events: readonly StoreEvent[]) => events.map((e) => `${e.type} ${e.entry.key.name} ${e.revision}`);

export function storeContract(title: string, open: (options?: ContractOptions) => Promise<Store>): void {
  const contract = (name: string, options: ContractOptions, body: (store: Store) => Promise<void>) =>
    test(`${title}: ${name}`, async () => {
      await using store = await open(options);
      await body(store);
    });

  contract("an object that was written is there, with its revision inside", {}, async (store) => {
    const [entry] = await store.write([create("a")]);
    assert.equal(entry!.object.metadata.resourceVersion, String(entry!.revision));
    assert.equal(store.get(key("a")), entry);
    assert.equal(store.revision, entry!.revision);
    assert.deepEqual(JSON.parse(entry!.json().toString()), entry!.object);
    assert.equal(entry!.createRevision, entry!.revision);
    assert.deepEqual(store.collections(), ["/pods"]);
    assert.equal(store.stats().objects, 1);
  });

  contract("an update needs the revision that it is based on", {}, async (store) => {
    const [first] = await store.write([create("a")]);
    const update: Write = { type: "update", key: key("a"), object: pod("a"), expectedRevision: first!.revision };
    const [second] = await store.write([update]);
    assert.equal(second!.createRevision, first!.revision);
    await assert.rejects(store.write([update]), code("conflict"));
    await assert.rejects(store.write([{ ...update, key: key("b") }]), code("notFound"));
    await assert.rejects(store.write([create("a")]), code("exists"));
    await assert.rejects(store.write([{ type: "delete", key: key("a"), expectedRevision: 1 }]), code("conflict"));
  });

  contract("a write is checked against writes still on their way, and read only when it is done", {}, async (store) => {
    const writing = store.write([create("a")]);
    assert.equal(store.get(key("a")), undefined);
    const latest = store.latest(key("a"))!;
    const second = store.write([
      { type: "update", key: key("a"), object: pod("a", { spec: 1 }), expectedRevision: latest.revision },
    ]);
    await assert.rejects(store.write([create("a")]), code("exists"));
    await Promise.all([writing, second]);
    assert.equal(store.get(key("a")), store.latest(key("a")));
    assert.equal((store.get(key("a"))!.object as { spec?: number }).spec, 1);
  });

  contract("a transaction happens completely or not at all", {}, async (store) => {
    await store.write([create("a")]);
    await assert.rejects(store.write([create("b"), create("a")]), code("exists"));
    assert.equal(store.latest(key("b")), undefined);
    const [b, c] = await store.write([create("b"), create("c")]);
    assert.equal(c!.revision, b!.revision + 1);
    const again = await store.write([
      { type: "delete", key: key("c"), expectedRevision: c!.revision },
      { type: "create", key: key("c"), object: pod("c") },
    ]);
    assert.equal(again.length, 2);
    assert.equal(store.get(key("c"))!.createRevision, again[1]!.revision);
  });

  contract("listings are sorted by namespace, then name, and never change", {}, async (store) => {
    await store.write([create("b", "a-b"), create("c", "a"), create("b", "a"), create("z", "0")]);
    const before = store.list("/pods");
    assert.deepEqual(names(before.entries), ["0/z", "a/b", "a/c", "a-b/b"]);
    assert.deepEqual(names(store.list("/pods", "a").entries), ["a/b", "a/c"]);
    await store.write([create("bb", "a")]);
    assert.deepEqual(names(before.entries), ["0/z", "a/b", "a/c", "a-b/b"]);
    assert.deepEqual(names(store.list("/pods").entries), ["0/z", "a/b", "a/bb", "a/c", "a-b/b"]);
    assert.deepEqual(store.list("/nothing").entries, []);
  });

  contract("a delete shows the last version, under the deleting revision", {}, async (store) => {
    const [a, b] = await store.write([create("a"), create("b")]);
    const [gone] = await store.write([{ type: "delete", key: key("a"), expectedRevision: a!.revision }]);
    assert.equal(gone!.object.metadata.resourceVersion, String(store.revision));
    assert.equal(store.get(key("a")), undefined);
    const last = pod("b", { status: "last" });
    const [shown] = await store.write([{ type: "delete", key: key("b"), expectedRevision: b!.revision, object: last }]);
    assert.equal((shown!.object as { status?: string }).status, "last");
    assert.equal(shown!.object.metadata.resourceVersion, String(shown!.revision));
    assert.deepEqual(store.collections(), []);
  });

  contract("a watch delivers the past first, then what happens, in order", {}, async (store) => {
    const [a] = await store.write([create("a")]);
    await store.write([create("x", "other"), { ...create("s"), key: key("s", "default", "/secrets") }]);
    const all: string[] = [];
    const mine: string[] = [];
    store.watch({ collection: "/pods", after: a!.revision }, (events) => all.push(...seen(events)));
    store.watch({ collection: "/pods", namespace: "default", after: a!.revision - 1 }, (e) => mine.push(...seen(e)));
    assert.deepEqual(all, [`ADDED x ${a!.revision + 1}`]);
    assert.deepEqual(mine, [`ADDED a ${a!.revision}`]);
    const [a2] = await store.write([
      { type: "update", key: key("a"), object: pod("a"), expectedRevision: a!.revision },
      create("b"),
    ]);
    await store.write([{ type: "delete", key: key("a"), expectedRevision: a2!.revision }]);
    const live = [`MODIFIED a ${a2!.revision}`, `ADDED b ${a2!.revision + 1}`, `DELETED a ${a2!.revision + 2}`];
    assert.deepEqual(all.slice(1), live);
    assert.deepEqual(mine.slice(1), live);
  });

  contract(
    "nothing is delivered after a subscription was closed, nor twice to one made by a listener",
    {},
    async (s) => {
      const inner: string[] = [];
      let calls = 0;
      const outer = s.watch({ collection: "/pods", after: s.revision }, () => {
        calls++;
        if (calls === 1) s.watch({ collection: "/pods", after: s.revision - 1 }, (e) => inner.push(...seen(e)));
      });
      const [a] = await s.write([create("a")]);
      outer.close();
      await s.write([create("b")]);
      assert.equal(calls, 1);
      assert.deepEqual(inner, [`ADDED a ${a!.revision}`, `ADDED b ${a!.revision + 1}`]);
    },
  );

  contract("events carry the version before", {}, async (store) => {
    const [a] = await store.write([create("a")]);
    const events: StoreEvent[] = [];
    store.watch({ collection: "/pods", after: a!.revision - 1 }, (e) => events.push(...e));
    await store.write([{ type: "delete", key: key("a"), expectedRevision: a!.revision }]);
    assert.equal(events[0]!.previous, undefined);
    assert.equal(events[1]!.previous, a);
  });

  contract(
    "history is a window: older revisions are compacted, newer ones are the future",
    { historyEvents: 3 },
    async (s) => {
      for (const name of ["a", "b", "c", "d", "e"]) await s.write([create(name)]);
      assert.equal(s.stats().historyEvents, 3);
      const oldest = s.revision - 3;
      assert.equal(s.compactedRevision, oldest - 1);
      const events: string[] = [];
      s.watch({ collection: "/pods", after: oldest }, (e) => events.push(...seen(e)));
      assert.equal(events.length, 3);
      const none = () => assert.fail("no event expected");
      assert.throws(() => s.watch({ collection: "/pods", after: oldest - 1 }, none), code("compacted"));
      assert.throws(() => s.listAt("/pods", undefined, oldest - 1), code("compacted"));
      assert.throws(() => s.watch({ collection: "/pods", after: s.revision + 1 }, none), code("future"));
    },
  );

  contract("a listing can be had as it was", {}, async (store) => {
    const [a] = await store.write([create("a"), create("c"), create("x", "other")]);
    const then = store.revision;
    const before = store.list("/pods");
    await store.write([create("b")]);
    await store.write([{ type: "delete", key: key("a"), expectedRevision: a!.revision }]);
    const old = store.listAt("/pods", undefined, then);
    assert.deepEqual(old, before);
    assert.deepEqual(names(store.listAt("/pods", "default", then + 1).entries), [
      "default/a",
      "default/b",
      "default/c",
    ]);
  });

  contract("volatile writes are seen and watched like any other", {}, async (store) => {
    const [a] = await store.write([create("a")]);
    const events: string[] = [];
    store.watch({ collection: "/pods", after: a!.revision }, (e) => events.push(...seen(e)));
    let { revision } = a!;
    for (let i = 0; i < 3; i++) {
      const [entry] = await store.write([
        { type: "update", key: key("a"), object: pod("a", { spec: i }), expectedRevision: revision, volatile: true },
      ]);
      ({ revision } = entry!);
    }
    assert.equal(events.length, 3);
    assert.equal((store.get(key("a"))!.object as { spec?: number }).spec, 2);
  });

  contract("one can wait for a revision, or give up", {}, async (store) => {
    const waiting = store.waitFor(store.revision + 2);
    const abort = new AbortController();
    const givenUp = store.waitFor(store.revision + 3, abort.signal);
    await store.write([create("a"), create("b")]);
    await waiting;
    abort.abort(new Error("enough"));
    await assert.rejects(givenUp, /enough/);
  });

  contract("what latest showed is visible once the store has settled", {}, async (store) => {
    await store.settled();
    const writing = store.write([create("a")]);
    const latest = store.latest(key("a"));
    assert.ok(latest && store.get(key("a")) === undefined);
    await store.settled();
    assert.equal(store.get(key("a")), latest);
    await writing;
  });

  contract("a closed store refuses, after finishing what it was given", {}, async (store) => {
    const writing = store.write([create("a")]);
    const waiting = store.waitFor(store.revision + 100);
    const refused = assert.rejects(waiting, code("closed"));
    await store.close();
    assert.equal((await writing).length, 1);
    await refused;
    await assert.rejects(store.write([create("b")]), code("closed"));
  });
}
