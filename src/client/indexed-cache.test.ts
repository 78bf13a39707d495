// The cache: indexes, differences of listings, listeners.
import assert from "node:assert/strict";
import { test } from "node:test";
import { defineKind } from "../kinds/kind.ts";
import type { KubeObject } from "../machinery/object.ts";
import type { Change } from "./client.ts";
import { IndexedCache } from "./indexed-cache.ts";

const kind = defineKind<KubeObject>("v1", "Thing");

const thing = (name: string, revision: number, more: Partial<KubeObject["metadata"]> = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Thing",
  metadata: { name, namespace: "a", uid: name, resourceVersion: String(revision), creationTimestamp: "", ...more },
});

const text = ({ type, object, old }: Change) =>
  `${type} ${object.metadata.name}@${object.metadata.resourceVersion}${old ? ` was ${old.metadata.resourceVersion}` : ""}`;

test("indexes follow every change", () => {
  const cache = new IndexedCache(kind);
  cache.apply({ type: "ADDED", object: thing("x", 1, { labels: { app: "one" } }) });
  cache.addIndex("app", ({ metadata }) => [metadata.labels?.app ?? ""]);
  cache.apply({ type: "ADDED", object: thing("y", 2, { labels: { app: "one" } }) });
  assert.equal(cache.byIndex("app", "one").length, 2);
  cache.apply({ type: "MODIFIED", object: thing("x", 3, { labels: { app: "two" } }) });
  assert.deepEqual(
    cache.byIndex("app", "two").map(({ metadata }) => metadata.name),
    ["x"],
  );
  cache.apply({ type: "DELETED", object: thing("y", 4) });
  assert.deepEqual(cache.byIndex("app", "one"), []);
  assert.equal(cache.list("a").length, 1);
  assert.equal(cache.list("b").length, 0);
  assert.equal(cache.revision, 4);
  assert.throws(() => cache.byIndex("other", ""), /no index other/);
});

test("a listener hears of what is there, then of changes with their old state", () => {
  const cache = new IndexedCache(kind);
  cache.apply({ type: "ADDED", object: thing("x", 1) });
  const heard: string[] = [];
  const stop = cache.onChange((change) => heard.push(text(change)));
  cache.apply({ type: "MODIFIED", object: thing("x", 2) });
  cache.apply({ type: "DELETED", object: thing("x", 3) });
  cache.apply({ type: "DELETED", object: thing("x", 3) });
  stop();
  cache.apply({ type: "ADDED", object: thing("z", 4) });
  assert.deepEqual(heard, ["ADDED x@1", "MODIFIED x@2 was 1", "DELETED x@3 was 2"]);
});

test("a new listing tells only what differs; a namesake with another uid is another object", () => {
  const cache = new IndexedCache(kind);
  cache.replace([thing("same", 1), thing("gone", 2), thing("new", 3)], 3);
  const heard: string[] = [];
  cache.onChange((change) => heard.push(text(change)));
  heard.length = 0;
  cache.replace([thing("same", 1), thing("new", 7, { uid: "other" }), thing("more", 8)], 9);
  assert.deepEqual(heard, ["DELETED gone@2 was 2", "DELETED new@3 was 3", "ADDED new@7", "ADDED more@8"]);
  assert.equal(cache.revision, 9);
});
