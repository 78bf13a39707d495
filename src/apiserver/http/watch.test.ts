import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Pod } from "../../kinds/index.ts";
import { realClock } from "../../machinery/clock.ts";
import type { StoreEvent } from "../../store/store.ts";
import { entryOf } from "../core/entries.ts";
import type { Api, RequestContext } from "../types.ts";
import type { BodySink } from "./exchange.ts";
import { watchResponse } from "./watch.ts";

function eventOf(revision: number): StoreEvent {
  const creationTimestamp = "2026-01-01T00:00:00Z";
  const metadata = {
    name: "web",
    namespace: "default",
    uid: "u",
    creationTimestamp,
    resourceVersion: String(revision),
  };
  const key = { collection: "/pods", namespace: "default", name: "web" };
  return { type: "MODIFIED", revision, entry: entryOf(key, { apiVersion: "v1", kind: "Pod", metadata }, revision, 1) };
}

function watcher(drained = () => Promise.resolve()) {
  let watching!: Parameters<Api["watch"]>[3];
  const { body } = watchResponse({
    api: { watch: (_context, _kind, _parameters, sink) => ((watching = sink), { close() {} }) } as Partial<Api> as Api,
    context: { user: { name: "u", groups: [] }, userAgent: "", trusted: true, warnings: [] } satisfies RequestContext,
    kind: Pod,
    parameters: { namespace: "" },
    encoding: { representation: { as: "object" }, include: "Metadata", pretty: false, now: 0 },
    clock: realClock,
    timeoutSeconds: 60,
    currentRevision: () => 0,
    onClosing: () => () => {},
  });
  const lines: string[] = [];
  const state = { isTaken: true, isEnded: false, isCutOff: false };
  const seen = () => lines.flatMap((text) => text.trim().split("\n")).map((line) => JSON.parse(line));
  const sink: BodySink = {
    write: (chunk) => lines.push(Buffer.from(chunk).toString()) > 0 && state.isTaken,
    drained,
    bufferedBytes: 0,
    end: () => void (state.isEnded = true),
    abort: () => void (state.isCutOff = true),
    signal: new AbortController().signal,
  };
  void (body as (sink: BodySink) => void)(sink);
  return { watching, seen, state };
}

test("a change reaches a crowd in several turns, and everybody in order", async () => {
  const watchers = Array.from({ length: 1000 }, () => watcher());
  const told = () => watchers.filter(({ seen }) => seen().length > 0).length;
  const tell = (revision: number) => {
    for (const { watching } of watchers) watching.onEvents([eventOf(revision)]);
  };
  await setImmediate();
  tell(5);
  assert.ok(told() > 0 && told() < 1000, `${told()} were told in the first turn`);
  tell(6);
  await setImmediate();
  tell(7);
  watchers[999]!.watching.onEnd();
  for (let turn = 0; turn < 20; turn++) await setImmediate();
  for (const { seen } of watchers) {
    assert.deepEqual(
      seen().map(({ object }) => object.metadata.resourceVersion),
      ["5", "6", "7"],
    );
  }
  assert.ok(watchers[999]!.state.isEnded, "whoever ends gets everything before");
});

test("who cannot keep up gets the rest when it can, and is cut off when it is too far behind", async () => {
  const client = Promise.withResolvers<void>();
  const { watching, seen, state } = watcher(() => client.promise);
  state.isTaken = false;
  watching.onEvents([eventOf(1)]);
  watching.onEvents(Array.from({ length: 9000 }, (_, i) => eventOf(2 + i)));
  await setImmediate();
  assert.equal(seen().length, 1);
  state.isTaken = true;
  client.resolve();
  for (let turn = 0; turn < 200 && seen().length < 9001; turn++) await setImmediate();
  assert.deepEqual(
    seen().map(({ object }) => Number(object.metadata.resourceVersion)),
    Array.from({ length: 9001 }, (_, i) => i + 1),
  );
  assert.ok(!state.isCutOff);
  watching.onEvents(Array.from({ length: 10_001 }, (_, i) => eventOf(9002 + i)));
  assert.ok(state.isCutOff);
});
