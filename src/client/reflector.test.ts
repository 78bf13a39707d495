// The reflector: its states, and a run over a server that drops and forgets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { defineKind } from "../kinds/kind.ts";
import type { Clock } from "../machinery/clock.ts";
import { expired } from "../machinery/errors.ts";
import { silentLogger } from "../machinery/log.ts";
import type { KubeObject } from "../machinery/object.ts";
import type { Client, WatchEvent } from "./client.ts";
import { IndexedCache } from "./indexed-cache.ts";
import { initialState, nextState, runReflector, type ReflectorState } from "./reflector.ts";

const watching: ReflectorState = { name: "watching", revision: "5", failures: 0 };

test("a listing leads to a watch from its revision", () => {
  assert.deepEqual(nextState(initialState, { type: "listed", revision: "9" }), {
    name: "watching",
    revision: "9",
    failures: 0,
  });
});

test("an expired revision leads to a new listing at once, and to a pause when it happens again", () => {
  const first = nextState(watching, { type: "failed", error: expired("too old"), revision: "6", livedMs: 0 });
  assert.deepEqual(first, { name: "listing", failures: 1 });
  const again = nextState({ ...watching, failures: 1 }, { type: "failed", error: expired("too old"), revision: "6" });
  assert.deepEqual(again, { name: "waiting", ms: 200, then: { name: "listing", failures: 2 } });
});

test("a broken watch goes on from the last revision after a pause that grows up to half a minute", () => {
  const broken = nextState(watching, { type: "failed", error: new Error("reset"), revision: "7", livedMs: 1 });
  assert.deepEqual(broken, { name: "waiting", ms: 100, then: { name: "watching", revision: "7", failures: 1 } });
  const late = nextState({ ...watching, failures: 30 }, { type: "failed", error: new Error("reset"), livedMs: 1 });
  assert.equal(late.name === "waiting" && late.ms, 30_000);
});

test("a watch that stood long and ended goes on without a pause", () => {
  const next = nextState({ ...watching, failures: 3 }, { type: "watchEnded", revision: "8", livedMs: 60_000 });
  assert.deepEqual(next, { name: "watching", revision: "8", failures: 0 });
});

test("the cache follows a server whose watches break and expire", async () => {
  const kind = defineKind<KubeObject>("v1", "Thing");
  const thing = (name: string, revision: number): KubeObject => ({
    apiVersion: "v1",
    kind: "Thing",
    metadata: { name, uid: name, resourceVersion: String(revision), creationTimestamp: "" },
  });
  const listings = [[thing("a", 1)], [thing("b", 4)]];
  const watches: (readonly (WatchEvent | Error)[])[] = [
    [{ type: "ADDED", object: thing("b", 2) }, new Error("reset")],
    [{ type: "DELETED", object: thing("a", 3) }, expired("too old")],
    [{ type: "ADDED", object: thing("c", 5) }],
  ];
  const asked: string[] = [];
  const stop = new AbortController();
  const client = {
    async list() {
      const items = listings.shift()!;
      asked.push("list");
      return {
        apiVersion: "v1",
        kind: "ThingList",
        metadata: { resourceVersion: items[0]!.metadata.resourceVersion },
        items,
      };
    },
    async *watch(_kind: unknown, { resourceVersion }: { resourceVersion?: string }) {
      asked.push(`watch ${resourceVersion}`);
      for (const event of watches.shift() ?? []) {
        if (event instanceof Error) throw event;
        yield event;
      }
      if (watches.length === 0) stop.abort();
    },
  } as unknown as Pick<Client, "list" | "watch">;
  const clock: Clock = {
    now: () => 0,
    after(_ms, callback) {
      queueMicrotask(callback);
      return () => {};
    },
  };
  const cache = new IndexedCache(kind);
  await runReflector({ client, cache, clock, log: silentLogger, signal: stop.signal });
  await cache.synced;
  assert.deepEqual(asked, ["list", "watch 1", "watch 2", "list", "watch 4"]);
  assert.deepEqual(
    cache.list().map(({ metadata }) => metadata.name),
    ["b", "c"],
  );
});
