// Room for the pod's requests, the emptiest node first, and CPU and memory used evenly.
// Follows kubernetes v1.36 pkg/scheduler/framework/plugins/noderesources (fit, least allocated, balanced allocation).
import { deepEqual } from "../../machinery/equal.ts";
import { nodeGained, type ClusterChange, type Plugin, type Rejection } from "../plugin.ts";
import type { NodeState } from "../cluster-state.ts";
import { type Amounts, podInfo, type PodInfo } from "../pod-info.ts";

function fits(pod: PodInfo, node: NodeState): Rejection | undefined {
  const reasons: string[] = [];
  let unresolvable = false;
  const allowed = node.allocatable.get("pods") ?? 0;
  if (node.podCount + 1 > allowed) reasons.push("Too many pods");
  for (const [name, amount] of pod.requests) {
    const total = node.allocatable.get(name) ?? 0;
    if (amount <= total - node.requested(name)) continue;
    reasons.push(`Insufficient ${name}`);
    if (amount > total) unresolvable = true;
  }
  return reasons.length > 0 ? { reasons, unresolvable } : undefined;
}

const freeShare = (total: number, used: number): number => (total === 0 || used > total ? 0 : (total - used) / total);

/** A pod that leaves or shrinks helps on its node; a pod that appears does not. */
const frees = (change: ClusterChange): boolean =>
  change.type === "pod" &&
  change.old !== undefined &&
  (change.pod === undefined || !sameAmounts(podInfo(change.old).requests, podInfo(change.pod).requests));

const sameAmounts = (a: Amounts, b: Amounts): boolean =>
  a === b || (a.size === b.size && [...a].every(([name, amount]) => b.get(name) === amount));

export const nodeResourcesFit: Plugin = {
  name: "NodeResourcesFit",
  filter: fits,
  score(pod, node) {
    const cpu = freeShare(node.allocatable.get("cpu") ?? 0, node.scoringCpuMillis + pod.scoringCpuMillis);
    const memory = freeShare(node.allocatable.get("memory") ?? 0, node.scoringMemoryBytes + pod.scoringMemoryBytes);
    return Math.floor((100 * (cpu + memory)) / 2);
  },
  weight: 1,
  wakes: (change) =>
    frees(change) || nodeGained(change, (old, node) => !deepEqual(old.status?.allocatable, node.status?.allocatable)),
};

export const balancedAllocation: Plugin = {
  name: "NodeResourcesBalancedAllocation",
  score(pod, node) {
    if (pod.requests.size === 0) return 0;
    const used = (name: string) => {
      const total = node.allocatable.get(name) ?? 0;
      return total === 0 ? 1 : Math.min(1, (node.requested(name) + (pod.requests.get(name) ?? 0)) / total);
    };
    return Math.floor(100 * (1 - Math.abs(used("cpu") - used("memory")) / 2));
  },
  weight: 1,
  wakes: () => false,
};
