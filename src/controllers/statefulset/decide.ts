// What a StatefulSet does next: in order, one pod at a time, unless it is told to work in parallel.
// Follows kubernetes v1.36 pkg/controller/statefulset/stateful_set_control.go (updateStatefulSet).
import type { StatefulSetStatus } from "../../kinds/generated/apps.v1.ts";
import { Pod, StatefulSet, type ControllerRevision, type PersistentVolumeClaim } from "../../kinds/index.ts";
import { resolveIntOrPercent } from "../common/int-or-percent.ts";
import type { Claim } from "../common/ownership.ts";
import { isFinished } from "../../kinds/core/node-room.ts";
import { isAvailable, isReady, isTerminating, nextAvailability } from "../common/pods.ts";
import { findRevision, revisionLabel, truncateHistory } from "../common/revisions.ts";
import { statusUpdate } from "../common/status.ts";
import { event, type Action, type Plan } from "../framework/controller.ts";
import {
  claimOwnerPatches,
  firstOrdinal,
  identityPatch,
  isInRange,
  missingClaims,
  ordinalOf,
  podOf,
  replicasOf,
} from "./identity.ts";

export interface StatefulSetObserved {
  readonly set: StatefulSet;
  readonly claim: Claim<Pod>;
  readonly revisions: readonly ControllerRevision[];
  /** The persistent volume claims of the namespace that are named after the set's pods, by name. */
  readonly volumeClaims: ReadonlyMap<string, PersistentVolumeClaim>;
}

interface Numbered {
  readonly ordinal: number;
  readonly pod: Pod;
}

interface View extends StatefulSetObserved {
  readonly now: number;
  readonly update: ControllerRevision;
  readonly current: ControllerRevision;
  readonly pods: readonly Numbered[];
  readonly ordered: boolean;
}

export function decideStatefulSet(observed: StatefulSetObserved, now: number): Plan {
  const { set, claim, revisions } = observed;
  if (claim.changes.length > 0) return { actions: claim.changes };
  const found = findRevision({
    owner: set,
    template: set.spec!.template,
    revisions,
    collisionCount: set.status?.collisionCount,
    countCollision: (collisionCount) => statusUpdate(StatefulSet, set, { ...statusOf(set), collisionCount }),
  });
  if (!found.revision || found.changes.length > 0) return { actions: found.changes };
  const update = found.revision;
  const current = revisions.find(({ metadata }) => metadata.name === set.status?.currentRevision) ?? update;
  const pods = claim.owned
    .flatMap((pod) => {
      const ordinal = ordinalOf(set, pod);
      return ordinal === undefined ? [] : [{ ordinal, pod }];
    })
    .sort((a, b) => a.ordinal - b.ordinal);
  const ordered = set.spec?.podManagementPolicy !== "Parallel";
  const view: View = { ...observed, now, update, current, pods, ordered };
  const steps = isTerminating(set) ? [] : nextSteps(view);
  const status = statusUpdate(StatefulSet, set, nextStatus(view));
  const used = new Set([current.metadata.name, update.metadata.name, ...pods.map(({ pod }) => revisionOf(pod))]);
  const history = truncateHistory(
    revisions,
    ({ metadata }) => used.has(metadata.name),
    set.spec?.revisionHistoryLimit ?? 10,
  );
  return {
    actions: [...steps, ...status, ...history],
    requeueAfterMs: nextAvailability(claim.owned, set.spec?.minReadySeconds ?? 0, now),
  };
}

const statusOf = ({ status }: StatefulSet): StatefulSetStatus => ({ ...status, replicas: status?.replicas ?? 0 });
const revisionOf = (pod: Pod): string => pod.metadata.labels?.[revisionLabel] ?? "";
const isRunningAndReady = (pod: Pod): boolean => pod.status?.phase === "Running" && isReady(pod);

function isHealthy({ set, now }: View, pod: Pod): boolean {
  return isRunningAndReady(pod) && !isTerminating(pod) && isAvailable(pod, set.spec?.minReadySeconds ?? 0, now);
}

/** Fill from below, then shrink from above, then renew from above; when ordered, each step waits for the one before. */
function nextSteps(view: View): Action[] {
  const filling = fill(view);
  if (filling.stop) return filling.actions;
  const shrinking = shrink(view);
  if (shrinking.stop) return [...filling.actions, ...shrinking.actions];
  return [...filling.actions, ...shrinking.actions, ...renew(view)];
}

interface Steps {
  readonly actions: Action[];
  /** Later steps have to wait. */
  readonly stop: boolean;
}

function fill(view: View): Steps {
  const { set, ordered, volumeClaims } = view;
  const byOrdinal = new Map(view.pods.map(({ ordinal, pod }) => [ordinal, pod]));
  const actions: Action[] = [];
  for (let ordinal = firstOrdinal(set); isInRange(set, ordinal); ordinal++) {
    const pod = byOrdinal.get(ordinal);
    if (!pod) {
      actions.push(...missingClaims(set, ordinal, volumeClaims), ...creation(view, ordinal));
      if (ordered) return { actions, stop: true };
      continue;
    }
    if (isFinished(pod)) {
      if (!isTerminating(pod)) actions.push(recreating(set, pod), deletion(pod), ...deleted(set, pod));
      if (ordered) return { actions, stop: true };
      continue;
    }
    if (!isTerminating(pod)) {
      actions.push(...missingClaims(set, ordinal, volumeClaims), ...identityPatch(pod, ordinal));
      actions.push(...claimOwnerPatches(set, ordinal, pod, volumeClaims));
    }
    if (ordered && !isHealthy(view, pod)) return { actions, stop: true };
  }
  return { actions, stop: false };
}

