// What the scheduler writes into a pod's status.
import type { Pod, PodCondition } from "../kinds/generated/core.v1.ts";
import { formatTime } from "../machinery/clock.ts";

export interface Verdict {
  readonly reason: "Unschedulable" | "SchedulerError";
  readonly message: string;
  /** The node where others make room for the pod; "" takes a former nomination back, undefined leaves it. */
  readonly nominatedNodeName?: string;
}

/** A strategic merge patch of status, or undefined when the pod says it all already. */
export function verdictPatch(
  pod: Pod,
  { reason, message, nominatedNodeName }: Verdict,
  now: number,
): object | undefined {
  const old = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  const sameCondition = old?.status === "False" && old.reason === reason && old.message === message;
  const before = pod.status?.nominatedNodeName ?? "";
  const sameNomination = nominatedNodeName === undefined || nominatedNodeName === before;
  if (sameCondition && sameNomination) return undefined;
  const condition: Partial<PodCondition> = {
    type: "PodScheduled",
    status: "False",
    reason,
    message,
    ...(pod.metadata.generation ? { observedGeneration: pod.metadata.generation } : {}),
    ...(old?.status === "False" ? {} : { lastTransitionTime: formatTime(now) }),
  };
  const nomination = sameNomination ? {} : { nominatedNodeName: nominatedNodeName || null };
  return { status: { conditions: [condition], ...nomination } };
}

/** What tells a victim why it has to go. */
export const preemptedPatch = (schedulerName: string, now: number): object => ({
  status: {
    conditions: [
      {
        type: "DisruptionTarget",
        status: "True",
        reason: "PreemptionByScheduler",
        message: `${schedulerName}: preempting to accommodate a higher priority pod`,
        lastTransitionTime: formatTime(now),
      },
    ],
  },
});
