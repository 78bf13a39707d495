import { test } from "node:test";
import assert from "node:assert/strict";
import { ConfigMap, Job, Pod } from "../../kinds/index.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import type { KubeObject, ObjectMeta } from "../../machinery/object.ts";
import type { DeleteParameters } from "../types.ts";
import { planDeletion } from "./delete.ts";

const now = Date.parse("2026-01-01T00:00:00Z");
const object = (metadata: Partial<ObjectMeta> = {}, rest: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "X",
  metadata: { name: "a", uid: "u", resourceVersion: "1", creationTimestamp: "2025-01-01T00:00:00Z", ...metadata },
  ...rest,
});
const running = { spec: { nodeName: "n", terminationGracePeriodSeconds: 30 }, status: { phase: "Running" } };
const going = { deletionTimestamp: "2026-01-01T00:00:30Z", deletionGracePeriodSeconds: 30 };

type Marks = Pick<ObjectMeta, "deletionTimestamp" | "deletionGracePeriodSeconds" | "finalizers">;
const rows: readonly [string, AnyKind, KubeObject, DeleteParameters, "nothing" | "remove" | Marks][] = [
  ["a plain object goes at once", ConfigMap, object(), {}, "remove"],
  [
    "an object with a finalizer is marked",
    ConfigMap,
    object({ finalizers: ["e.com/f"] }),
    {},
    { deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 0, finalizers: ["e.com/f"] },
  ],
  [
    "foreground deletion waits for dependents",
    ConfigMap,
    object(),
    { propagationPolicy: "Foreground" },
    { deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 0, finalizers: ["foregroundDeletion"] },
  ],
  [
    "jobs orphan their pods unless told otherwise",
    Job,
    object(),
    {},
    { deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 0, finalizers: ["orphan"] },
  ],
  ["a job with background deletion goes at once", Job, object(), { propagationPolicy: "Background" }, "remove"],
  [
    "a later policy replaces the finalizer of an earlier one",
    ConfigMap,
    object({ finalizers: ["orphan"], deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 0 }),
    { propagationPolicy: "Foreground" },
    { deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 0, finalizers: ["foregroundDeletion"] },
  ],
  ["a pod that no node has goes at once", Pod, object({}, { spec: {} }), {}, "remove"],
  [
    "a running pod gets its own grace period",
    Pod,
    object({}, running),
    {},
    { deletionTimestamp: "2026-01-01T00:00:30Z", deletionGracePeriodSeconds: 30 },
  ],
  [
    "a client may ask for another one",
    Pod,
    object({}, running),
    { gracePeriodSeconds: 5 },
    { deletionTimestamp: "2026-01-01T00:00:05Z", deletionGracePeriodSeconds: 5 },
  ],
  ["a second delete changes nothing", Pod, object(going, running), {}, "nothing"],
  ["a longer period changes nothing", Pod, object(going, running), { gracePeriodSeconds: 60 }, "nothing"],
  [
    "a shorter one counts from the first delete",
    Pod,
    object(going, running),
    { gracePeriodSeconds: 10 },
    { deletionTimestamp: "2026-01-01T00:00:10Z", deletionGracePeriodSeconds: 10 },
  ],
  ["grace 0 ends it", Pod, object(going, running), { gracePeriodSeconds: 0 }, "remove"],
  [
    "grace 0 waits for finalizers all the same",
    Pod,
    object({ ...going, finalizers: ["e.com/f"] }, running),
    { gracePeriodSeconds: 0 },
    { deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 0, finalizers: ["e.com/f"] },
  ],
];

for (const [title, kind, given, parameters, expected] of rows) {
  test(title, () => {
    const plan = planDeletion(kind, given, parameters, now);
    if (typeof expected === "string") return assert.equal(plan.do, expected);
    assert.equal(plan.do, "mark");
    const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = plan.metadata;
    assert.deepEqual(
      { deletionTimestamp, deletionGracePeriodSeconds, ...(finalizers ? { finalizers } : {}) },
      expected,
    );
  });
}

test("marking raises the generation once", () => {
  const plan = planDeletion(Pod, object({ generation: 3 }, running), {}, now);
  assert.ok(plan.do === "mark");
  assert.equal(plan.metadata.generation, 4);
  const shorter = planDeletion(
    Pod,
    { ...object({}, running), metadata: plan.metadata },
    { gracePeriodSeconds: 1 },
    now,
  );
  assert.ok(shorter.do === "mark");
  assert.equal(shorter.metadata.generation, 4);
});
