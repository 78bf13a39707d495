import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigMap, Deployment, Lease, Namespace, Pod, Service } from "../../kinds/index.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { isReason } from "../../machinery/errors.ts";
import { realClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import { openSqliteStore } from "../../store/sqlite.ts";
import { asAdmin, testApi } from "../testing.ts";

// oxlint-disable-next-line typescript/no-explicit-any
const draft = (object: object): any => structuredClone(object);
const configMap = (name: string, data: Record<string, string> = {}) =>
  draft({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data });
const none = {};

test("a created object is read back with its system metadata", async () => {
  const { api } = await testApi();
  const entry = await api.create(asAdmin(), ConfigMap, "default", configMap("a", { x: "1" }), none);
  const { metadata } = entry.object;
  assert.match(metadata.uid, /^[0-9a-f-]{36}$/);
  assert.equal(metadata.resourceVersion, String(entry.revision));
  assert.equal(metadata.namespace, "default");
  assert.deepEqual(api.get(asAdmin(), ConfigMap, { namespace: "default", name: "a" }).object, entry.object);
});

test("creating twice is AlreadyExists, in a missing namespace NotFound", async () => {
  const { api } = await testApi();
  await api.create(asAdmin(), ConfigMap, "default", configMap("a"), none);
  await assert.rejects(api.create(asAdmin(), ConfigMap, "default", configMap("a"), none), (e) =>
    isReason(e, "AlreadyExists"),
  );
  await assert.rejects(api.create(asAdmin(), ConfigMap, "nowhere", configMap("a"), none), (e) =>
    isReason(e, "NotFound"),
  );
});

test("a new namespace has its default ServiceAccount and CA in the same commit", async () => {
  const { api, store } = await testApi();
  const before = store.revision;
  await api.create(asAdmin(), Namespace, "", draft({ metadata: { name: "fresh" } }), none);
  assert.equal(store.revision, before + 3);
  assert.ok(store.get({ collection: "/serviceaccounts", namespace: "fresh", name: "default" }));
  assert.ok(store.get({ collection: "/configmaps", namespace: "fresh", name: "kube-root-ca.crt" }));
});

test("an update with an old resourceVersion is a Conflict and without a change no write", async () => {
  const { api, store } = await testApi();
  const created = await api.create(asAdmin(), ConfigMap, "default", configMap("a", { x: "1" }), none);
  const target = { namespace: "default", name: "a" };
  const object = structuredClone(created.object) as KubeObject & { data: Record<string, string> };
  object.data.x = "2";
  const { entry } = await api.update(asAdmin(), ConfigMap, target, structuredClone(object), none);
  assert.notEqual(entry.revision, created.revision);
  await assert.rejects(api.update(asAdmin(), ConfigMap, target, object, none), (e) => isReason(e, "Conflict"));
  const { revision } = store;
  const same = await api.update(asAdmin(), ConfigMap, target, structuredClone(entry.object), none);
  assert.equal(same.entry.revision, entry.revision);
  assert.equal(store.revision, revision);
});

test("who is refused for a write that is on its way sees it at the next read", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "knarr-api-"));
  t.after(() => rmSync(folder, { recursive: true }));
  await using store = await openSqliteStore({ file: join(folder, "state.db"), clock: realClock, log: silentLogger });
  const { api } = await testApi({ store });
  const target = { namespace: "default", name: "a" };
  const seen = () => (api.get(asAdmin(), ConfigMap, target).object as KubeObject & { data: unknown }).data;
  const creation = api.create(asAdmin(), ConfigMap, "default", configMap("a", { x: "1" }), none);
  const again = api.create(asAdmin(), ConfigMap, "default", configMap("a"), none);
  await assert.rejects(again, (e) => isReason(e, "AlreadyExists"));
  assert.deepEqual(seen(), { x: "1" });
  const { object } = await creation;
  const changed = () => ({ ...structuredClone(object), data: { x: "2" } });
  const update = api.update(asAdmin(), ConfigMap, target, changed(), none);
  await assert.rejects(api.update(asAdmin(), ConfigMap, target, changed(), none), (e) => isReason(e, "Conflict"));
  assert.deepEqual(seen(), { x: "2" });
  await update;
  const patch = () => api.patch(asAdmin(), ConfigMap, target, "merge", { data: { x: "3" } }, none);
  const third = patch();
  await patch();
  assert.deepEqual(seen(), { x: "3" });
  await third;
  const removal = api.delete(asAdmin(), ConfigMap, target, none);
  await assert.rejects(api.delete(asAdmin(), ConfigMap, target, none), (e) => isReason(e, "NotFound"));
  assert.throws(seen, (e) => isReason(e, "NotFound"));
  await removal;
});

