// ReplicaSets: which pods go first, how many come, and what the status says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ReplicaSet, type Pod } from "../kinds/index.ts";
import type { Kind } from "../kinds/kind.ts";
import type { KubeObject } from "../machinery/object.ts";
import { decideReplicas, rankForDeletion, replicasStatus } from "./replicaset.ts";
import { now, pod, replicaSet } from "./testing.ts";

const first = (pods: readonly Pod[], related: readonly Pod[] = pods) =>
  rankForDeletion(pods, related, now)[0]?.metadata.name;

test("of two pods the less useful one goes first", () => {
  const keep = pod("keep", { node: "n", readyFor: 1000 });
  const cost = (value: string) => ({ annotations: { "controller.kubernetes.io/pod-deletion-cost": value } });
  const rows: [what: string, goes: Pod][] = [
    ["not on a node", pod("goes", { readyFor: 1000 })],
    ["pending", pod("goes", { node: "n", phase: "Pending" })],
    ["not ready", pod("goes", { node: "n" })],
    ["cheaper", pod("goes", { node: "n", readyFor: 1000, more: cost("-5") })],
    ["ready for a shorter time", pod("goes", { node: "n", readyFor: 10 })],
    [
      "restarted more often",
      pod("goes", {
        node: "n",
        readyFor: 1000,
        status: { containerStatuses: [{ name: "app", image: "", imageID: "", ready: true, restartCount: 3 }] },
      }),
    ],
    ["younger", pod("goes", { node: "n", readyFor: 1000, more: { creationTimestamp: "2026-01-01T11:59:00Z" } })],
  ];
  for (const [what, goes] of rows) {
    const status = { ...goes.status, conditions: goes.status?.conditions ?? [] };
    assert.equal(first([keep, { ...goes, status }]), "goes", what);
    assert.equal(first([goes, keep]), "goes", what);
  }
});

test("a crowded node gives up a pod before an empty one", () => {
  const [a, b, c] = [
    pod("a", { node: "one", readyFor: 1000 }),
    pod("b", { node: "two", readyFor: 1000 }),
    pod("c", { node: "two", readyFor: 1000 }),
  ];
  assert.equal(first([a, b], [a, b, c]), "b");
});

const observe = (replicas: number, owned: readonly Pod[]) => {
  const kind = ReplicaSet as unknown as Kind<KubeObject>;
  const set = replicaSet("rs", { replicas });
  return decideReplicas({ kind, set, claim: { owned, changes: [] }, relatedPods: owned }, now);
};

test("missing pods are created, surplus ones deleted; finished and leaving pods do not count", () => {
  const leaving = pod("leaving", { more: { deletionTimestamp: "2026-01-01T11:59:59Z" } });
  const owned = [pod("a", { node: "n", readyFor: 5 }), pod("b", { phase: "Failed" }), leaving];
  assert.deepEqual(
    observe(3, owned).actions.map(({ type }) => type),
    ["create", "create"],
  );
  assert.deepEqual(
    observe(0, owned).actions.map(({ type }) => type),
    ["delete"],
  );
  assert.deepEqual(
    observe(1, owned).actions.map(({ type }) => type),
    ["updateStatus"],
  );
});

test("a pod counts as available only after minReadySeconds, and the set looks again then", () => {
  const set = replicaSet("rs", { replicas: 1 });
  set.spec!.minReadySeconds = 30;
  const owned = [pod("a", { node: "n", readyFor: 10 })];
  const status = replicasStatus(set, owned, now);
  assert.deepEqual([status.readyReplicas, status.availableReplicas], [1, 0]);
  const kind = ReplicaSet as unknown as Kind<KubeObject>;
  const plan = decideReplicas({ kind, set, claim: { owned, changes: [] }, relatedPods: [] }, now);
  assert.equal(plan.requeueAfterMs, 20_000);
});