function shrink(view: View): Steps {
  const { set, ordered, volumeClaims } = view;
  const actions: Action[] = [];
  const firstUnhealthy = view.pods.find(({ pod }) => !isHealthy(view, pod))?.pod;
  for (const { ordinal, pod } of view.pods.toReversed()) {
    if (isInRange(set, ordinal)) continue;
    actions.push(...claimOwnerPatches(set, ordinal, pod, volumeClaims));
    if (isTerminating(pod)) {
      if (ordered) return { actions, stop: true };
      continue;
    }
    if (ordered && !isHealthy(view, pod) && pod !== firstUnhealthy) return { actions, stop: true };
    actions.push(deletion(pod), ...deleted(set, pod));
    if (ordered) return { actions, stop: true };
  }
  return { actions, stop: false };
}

/** Deletes outdated pods from above, as many as may be unavailable at a time; they come back renewed. */
function renew(view: View): Action[] {
  const { set, update } = view;
  const { type, rollingUpdate } = set.spec?.updateStrategy ?? {};
  if (type === "OnDelete") return [];
  const lowest = firstOrdinal(set) + (rollingUpdate?.partition ?? 0);
  const allowed = Math.max(1, resolveIntOrPercent(rollingUpdate?.maxUnavailable ?? 1, replicasOf(set), "down"));
  const actions: Action[] = [];
  let unavailable = 0;
  for (const { ordinal, pod } of view.pods.toReversed()) {
    if (!isInRange(set, ordinal)) continue;
    if (ordinal < lowest || unavailable >= allowed) break;
    const outdated = revisionOf(pod) !== update.metadata.name && !isTerminating(pod);
    if (outdated) actions.push(deletion(pod), ...deleted(set, pod));
    if (outdated || !isHealthy(view, pod)) unavailable++;
  }
  return actions;
}

/** Below the partition pods keep the current revision, also when they are made anew. */
function creation({ set, current, update }: View, ordinal: number): Action[] {
  const { type, rollingUpdate } = set.spec?.updateStrategy ?? {};
  const boundary = rollingUpdate ? (rollingUpdate.partition ?? 0) : (set.status?.currentReplicas ?? 0);
  const keep = type !== "OnDelete" && ordinal < firstOrdinal(set) + boundary;
  const object = podOf(set, keep ? current : update, ordinal);
  const name = object.metadata.name!;
  const failed = (message: string): Action =>
    event(
      set,
      "Warning",
      "FailedCreate",
      `create Pod ${name} in StatefulSet ${set.metadata.name} failed error: ${message}`,
    );
  return [
    { type: "create", kind: Pod, object, onError: (error) => [failed(error.message)] },
    event(set, "Normal", "SuccessfulCreate", `create Pod ${name} in StatefulSet ${set.metadata.name} successful`),
  ];
}

const deletion = (pod: Pod): Action => ({ type: "delete", kind: Pod, object: pod });

const deleted = (set: StatefulSet, pod: Pod): Action[] => [
  event(
    set,
    "Normal",
    "SuccessfulDelete",
    `delete Pod ${pod.metadata.name} in StatefulSet ${set.metadata.name} successful`,
  ),
];

const recreating = (set: StatefulSet, pod: Pod): Action => {
  const { namespace, name } = set.metadata;
  const [what, reason] =
    pod.status?.phase === "Failed" ? ["failed", "RecreatingFailedPod"] : ["terminated", "RecreatingTerminatedPod"];
  return event(
    set,
    "Warning",
    reason!,
    `StatefulSet ${namespace}/${name} is recreating ${what} Pod ${pod.metadata.name}`,
  );
};

function nextStatus(view: View): StatefulSetStatus {
  const { set, now, update, current, pods } = view;
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  const ready = pods.filter(({ pod }) => isRunningAndReady(pod));
  const staying = pods.filter(({ pod }) => !isTerminating(pod));
  const of = ({ metadata }: ControllerRevision) =>
    staying.filter(({ pod }) => revisionOf(pod) === metadata.name).length;
  const { collisionCount, conditions } = set.status ?? {};
  const status: StatefulSetStatus = {
    ...(set.metadata.generation === undefined ? {} : { observedGeneration: set.metadata.generation }),
    replicas: pods.length,
    readyReplicas: ready.length,
    availableReplicas: ready.filter(({ pod }) => isAvailable(pod, minReadySeconds, now)).length,
    currentReplicas: of(current),
    updatedReplicas: of(update),
    currentRevision: current.metadata.name,
    updateRevision: update.metadata.name,
    collisionCount: collisionCount ?? 0,
    ...(conditions ? { conditions } : {}),
  };
  const rolledOut =
    set.spec?.updateStrategy?.type !== "OnDelete" &&
    status.updatedReplicas === status.replicas &&
    status.readyReplicas === status.replicas &&
    current !== update;
  return rolledOut
    ? { ...status, currentReplicas: status.updatedReplicas!, currentRevision: update.metadata.name }
    : status;
}
