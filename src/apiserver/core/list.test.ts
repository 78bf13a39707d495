import { test } from "node:test";
import assert from "node:assert/strict";
import { ConfigMap, Pod } from "../../kinds/index.ts";
import { KindRegistry } from "../../kinds/registry.ts";
import { isReason } from "../../machinery/errors.ts";
import { realClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import { openMemoryStore } from "../../store/memory.ts";
import { bootstrap } from "../rbac/bootstrap.ts";
import { asAdmin, testApi } from "../testing.ts";
import { createApi } from "./api.ts";

// oxlint-disable-next-line typescript/no-explicit-any
const draft = (object: object): any => structuredClone(object);
const none = { onEvents() {}, onEnd() {} };

async function filled() {
  const made = await testApi();
  for (const name of ["a", "b", "c"]) {
    await made.api.create(asAdmin(), ConfigMap, "default", draft({ metadata: { name, labels: { is: name } } }), {});
  }
  const list = (over: object) => made.api.list(asAdmin(), ConfigMap, { namespace: "default", ...over });
  const names = (over: object) => list(over).entries.map(({ key }) => key.name);
  return { ...made, list, names };
}

test("selectors choose by labels and fields", async () => {
  const { names, list } = await filled();
  assert.deepEqual(names({ labelSelector: "is in (a,c)" }), ["a", "c"]);
  assert.deepEqual(names({ labelSelector: "is!=a", fieldSelector: "metadata.name!=kube-root-ca.crt" }), ["b", "c"]);
  assert.deepEqual(names({ fieldSelector: "metadata.name=b" }), ["b"]);
  assert.deepEqual(names({ fieldSelector: "metadata.name=nobody" }), []);
  assert.throws(() => list({ fieldSelector: "spec.x=1" }), /field label not supported: spec.x/);
  assert.throws(
    () => list({ labelSelector: "a==b==c" }),
    (e) => isReason(e, "BadRequest"),
  );
});

test("an exact list shows the past, and the future times out", async () => {
  const { list, names, store, api } = await filled();
  const { revision } = list({});
  await api.delete(asAdmin(), ConfigMap, { namespace: "default", name: "a" }, {});
  const exact = { resourceVersion: String(revision), resourceVersionMatch: "Exact" };
  assert.ok(names(exact).includes("a"));
  assert.ok(!names({ resourceVersion: String(revision) }).includes("a"));
  const future = String(store.revision + 100);
  assert.throws(
    () => list({ resourceVersion: future }),
    (e) => isReason(e, "Timeout"),
  );
  assert.throws(
    () => api.watch(asAdmin(), ConfigMap, { namespace: "", resourceVersion: future }, none),
    (e) => isReason(e, "Timeout"),
  );
});

test("bad list options are refused by name", async () => {
  const { list } = await filled();
  assert.throws(
    () => list({ resourceVersionMatch: "Exact" }),
    (e) => isReason(e, "Invalid"),
  );
  assert.throws(
    () => list({ resourceVersionMatch: "Newest", resourceVersion: "1" }),
    (e) => isReason(e, "Invalid"),
  );
  assert.throws(
    () => list({ continue: "nonsense" }),
    (e) => isReason(e, "BadRequest"),
  );
  assert.throws(
    () => list({ resourceVersion: "x" }),
    (e) => isReason(e, "BadRequest"),
  );
});

test("a continue token of a forgotten snapshot is Expired and carries another that goes on", async () => {
  const clock = realClock;
  const store = await openMemoryStore({ clock, historyEvents: 4 });
  const kinds = new KindRegistry([ConfigMap, Pod]);
  const options = { store, clock, rootCaPem: "x", serviceCidr: "10.96.0.0/16" };
  const api = createApi({ ...options, kinds, log: silentLogger, clusterDomain: "cluster.local" });
  await bootstrap(options);
  const create = (name: string) => api.create(asAdmin(), ConfigMap, "default", draft({ metadata: { name } }), {});
  for (const name of ["a", "b", "c"]) await create(name);
  const first = api.list(asAdmin(), ConfigMap, { namespace: "default", limit: 1 });
  for (let i = 0; i < 50; i++) await create(`later-${i}`);
  const go = (token: string) => api.list(asAdmin(), ConfigMap, { namespace: "default", limit: 2, continue: token });
  let next = "";
  assert.throws(
    () => go(first.continue!),
    (error) => {
      assert.ok(isReason(error, "Expired"));
      next = (error.status.metadata as { continue?: string }).continue!;
      return true;
    },
  );
  assert.deepEqual(
    go(next).entries.map(({ key }) => key.name),
    ["b", "c"],
  );
  const old = String(first.revision);
  assert.throws(
    () => api.watch(asAdmin(), ConfigMap, { namespace: "", resourceVersion: old }, none),
    (e) => isReason(e, "Expired"),
  );
});

test("a watch from revision N gets what came after it, one with initial events what is there", async () => {
  const { api, list } = await filled();
  const { revision } = list({});
  await api.delete(asAdmin(), ConfigMap, { namespace: "default", name: "a" }, {});
  const run = (over: object) => {
    const seen: string[] = [];
    const sink = {
      onEvents: (events: readonly { type: string; entry: { key: { name: string } } }[]) => {
        for (const { type, entry } of events) seen.push(`${type} ${entry.key.name}`);
      },
      onInitialEnd: () => void seen.push("end"),
      onEnd: () => {},
    };
    api.watch(asAdmin(), ConfigMap, { namespace: "default", labelSelector: "is", ...over }, sink).close();
    return seen;
  };
  assert.deepEqual(run({ resourceVersion: String(revision) }), ["DELETED a"]);
  assert.deepEqual(run({}), ["ADDED b", "ADDED c"]);
  assert.deepEqual(run({ resourceVersion: "0" }), ["ADDED b", "ADDED c"]);
  assert.deepEqual(run({ sendInitialEvents: true }), ["ADDED b", "ADDED c", "end"]);
  assert.deepEqual(run({ sendInitialEvents: false }), []);
});