test("merge, JSON and strategic patches change the latest version", async () => {
  const { api } = await testApi();
  await api.create(asAdmin(), ConfigMap, "default", configMap("a", { x: "1" }), none);
  const target = { namespace: "default", name: "a" };
  await api.patch(asAdmin(), ConfigMap, target, "merge", { data: { y: "2" } }, none);
  await api.patch(asAdmin(), ConfigMap, target, "json", [{ op: "remove", path: "/data/x" }], none);
  const { entry } = await api.patch(asAdmin(), ConfigMap, target, "strategic", { data: { z: "3" } }, none);
  assert.deepEqual((entry.object as KubeObject & { data: object }).data, { y: "2", z: "3" });
});

test("pages of a list show one snapshot", async () => {
  const { api } = await testApi();
  for (const name of ["a", "b", "c", "d", "e"])
    await api.create(asAdmin(), ConfigMap, "default", configMap(name), none);
  const first = api.list(asAdmin(), ConfigMap, { namespace: "default", limit: 2 });
  assert.deepEqual(
    first.entries.map((entry) => entry.key.name),
    ["a", "b"],
  );
  assert.equal(first.remainingItemCount, 4);
  await api.delete(asAdmin(), ConfigMap, { namespace: "default", name: "c" }, {});
  const rest = api.list(asAdmin(), ConfigMap, { namespace: "default", limit: 10, continue: first.continue! });
  assert.deepEqual(
    rest.entries.map((entry) => entry.key.name),
    ["c", "d", "e", "kube-root-ca.crt"],
  );
});

test("a watcher with a selector sees objects enter and leave it", async () => {
  const { api } = await testApi();
  const seen: string[] = [];
  const sink = {
    onEvents: (events: readonly { type: string; entry: { key: { name: string } } }[]) => {
      for (const event of events) seen.push(`${event.type} ${event.entry.key.name}`);
    },
    onEnd: () => {},
  };
  api.watch(asAdmin(), ConfigMap, { namespace: "default", labelSelector: "app=x" }, sink);
  const target = { namespace: "default", name: "a" };
  await api.create(asAdmin(), ConfigMap, "default", configMap("a"), none);
  await api.patch(asAdmin(), ConfigMap, target, "merge", { metadata: { labels: { app: "x" } } }, none);
  await api.patch(asAdmin(), ConfigMap, target, "merge", { data: { k: "v" } }, none);
  await api.patch(asAdmin(), ConfigMap, target, "merge", { metadata: { labels: null } }, none);
  assert.deepEqual(seen, ["ADDED a", "MODIFIED a", "DELETED a"]);
});

test("an object with a finalizer goes when the last finalizer goes", async () => {
  const { api } = await testApi();
  const target = { namespace: "default", name: "a" };
  const object = configMap("a");
  object.metadata.finalizers = ["example.com/wait"];
  await api.create(asAdmin(), ConfigMap, "default", object, none);
  const { deleted, entry } = await api.delete(asAdmin(), ConfigMap, target, {});
  assert.equal(deleted, false);
  assert.ok(entry.object.metadata.deletionTimestamp);
  await api.patch(asAdmin(), ConfigMap, target, "merge", { metadata: { finalizers: null } }, none);
  assert.throws(
    () => api.get(asAdmin(), ConfigMap, target),
    (e) => isReason(e, "NotFound"),
  );
});

test("a pod on a node is deleted with grace, then for good by the kubelet", async () => {
  const { api } = await testApi();
  const target = { namespace: "default", name: "p" };
  const pod = draft({ metadata: { name: "p" }, spec: { containers: [{ name: "c", image: "i" }] } });
  await api.create(asAdmin(), Pod, "default", pod, none);
  const binding = { apiVersion: "v1", kind: "Binding", metadata: { name: "p" }, target: { kind: "Node", name: "n1" } };
  await api.special(asAdmin(), Pod, target, "binding", "POST", binding, { parameters: none });
  assert.equal((api.get(asAdmin(), Pod, target).object as Pod).spec?.nodeName, "n1");
  await assert.rejects(api.special(asAdmin(), Pod, target, "binding", "POST", binding, { parameters: none }), (e) =>
    isReason(e, "Conflict"),
  );
  const first = await api.delete(asAdmin(), Pod, target, {});
  assert.equal(first.deleted, false);
  assert.equal(first.entry.object.metadata.deletionGracePeriodSeconds, 30);
  const last = await api.delete(asAdmin(), Pod, target, { gracePeriodSeconds: 0 });
  assert.equal(last.deleted, true);
});

test("services get addresses and node ports that nobody else has", async () => {
  const { api } = await testApi();
  const service = (name: string) => draft({ metadata: { name }, spec: { type: "NodePort", ports: [{ port: 80 }] } });
  const made = await Promise.all(
    ["a", "b", "c"].map((name) => api.create(asAdmin(), Service, "default", service(name), none)),
  );
  const specs = made.map((entry) => (entry.object as Service).spec!);
  assert.equal(new Set(specs.map((spec) => spec.clusterIP)).size, 3);
  assert.equal(new Set(specs.map((spec) => spec.ports![0]!.nodePort)).size, 3);
});

