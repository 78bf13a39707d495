// Nodes: silence, taints, evictions and pods that nobody else removes.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Lease, Node } from "../../kinds/index.ts";
import { ago, meta, now, pod } from "../testing.ts";
import { decideEviction, toleratedUntil } from "./eviction.ts";
import { decideNode, taintsOf } from "./lifecycle.ts";
import { decideLostPod, surplusFinished } from "./pod-collector.ts";

const node = (ready: string, more: Partial<NonNullable<Node["spec"]>> = {}): Node => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: meta("n1"),
  spec: more,
  status: { conditions: [{ type: "Ready", status: ready, lastHeartbeatTime: ago(300) }] },
});

const lease = (seconds: number) => ({ metadata: meta("n1"), spec: { renewTime: ago(seconds) } }) as Lease;
const observed = (ready: string, seconds: number) => ({
  node: node(ready),
  lease: lease(seconds),
  pods: [pod("p", { node: "n1", readyFor: 100 })],
  listeningSince: now - 1_000_000,
});

test("a node that renews its lease is left alone until the lease could run out", () => {
  const plan = decideNode(observed("True", 10), now);
  assert.deepEqual(plan.actions, []);
  assert.equal(plan.requeueAfterMs, 41_000);
});

test("a silent node becomes Unknown, is tainted, and its pods take no more traffic", () => {
  const { actions } = decideNode(observed("True", 51), now);
  const kinds = actions.map((action) =>
    action.type === "patch" ? `${action.kind.kind}/${action.subresource ?? ""}` : action.type,
  );
  assert.deepEqual(kinds, ["Node/", "Node/status", "event", "Pod/status"]);
});

test("silence counts only from when somebody listens", () => {
  const plan = decideNode({ ...observed("True", 3600), listeningSince: now - 5000 }, now);
  assert.deepEqual(plan.actions, []);
});

test("taints follow the conditions; foreign taints stay", () => {
  const keys = (object: Node) =>
    taintsOf(object, now).map(({ key, effect }) => `${key.replace("node.kubernetes.io/", "")}:${effect}`);
  const own = { key: "mine", effect: "NoSchedule" };
  const old = { key: "node.kubernetes.io/not-ready", effect: "NoExecute", timeAdded: ago(60) };
  assert.deepEqual(keys(node("True", { taints: [own, old] })), ["mine:NoSchedule"]);
  assert.deepEqual(keys(node("Unknown", { taints: [own] })), [
    "mine:NoSchedule",
    "unreachable:NoSchedule",
    "unreachable:NoExecute",
  ]);
  assert.deepEqual(keys(node("True", { unschedulable: true })), ["unschedulable:NoSchedule"]);
  const kept = taintsOf(node("False", { taints: [old] }), now).find(({ effect }) => effect === "NoExecute");
  assert.equal(kept?.timeAdded, ago(60));
  const [added] = taintsOf(node("True", { taints: [{ key: "mine", effect: "NoExecute" }] }), now);
  assert.equal(added?.timeAdded, ago(0));
});

test("a pod stays as long as it tolerates every evicting taint", () => {
  const taint = { key: "k", effect: "NoExecute", timeAdded: ago(100) };
  const rows: [tolerations: object[], until: number][] = [
    [[], 0],
    [[{ key: "k", operator: "Exists" }], Infinity],
    [[{ key: "k", operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 }], now + 200_000],
    [[{ operator: "Exists", tolerationSeconds: 30 }], now - 70_000],
  ];
  for (const [tolerations, until] of rows) assert.equal(toleratedUntil([taint], tolerations, now), until);
  const tolerant = pod("p", { spec: { tolerations: [{ operator: "Exists", tolerationSeconds: 300 }] } });
  assert.deepEqual(decideEviction({ pod: tolerant, taints: [taint] }, now), { actions: [], requeueAfterMs: 200_000 });
  const { actions } = decideEviction({ pod: pod("p"), taints: [taint] }, now);
  assert.deepEqual(
    actions.map(({ type }) => type),
    ["patch", "event", "delete"],
  );
});

test("pods of a node that is gone fail and go after the quarantine", () => {
  const lost = { pod: pod("p", { node: "gone" }), nodeExists: false };
  assert.deepEqual(decideLostPod(lost, now, now), { actions: [], requeueAfterMs: 40_000 });
  const { actions } = decideLostPod(lost, now - 40_000, now);
  assert.deepEqual(
    actions.map(({ type }) => type),
    ["patch", "delete"],
  );
  const unscheduled = pod("p", { more: { deletionTimestamp: ago(1) } });
  assert.equal(decideLostPod({ pod: unscheduled, nodeExists: false }, now, now).actions.length, 1);
});

test("the oldest finished pods go when there are too many", () => {
  const finished = [3, 1, 2].map((i) =>
    pod(`p${i}`, { phase: "Succeeded", more: { creationTimestamp: ago(1000 - i) } }),
  );
  assert.deepEqual(
    surplusFinished([...finished, pod("running")], 1).map(({ metadata }) => metadata.name),
    ["p1", "p2"],
  );
});
