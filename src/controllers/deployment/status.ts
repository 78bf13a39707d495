// Status of a Deployment: counts and the conditions Available, Progressing and ReplicaFailure.
// Follows kubernetes v1.36 pkg/controller/deployment/{progress,sync}.go.
import type { DeploymentCondition, DeploymentStatus } from "../../kinds/generated/apps.v1.ts";
import type { Deployment, ReplicaSet } from "../../kinds/index.ts";
import { formatTime, parseTime } from "../../machinery/clock.ts";
import { findCondition, withCondition, withoutCondition } from "../common/status.ts";
import { maxUnavailable, replicasOf, sum } from "./size.ts";

/** The longest deadline means that there is none. */
const noDeadline = 2 ** 31 - 1;

export const deadlineSeconds = (deployment: Deployment): number | undefined => {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds === noDeadline ? undefined : seconds;
};

export const progressOf = (deployment: Deployment): DeploymentCondition | undefined =>
  findCondition(deployment.status?.conditions, "Progressing");

/** Sets a condition; the update time moves whenever status or reason do. */
export function setCondition(
  conditions: readonly DeploymentCondition[] | undefined,
  [type, status, reason, message]: readonly [type: string, status: string, reason: string, message: string],
  now: number,
): DeploymentCondition[] {
  return withCondition(conditions, { type, status, reason, message, lastUpdateTime: formatTime(now) }, { now });
}

/** Counts and availability; the other conditions as they are. */
export function countedStatus(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  all: readonly ReplicaSet[],
  now: number,
): DeploymentStatus {
  const available = sum(all, ({ status }) => status?.availableReplicas ?? 0);
  const enough = available >= replicasOf(deployment) - maxUnavailable(deployment);
  const { collisionCount, conditions } = deployment.status ?? {};
  return {
    ...(deployment.metadata.generation === undefined ? {} : { observedGeneration: deployment.metadata.generation }),
    replicas: sum(all, ({ status }) => status?.replicas ?? 0),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sum(all, ({ status }) => status?.readyReplicas ?? 0),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, sum(all, replicasOf) - available),
    terminatingReplicas: sum(all, ({ status }) => status?.terminatingReplicas ?? 0),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    conditions: setCondition(
      conditions,
      enough
        ? ["Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."]
        : ["Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."],
      now,
    ),
  };
}

/** All pods are of the current template, all are available, and nothing of the spec is unseen. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = replicasOf(deployment);
  return (
    status.updatedReplicas === wanted &&
    status.replicas === wanted &&
    status.availableReplicas === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function hasProgressed({ status: old }: Deployment, status: DeploymentStatus): boolean {
  const oldPods = (counts: DeploymentStatus | undefined) => (counts?.replicas ?? 0) - (counts?.updatedReplicas ?? 0);
  return (
    (status.updatedReplicas ?? 0) > (old?.updatedReplicas ?? 0) ||
    oldPods(status) < oldPods(old) ||
    (status.readyReplicas ?? 0) > (old?.readyReplicas ?? 0) ||
    (status.availableReplicas ?? 0) > (old?.availableReplicas ?? 0)
  );
}

/** Milliseconds until the deadline passes (0 or less when it has); undefined when nothing is due. */
export function untilDeadline(deployment: Deployment, status: DeploymentStatus, now: number): number | undefined {
  const progress = findCondition(status.conditions, "Progressing");
  const deadline = deadlineSeconds(deployment);
  if (deadline === undefined || !progress || progress.reason === "NewReplicaSetAvailable") return undefined;
  if (progress.reason === "ProgressDeadlineExceeded") return undefined;
  return parseTime(progress.lastUpdateTime) + deadline * 1000 - now;
}

/** Status in the middle of (or after) a rollout. */
export function rolloutStatus(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  all: readonly ReplicaSet[],
  now: number,
): DeploymentStatus {
  const status = countedStatus(deployment, newSet, all, now);
  status.conditions =
    deadlineSeconds(deployment) === undefined
      ? withoutCondition(status.conditions, "Progressing")
      : withProgress(deployment, newSet, status, now);
  const failure = [newSet, ...all].map((set) => findCondition(set?.status?.conditions, "ReplicaFailure")).find(Boolean);
  status.conditions = failure
    ? setCondition(status.conditions, ["ReplicaFailure", failure.status, failure.reason!, failure.message!], now)
    : withoutCondition(status.conditions, "ReplicaFailure");
  return status;
}

function withProgress(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  status: DeploymentStatus,
  now: number,
): DeploymentCondition[] {
  const name = newSet ? `ReplicaSet "${newSet.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  let conditions = status.conditions ?? [];
  if (newSet && !findCondition(conditions, "Progressing")) {
    const found = `Found new replica set "${newSet.metadata.name}"`;
    conditions = setCondition(conditions, ["Progressing", "True", "FoundNewReplicaSet", found], now);
  }
  const current = findCondition(conditions, "Progressing");
  if (status.replicas === status.updatedReplicas && current?.reason === "NewReplicaSetAvailable") return conditions;
  if (isComplete(deployment, status)) {
    const message = `${name} has successfully progressed.`;
    return setCondition(conditions, ["Progressing", "True", "NewReplicaSetAvailable", message], now);
  }
  if (hasProgressed(deployment, status)) {
    const at = formatTime(now);
    const next: DeploymentCondition = {
      type: "Progressing",
      status: "True",
      reason: "ReplicaSetUpdated",
      message: `${name} is progressing.`,
      lastUpdateTime: at,
      lastTransitionTime: current?.status === "True" ? (current.lastTransitionTime ?? at) : at,
    };
    return [...withoutCondition(conditions, "Progressing"), next];
  }
  const left = untilDeadline(deployment, { ...status, conditions }, now);
  if (left !== undefined && left < 0) {
    const message = `${name} has timed out progressing.`;
    return setCondition(conditions, ["Progressing", "False", "ProgressDeadlineExceeded", message], now);
  }
  return conditions;
}
