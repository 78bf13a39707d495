import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { applyMergePatch } from "../machinery/patch/merge-patch.ts";
import { applyStrategicPatch } from "../machinery/patch/strategic.ts";
import { patchSchemaOf } from "./patch-schema.ts";

const pod = patchSchemaOf("core.v1.Pod")!;
const deployment = patchSchemaOf("apps.v1.Deployment")!;
const names = (list: readonly { name: string }[]) => list.map(({ name }) => name).join(",");
const withContainers = (...containers: object[]) => ({ spec: { containers } });

type PodLike = { spec: { containers: { name: string; image?: string; args?: string[]; ports?: object[] }[] } };
const patched = (before: object, patch: object) => applyStrategicPatch(before, patch, pod) as PodLike;

test("lists with a merge key merge by it, and new elements come first", () => {
  const before = withContainers({ name: "a", image: "1" }, { name: "b", image: "1" });
  const after = patched(before, withContainers({ name: "b", image: "2" }, { name: "c", image: "3" }));
  assert.deepEqual(
    after.spec.containers.find(({ name }) => name === "b"),
    { name: "b", image: "2" },
  );
  assert.equal(names(after.spec.containers), "a,b,c");
  assert.equal(names(patched(before, withContainers({ name: "c" })).spec.containers), "c,a,b");
});

test("$patch: delete removes one element, $patch: replace the whole list", () => {
  const before = withContainers({ name: "a", image: "1" }, { name: "b", image: "1" });
  assert.equal(names(patched(before, withContainers({ name: "a", $patch: "delete" })).spec.containers), "b");
  assert.deepEqual(patched(before, withContainers({ name: "z" }, { $patch: "replace" })).spec.containers, [
    { name: "z" },
  ]);
  assert.deepEqual(applyStrategicPatch({ spec: { a: 1 } }, { spec: { $patch: "replace", b: 2 } }, pod), {
    spec: { b: 2 },
  });
  assert.deepEqual(applyStrategicPatch({ spec: { a: 1 } }, { spec: { $patch: "delete" } }, pod), { spec: {} });
});

test("$setElementOrder orders merged lists and keeps what only the server has", () => {
  const before = withContainers({ name: "a" }, { name: "server" }, { name: "b" });
  const patch = { spec: { "$setElementOrder/containers": [{ name: "b" }, { name: "a" }] } };
  assert.equal(names(patched(before, patch).spec.containers), "server,b,a");
  const adding = {
    spec: {
      "$setElementOrder/containers": [{ name: "a" }, { name: "n" }, { name: "b" }],
      containers: [{ name: "n", image: "x" }],
    },
  };
  assert.equal(names(patched(before, adding).spec.containers), "a,n,server,b");
});

test("primitive lists: atomic ones are replaced, merged ones united, $deleteFromPrimitiveList removes", () => {
  const before = withContainers({ name: "a", args: ["x", "y"] });
  assert.deepEqual(patched(before, withContainers({ name: "a", args: ["z"] })).spec.containers[0]!.args, ["z"]);
  const finalizers = (...list: string[]) => ({ metadata: { finalizers: list } });
  assert.deepEqual(applyStrategicPatch(finalizers("a", "b"), finalizers("b", "c"), pod), finalizers("a", "b", "c"));
  const removing = { metadata: { "$deleteFromPrimitiveList/finalizers": ["a"] } };
  assert.deepEqual(applyStrategicPatch(finalizers("a", "b"), removing, pod), finalizers("b"));
});

test("$retainKeys drops the other keys of a union", () => {
  const before = { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } };
  const patch = { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } };
  assert.deepEqual(applyStrategicPatch(before, patch, deployment), { spec: { strategy: { type: "Recreate" } } });
  const wrong = { spec: { strategy: { $retainKeys: ["type"], rollingUpdate: {} } } };
  assert.throws(() => applyStrategicPatch(before, wrong, deployment), { reason: "BadRequest" });
});

test("malformed directives are refused", () => {
  const before = withContainers({ name: "a" });
  for (const patch of [
    withContainers({ image: "x" }),
    withContainers({ name: "a", $patch: "explode" }),
    withContainers({ $patch: "delete" }),
    { spec: { "$setElementOrder/containers": "a" } },
    { spec: { "$setElementOrder/containers": [{ name: "b" }], containers: [{ name: "a" }] } },
    { metadata: { "$deleteFromPrimitiveList/finalizers": "a" } },
  ]) {
    assert.throws(() => patched(before, patch), { reason: "BadRequest" }, JSON.stringify(patch));
  }
});

test("maps merge by key and null removes", () => {
  const before = { metadata: { labels: { a: "1", b: "2" } } };
  assert.deepEqual(applyStrategicPatch(before, { metadata: { labels: { a: null, c: "3" } } }, pod), {
    metadata: { labels: { b: "2", c: "3" } },
  });
});

test("without lists and directives a strategic patch is a merge patch, and its arguments stay as they were", () => {
  const key = fc.constantFrom("metadata", "spec", "labels", "a", "b");
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof({ maxDepth: 4 }, fc.constantFrom<unknown>(1, "x", true, null), fc.dictionary(key, tie("tree"))),
  }));
  const object = fc.dictionary(key, tree).map((value) => JSON.parse(JSON.stringify(value)) as object);
  fc.assert(
    fc.property(object, object, (before, patch) => {
      const copy = structuredClone([before, patch]);
      assert.deepEqual(applyStrategicPatch(before, patch, pod), applyMergePatch(before, patch));
      assert.deepEqual([before, patch], copy);
    }),
  );
});
