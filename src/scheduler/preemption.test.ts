// Preemption: whose leaving makes room, and which node is harmed least.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PodDisruptionBudget } from "../kinds/generated/policy.v1.ts";
import { ClusterState } from "./cluster-state.ts";
import { findNode } from "./cycle.ts";
import { allPlugins } from "./plugins/index.ts";
import { podInfo } from "./pod-info.ts";
import { planPreemption } from "./preemption.ts";
import { builtNode, builtPod, type NodeOptions, type PodOptions } from "./testing.ts";

const plugins = allPlugins({
  claim: () => undefined,
  volume: () => undefined,
  storageClass: () => undefined,
  available: () => [],
});

const budget = (app: string, disruptionsAllowed: number): PodDisruptionBudget =>
  ({
    metadata: { name: app, namespace: "default" },
    spec: { selector: { matchLabels: { app } } },
    status: { disruptionsAllowed },
  }) as unknown as PodDisruptionBudget;

/** `node: victims` or the message, for a pod that fits nowhere. */
function plan(
  nodes: Record<string, NodeOptions>,
  pods: Record<string, PodOptions>,
  pod: PodOptions,
  budgets: PodDisruptionBudget[] = [],
): string {
  const cluster = new ClusterState();
  for (const [name, options] of Object.entries(nodes)) cluster.setNode(builtNode(name, options));
  for (const [name, options] of Object.entries(pods)) cluster.setPod(builtPod(name, options));
  const info = podInfo(builtPod("new", pod));
  const decision = findNode(info, cluster, { plugins });
  if (decision.type === "fits") return "fits";
  const result = planPreemption(info, cluster, decision.failure, { plugins, budgets });
  if (result.type === "none") return result.message;
  const { nodeName, pods: victims } = result.victims;
  return `${nodeName}: ${victims.map((victim) => victim.pod.metadata.name).join(" ")}`;
}

const small = { cpu: "2" };

const check = (title: string, expected: string, ...args: Parameters<typeof plan>) =>
  test(title, () => assert.equal(plan(...args), expected));

check(
  "no more pods go than have to, and the most important one stays",
  "n: low",
  { n: small },
  { mid: { on: "n", cpu: "1", priority: 5 }, low: { on: "n", cpu: "1", priority: 1 } },
  { cpu: "1", priority: 10 },
);

check(
  "pods of the same priority stay",
  "0/1 nodes are available: 1 No preemption victims found for incoming pod.",
  { n: small },
  { a: { on: "n", cpu: "2", priority: 10 } },
  { cpu: "1", priority: 10 },
);

check(
  "where evicting cannot help, nobody is evicted",
  "0/2 nodes are available: 1 Insufficient cpu, 1 Preemption is not helpful for scheduling.",
  { n: { ...small, unschedulable: true }, m: small },
  { a: { on: "m", cpu: "1500m", priority: 20 }, b: { on: "m", cpu: "500m", priority: 1 } },
  { cpu: "1", priority: 10 },
);

check(
  "the node with the less important victims is chosen",
  "m: b",
  { n: small, m: small },
  { a: { on: "n", cpu: "2", priority: 5 }, b: { on: "m", cpu: "2", priority: 1 } },
  { cpu: "1", priority: 10 },
);

check(
  "fewer victims are better than more",
  "m: c",
  { n: small, m: small },
  {
    a: { on: "n", cpu: "1", priority: 1 },
    b: { on: "n", cpu: "1", priority: 1 },
    c: { on: "m", cpu: "2", priority: 1 },
  },
  { cpu: "2", priority: 10 },
);

check(
  "of equal victims, those that started last go",
  "m: b",
  { n: small, m: small },
  {
    a: { on: "n", cpu: "2", startTime: "2026-01-01T00:00:00Z" },
    b: { on: "m", cpu: "2", startTime: "2026-01-02T00:00:00Z" },
  },
  { cpu: "2", priority: 10 },
);

check(
  "a disruption budget is kept when another node can give way",
  "m: b",
  { n: small, m: small },
  { a: { on: "n", cpu: "2", priority: 1, labels: { app: "db" } }, b: { on: "m", cpu: "2", priority: 5 } },
  { cpu: "2", priority: 10 },
  [budget("db", 0)],
);

check(
  "a disruption budget is broken when nothing else makes room",
  "n: a",
  { n: small },
  { a: { on: "n", cpu: "2", priority: 1, labels: { app: "db" } } },
  { cpu: "2", priority: 10 },
  [budget("db", 0)],
);

check(
  "a pod with preemptionPolicy Never evicts nobody",
  "not eligible due to preemptionPolicy=Never.",
  { n: small },
  { a: { on: "n", cpu: "2", priority: 1 } },
  { cpu: "2", priority: 10, spec: { preemptionPolicy: "Never" } },
);
