import { test } from "node:test";
import assert from "node:assert/strict";
import { ConfigMap, Event, EventsEvent, Pod } from "../kinds/index.ts";
import { isReason } from "../machinery/errors.ts";
import { testApi } from "./testing.ts";

const configMap = (name: string) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data: { a: "1" },
});

test("a cache holds what is there and follows changes", async () => {
  const { client } = await testApi();
  await client.create(ConfigMap, configMap("before"));
  const cache = client.cache(ConfigMap);
  await cache.synced;
  assert.ok(cache.get("default/before"));
  const seen: string[] = [];
  cache.onChange(({ type, object }) => {
    if (object.metadata.name === "after") seen.push(type);
  });
  const made = await client.create(ConfigMap, configMap("after"));
  assert.equal(cache.get("default/after")?.metadata.uid, made.metadata.uid);
  await client.update(ConfigMap, { ...made, data: { a: "2" } });
  await client.delete(ConfigMap, { namespace: "default", name: "after" });
  assert.deepEqual(seen, ["ADDED", "MODIFIED", "DELETED"]);
  assert.equal(client.as("other").cache(ConfigMap), cache);
});

test("a cache with a field selector holds only what matches", async () => {
  const { client } = await testApi();
  const cache = client.cache(Pod, { fieldSelector: "spec.nodeName=n" });
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "default" },
    spec: { containers: [{ name: "c", image: "i" }] },
  };
  const target = { namespace: "default", name: "p" };
  await client.create(Pod, pod as unknown as Pod);
  assert.deepEqual(cache.list(), []);
  await client.createSubresource(Pod, target, "binding", { target: { kind: "Node", name: "n" } });
  assert.equal(cache.list().length, 1);
});

test("a watch delivers from a revision on and ends with its signal", async () => {
  const { client } = await testApi();
  const { metadata } = await client.list(ConfigMap);
  await client.create(ConfigMap, configMap("a"));
  const stop = new AbortController();
  const seen: string[] = [];
  for await (const event of client.watch(ConfigMap, {
    signal: stop.signal,
    resourceVersion: metadata.resourceVersion!,
  })) {
    seen.push(`${event.type} ${event.object.metadata.name}`);
    if (seen.length === 1) await client.delete(ConfigMap, { namespace: "default", name: "a" });
    if (seen.length === 2) stop.abort();
  }
  assert.deepEqual(seen, ["ADDED a", "DELETED a"]);
});

test("a caller's object is not written to and not kept", async () => {
  const { client } = await testApi();
  const object = Object.freeze({ ...configMap("a"), metadata: Object.freeze(configMap("a").metadata) });
  const made = await client.create(ConfigMap, object);
  assert.notEqual(made, object);
  await assert.rejects(client.create(ConfigMap, object), (e) => isReason(e, "AlreadyExists"));
});

test("an event of events.k8s.io is the same object as its core twin", async () => {
  const { client } = await testApi();
  await client.create(EventsEvent, {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: "e", namespace: "default" },
    eventTime: "2026-01-01T00:00:00.000000Z",
    regarding: { kind: "Pod", name: "p", namespace: "default" },
    reason: "Tested",
    note: "a note",
    action: "Test",
    type: "Normal",
    reportingController: "example.com/test",
    reportingInstance: "t",
  });
  const core = await client.get(Event, "e", "default");
  assert.equal(core.message, "a note");
  assert.equal(core.apiVersion, "v1");
  const { items } = await client.list(EventsEvent, { namespace: "default" });
  assert.equal(items[0]?.note, "a note");
  assert.equal(client.cache(EventsEvent).get("default/e")?.regarding?.name, "p");
});
