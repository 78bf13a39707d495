// What users read when a pod fits nowhere. Follows kubernetes v1.36 pkg/scheduler/framework/types.go (FitError).
import type { Failure } from "./cycle.ts";

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`, and why preemption does not help. */
export function failureMessage(failure: Failure, preemption?: string): string {
  const { nodeCount, everywhere, rejections } = failure;
  if (nodeCount === 0 && everywhere === undefined) return "no nodes available to schedule pods";
  const reasons = [...rejections.values()].flatMap((rejection) => rejection.reasons);
  const text = availability(nodeCount, everywhere === undefined ? reasons : undefined, everywhere);
  return preemption ? `${text} preemption: ${preemption}` : text;
}

export function availability(nodeCount: number, reasons: readonly string[] | undefined, everywhere?: string): string {
  const counts = new Map<string, number>();
  for (const reason of reasons ?? []) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const counted = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  const why = everywhere ?? counted.join(", ");
  return `0/${nodeCount} nodes are available${why ? `: ${why}` : ""}.`;
}