test("apply creates, owns its fields, and conflicts with another manager unless forced", async () => {
  const { api } = await testApi();
  const target = { namespace: "default", name: "a" };
  const applied = (x: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data: { x } });
  const one = { fieldManager: "one" };
  const first = await api.patch(asAdmin(), ConfigMap, target, "apply", applied("1"), one);
  assert.equal(first.created, true);
  assert.deepEqual(
    first.entry.object.metadata.managedFields?.map(({ manager, operation }) => `${manager} ${operation}`),
    ["one Apply"],
  );
  const again = await api.patch(asAdmin(), ConfigMap, target, "apply", applied("1"), one);
  assert.equal(again.entry.revision, first.entry.revision);
  const two = { fieldManager: "two" };
  await assert.rejects(api.patch(asAdmin(), ConfigMap, target, "apply", applied("2"), two), (e) =>
    isReason(e, "Conflict"),
  );
  const forced = await api.patch(asAdmin(), ConfigMap, target, "apply", applied("2"), { ...two, force: true });
  assert.deepEqual((forced.entry.object as KubeObject & { data: object }).data, { x: "2" });
});

test("the main resource keeps status, the status subresource keeps spec, and only spec raises the generation", async () => {
  const { api } = await testApi();
  const target = { namespace: "default", name: "d" };
  const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i" }] } };
  const spec = { replicas: 1, selector: { matchLabels: { a: "b" } }, template };
  await api.create(
    asAdmin(),
    Deployment,
    "default",
    draft({ metadata: { name: "d" }, spec, status: { replicas: 9 } }),
    none,
  );
  const patch = async (value: object, subresource = "") =>
    (await api.patch(asAdmin(), Deployment, target, "merge", value, { subresource })).entry.object as Deployment;
  const viaStatus = await patch({ spec: { replicas: 5 }, status: { replicas: 2 } }, "status");
  assert.deepEqual([viaStatus.spec?.replicas, viaStatus.status?.replicas, viaStatus.metadata?.generation], [1, 2, 1]);
  const viaMain = await patch({ spec: { replicas: 5 }, status: { replicas: 7 } });
  assert.deepEqual([viaMain.spec?.replicas, viaMain.status?.replicas, viaMain.metadata?.generation], [5, 2, 2]);
});

test("a dry run answers like the real thing and changes nothing", async () => {
  const { api, store } = await testApi();
  const { revision } = store;
  const dryRun = { dryRun: true };
  const entry = await api.create(
    asAdmin(),
    Service,
    "default",
    draft({ metadata: { name: "s" }, spec: { ports: [{ port: 80 }] } }),
    dryRun,
  );
  assert.match((entry.object as Service).spec!.clusterIP!, /^10\.96\./);
  await api.create(asAdmin(), Namespace, "", draft({ metadata: { name: "n" } }), dryRun);
  await api.delete(asAdmin(), ConfigMap, { namespace: "default", name: "kube-root-ca.crt" }, dryRun);
  assert.equal(store.revision, revision);
});

test("fields that the kind does not have are an error, a warning or nothing, as asked", async () => {
  const { api } = await testApi();
  const create = async (name: string, fieldValidation: "Strict" | "Warn" | "Ignore") => {
    const admin = asAdmin();
    await api.create(admin, ConfigMap, "default", draft({ metadata: { name }, dta: {} }), { fieldValidation });
    return admin.warnings;
  };
  await assert.rejects(create("a", "Strict"), /strict decoding error: unknown field "dta"/);
  assert.deepEqual(await create("b", "Warn"), ['unknown field "dta"']);
  assert.deepEqual(await create("c", "Ignore"), []);
});

test("a lease that is only renewed is visible at once and costs no durable write", async () => {
  const { api, store } = await testApi();
  const target = { namespace: "kube-node-lease", name: "n" };
  const lease = (renewTime: string, holderIdentity = "n") =>
    draft({ metadata: { name: "n" }, spec: { holderIdentity, leaseDurationSeconds: 40, renewTime } });
  await api.create(asAdmin(), Lease, "kube-node-lease", lease("2026-01-01T00:00:00.000000Z"), none);
  const written: unknown[] = [];
  const write = store.write.bind(store);
  store.write = (writes) => {
    written.push(writes[0]);
    return write(writes);
  };
  await api.patch(asAdmin(), Lease, target, "merge", { spec: { renewTime: "2026-01-01T00:00:10.000000Z" } }, none);
  await api.patch(asAdmin(), Lease, target, "merge", { spec: { holderIdentity: "m" } }, none);
  assert.deepEqual(
    written.map((one) => (one as { volatile?: boolean }).volatile ?? false),
    [true, false],
  );
});
