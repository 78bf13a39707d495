// What a Deployment does next: find or make the set of its template, move pods there, clean up, report.
// Follows kubernetes v1.36 pkg/controller/deployment (syncDeployment, rolloutRolling, rolloutRecreate).
import { Deployment, ReplicaSet, type Pod } from "../../kinds/index.ts";
import type { Claim } from "../common/ownership.ts";
import { isFinished } from "../../kinds/core/node-room.ts";
import { isTerminating, soonest } from "../common/pods.ts";
import { statusUpdate } from "../common/status.ts";
import { event, type Action, type Plan } from "../framework/controller.ts";
import {
  currentSetAnnotations,
  desiredReplicasAnnotation,
  findNewSet,
  newSet,
  newSetName,
  nextRevision,
  revisionAnnotation,
  revisionOf,
  sizeAnnotations,
} from "./revision.ts";
import { grownSize, isActiveSet, isRolling, replicasOf, scaledSizes, shrunkSizes, sum, type Sizes } from "./size.ts";
import {
  countedStatus,
  deadlineSeconds,
  isComplete,
  progressOf,
  rolloutStatus,
  setCondition,
  untilDeadline,
} from "./status.ts";

export interface DeploymentObserved {
  readonly deployment: Deployment;
  readonly claim: Claim<ReplicaSet>;
  /** Pods of the deployment's sets, by uid of the set; only looked at by the Recreate strategy. */
  readonly podsOf: ReadonlyMap<string, readonly Pod[]>;
  /** The object that has the name of the set to be made, if any. */
  readonly namesake: ReplicaSet | undefined;
}

/** The sets of the deployment, sorted out. */
interface View {
  readonly deployment: Deployment;
  readonly current: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
  readonly all: readonly ReplicaSet[];
}

export function decideDeployment(observed: DeploymentObserved, now: number): Plan {
  const { deployment, claim } = observed;
  if (claim.changes.length > 0) return { actions: claim.changes };
  const current = findNewSet(deployment, claim.owned);
  const old = claim.owned.filter((set) => set !== current);
  const view: View = { deployment, current, old, all: claim.owned };
  if (isTerminating(deployment)) return plainStatus(view, now);
  const pause = pauseStatus(deployment, now);
  if (pause.length > 0) return { actions: pause };
  if (current) {
    const upkeep = [...currentSetUpkeep(view, current), ...ownRevision(deployment, revisionOf(current))];
    if (upkeep.length > 0) return { actions: upkeep };
  }
  if (deployment.spec?.paused) return paused(view, now);
  if (sizeChanged(view)) {
    const scaling = resize(view, scaledSizes(deployment, current, old));
    if (scaling.length > 0) return { actions: scaling };
  }
  return isRolling(deployment) ? roll(observed, view, now) : recreate(observed, view, now);
}

function roll(observed: DeploymentObserved, view: View, now: number): Plan {
  const { deployment, current, old, all } = view;
  if (!current) return { actions: makeSet(observed, view, now) };
  const wanted = replicasOf(deployment);
  const size = replicasOf(current) > wanted ? wanted : grownSize(deployment, all, replicasOf(current));
  const growing = size === replicasOf(current) ? [] : resize(view, new Map([[current.metadata.name, size]]));
  if (growing.length > 0) return { actions: growing };
  const shrinking = resize(view, shrunkSizes(deployment, current, old));
  if (shrinking.length > 0) return { actions: shrinking };
  return report(view, now);
}

function recreate(observed: DeploymentObserved, view: View, now: number): Plan {
  const { deployment, current, old } = view;
  const stopping = resize(view, new Map(old.filter(isActiveSet).map((set) => [set.metadata.name, 0])));
  if (stopping.length > 0) return { actions: stopping };
  const oldRuns =
    sum(old, ({ status }) => status?.replicas ?? 0) > 0 ||
    old.some(({ metadata }) => (observed.podsOf.get(metadata.uid) ?? []).some((pod) => !isFinished(pod)));
  if (oldRuns) return report(view, now);
  if (!current) return { actions: makeSet(observed, view, now) };
  const starting = resize(view, new Map([[current.metadata.name, replicasOf(deployment)]]));
  return starting.length > 0 ? { actions: starting } : report(view, now);
}

function paused(view: View, now: number): Plan {
  const { deployment, current, old } = view;
  const scaling = resize(view, scaledSizes(deployment, current, old));
  if (scaling.length > 0) return { actions: scaling };
  const plan = plainStatus(view, now);
  return { ...plan, actions: [...cleanup(view), ...plan.actions] };
}

const plainStatus = ({ deployment, current, all }: View, now: number): Plan => ({
  actions: statusUpdate(Deployment, deployment, countedStatus(deployment, current, all, now)),
});

/** Nothing to move: clean up if all is done, and write down where the rollout stands. */
function report(view: View, now: number): Plan {
  const { deployment, current, all } = view;
  const status = rolloutStatus(deployment, current, all, now);
  const done = isComplete(deployment, status);
  const left = done ? undefined : untilDeadline(deployment, status, now);
  return {
    actions: [...(done ? cleanup(view) : []), ...statusUpdate(Deployment, deployment, status)],
    requeueAfterMs: left === undefined ? undefined : soonest([Math.max(left, 0) + 1000]),
  };
}

