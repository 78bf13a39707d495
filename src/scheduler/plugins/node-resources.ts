// Room for the pod's requests, the emptiest node first, and CPU and memory used evenly.
// Follows kubernetes v1.36 pkg/scheduler/framework/plugins/noderesources (fit, least allocated, balanced allocation).
import { deepEqual } from "../../machinery/equal.ts";
import { type Amounts, shortages } from "../../kinds/core/node-room.ts";
import { nodeGained, type ClusterChange, type Plugin, type Rejection } from "../plugin.ts";
import type { NodeState } from "../cluster-state.ts";
import { podInfo, type PodInfo } from "../pod-info.ts";

function fits(pod: PodInfo, node: NodeState): Rejection | undefined {
  const short = shortages(pod.requests, node);
  if (short.length === 0) return undefined;
  return {
    reasons: short.map(({ resource }) => (resource === "pods" ? "Too many pods" : `Insufficient ${resource}`)),
    unresolvable: short.some(({ resource, requested, capacity }) => resource !== "pods" && requested > capacity),
  };
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
