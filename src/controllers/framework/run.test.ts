// The shell: plans are performed once, own writes are waited for, errors follow one policy.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../../client/client.ts";
import { IndexedCache } from "../../client/indexed-cache.ts";
import { defineKind } from "../../kinds/kind.ts";
import { realClock } from "../../machinery/clock.ts";
import { forbidden, staleResourceVersion } from "../../machinery/errors.ts";
import { silentLogger } from "../../machinery/log.ts";
import { keyOf, type KubeObject } from "../../machinery/object.ts";
import { meta } from "../testing.ts";
import { defineController, type Plan } from "./controller.ts";
import { runController } from "./run.ts";

const Parent = defineKind<KubeObject>("v1", "Parent");
const Child = defineKind<KubeObject>("v1", "Child", { plural: "children" });
const parent: KubeObject = { apiVersion: "v1", kind: "Parent", metadata: meta("p") };

/** A client whose caches show writes only when `show` is called; `refuse` makes creations fail. */
function lateClient() {
  const caches = new Map([Parent, Child].map((kind) => [kind, new IndexedCache(kind)]));
  for (const cache of caches.values()) cache.markSynced();
  const hidden: KubeObject[] = [];
  const state = { created: 0, refuse: undefined as Error | undefined };
  const client = {
    cache: (kind: typeof Child) => caches.get(kind),
    async create(kind: typeof Child, object: KubeObject) {
      if (kind !== Child) return object;
      if (state.refuse) throw state.refuse;
      const made = {
        ...object,
        metadata: meta(`c${++state.created}`, { resourceVersion: String(100 + state.created) }),
      };
      hidden.push(made);
      return made;
    },
  } as unknown as Client;
  const show = () => {
    for (const object of hidden.splice(0)) caches.get(Child)!.apply({ type: "ADDED", object });
  };
  return { client, caches, state, show };
}

/** Wants three children. */
const threeChildren = defineController<{ children: number }>({
  name: "three-children",
  primary: Parent,
  watches: [{ kind: Child, keys: () => [keyOf(parent)] }],
  observe: (_key, caches) => ({ children: caches.of(Child).list().length }),
  decide({ children }): Plan {
    const object = { apiVersion: "v1", kind: "Child", metadata: {} };
    const create = { type: "create", kind: Child, object } as const;
    return { actions: Array.from({ length: 3 - children }, () => create) };
  },
});

/** Everything that needs no timer happens within a few turns of the event loop. */
const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function start() {
  const late = lateClient();
  const stop = new AbortController();
  const queue = await runController(threeChildren, {
    client: late.client,
    clock: realClock,
    log: silentLogger,
    signal: stop.signal,
  });
  return { ...late, queue, stop };
}

test("nothing is decided again before the cache shows what was written", async () => {
  const { caches, state, show, queue, stop } = await start();
  caches.get(Parent)!.apply({ type: "ADDED", object: parent });
  await settle();
  assert.equal(state.created, 3);
  queue.add(keyOf(parent));
  await settle();
  assert.equal(state.created, 3);
  show();
  await settle();
  assert.equal(state.created, 3);
  assert.equal(queue.idle, true);
  stop.abort();
});

for (const [what, error] of [
  ["a conflict", staleResourceVersion({ group: "", resource: "children" }, "c")],
  ["a refusal", forbidden({ group: "", resource: "children" }, "c", "no PriorityClass with name high was found")],
] as const) {
  test(`${what} is tried again soon`, async () => {
    const { caches, state, queue, stop } = await start();
    state.refuse = error;
    caches.get(Parent)!.apply({ type: "ADDED", object: parent });
    await settle();
    assert.equal(queue.depth, 1);
    state.refuse = undefined;
    await pause(200);
    assert.equal(state.created, 3);
    stop.abort();
  });
}