/** While paused, progress is unknown and no deadline runs. */
function pauseStatus(deployment: Deployment, now: number): Action[] {
  const progress = progressOf(deployment);
  if (deadlineSeconds(deployment) === undefined || progress?.reason === "ProgressDeadlineExceeded") return [];
  const wasPaused = progress?.reason === "DeploymentPaused";
  const isPaused = deployment.spec?.paused === true;
  if (wasPaused === isPaused) return [];
  const conditions = setCondition(
    deployment.status?.conditions,
    isPaused
      ? ["Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"]
      : ["Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"],
    now,
  );
  return statusUpdate(Deployment, deployment, { ...deployment.status, conditions });
}

const sizeChanged = ({ deployment, all }: View): boolean =>
  all.some((set) => {
    const noted = set.metadata.annotations?.[desiredReplicasAnnotation];
    return isActiveSet(set) && noted !== undefined && Number(noted) !== replicasOf(deployment);
  });

/** Keeps annotations and minReadySeconds of the current set in step with the deployment. */
function currentSetUpkeep({ deployment, old }: View, current: ReplicaSet): Action[] {
  const annotations = currentSetAnnotations(deployment, current, nextRevision(old));
  const known = current.metadata.annotations ?? {};
  const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
  const sameAnnotations = Object.entries(annotations).every(([key, value]) => known[key] === value);
  if (sameAnnotations && (current.spec?.minReadySeconds ?? 0) === minReadySeconds) return [];
  const patch = { metadata: { annotations }, spec: { minReadySeconds } };
  return [{ type: "patch", kind: ReplicaSet, object: current, patch }];
}

function ownRevision(deployment: Deployment, revision: bigint): Action[] {
  if (deployment.metadata.annotations?.[revisionAnnotation] === String(revision)) return [];
  const annotations = { [revisionAnnotation]: String(revision) };
  return [{ type: "patch", kind: Deployment, object: deployment, patch: { metadata: { annotations } } }];
}

function makeSet({ namesake }: DeploymentObserved, { deployment, old, all }: View, now: number): Action[] {
  if (namesake) {
    // Another template (or owner) has the name: count the collision, which leads to another hash.
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
    return statusUpdate(Deployment, deployment, { ...deployment.status, collisionCount });
  }
  const size = grownSize(deployment, all, 0);
  const revision = nextRevision(old);
  const name = newSetName(deployment);
  const progress = (status: string, reason: string, message: string): Action[] => {
    if (deadlineSeconds(deployment) === undefined) return [];
    const counted = countedStatus(deployment, undefined, all, now);
    counted.conditions = setCondition(counted.conditions, ["Progressing", status, reason, message], now);
    return statusUpdate(Deployment, deployment, counted);
  };
  return [
    {
      type: "create",
      kind: ReplicaSet,
      object: newSet(deployment, revision, size),
      onError: (error) =>
        progress("False", "FailedCreate", `Failed to create new replica set "${name}": ${error.message}`),
    },
    ...(size > 0 ? [scalingEvent(deployment, name, 0, size)] : []),
    ...progress("True", "NewReplicaSetCreated", `Created new replica set "${name}"`),
    ...ownRevision(deployment, revision),
  ];
}

function resize({ deployment, all }: View, sizes: Sizes): Action[] {
  return all.flatMap((set): Action[] => {
    const size = sizes.get(set.metadata.name);
    if (size === undefined) return [];
    const annotations = sizeAnnotations(deployment);
    const noted = Object.entries(annotations).every(([key, value]) => set.metadata.annotations?.[key] === value);
    const before = replicasOf(set);
    if (size === before && noted) return [];
    const patch = { metadata: { annotations }, spec: { replicas: size } };
    const write: Action = { type: "patch", kind: ReplicaSet, object: set, patch };
    return size === before ? [write] : [write, scalingEvent(deployment, set.metadata.name, before, size)];
  });
}

function scalingEvent(deployment: Deployment, set: string, from: number, to: number): Action {
  const message = `Scaled ${to > from ? "up" : "down"} replica set ${set} from ${from} to ${to}`;
  return event(deployment, "Normal", "ScalingReplicaSet", message);
}

/** Deletes the oldest empty sets beyond the history limit. */
function cleanup({ deployment, old }: View): Action[] {
  const limit = deployment.spec?.revisionHistoryLimit;
  if (limit === undefined) return [];
  const candidates = old.filter((set) => !isTerminating(set));
  const surplus = candidates.length - limit;
  if (surplus <= 0) return [];
  const settled = ({ status, spec, metadata }: ReplicaSet) =>
    (status?.replicas ?? 0) === 0 &&
    spec?.replicas === 0 &&
    (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
  return candidates
    .sort((a, b) => Number(revisionOf(a) - revisionOf(b)))
    .slice(0, surplus)
    .filter(settled)
    .map((set) => ({ type: "delete", kind: ReplicaSet, object: set }));
}
