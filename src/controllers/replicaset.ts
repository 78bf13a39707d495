// ReplicaSet and ReplicationController: keep as many pods as asked for.
// Follows kubernetes v1.36 pkg/controller/replicaset (manageReplicas, calculateStatus) and controller_utils.go (ranking).
import type { PodTemplateSpec } from "../kinds/generated/core.v1.ts";
import type { ReplicaSetStatus } from "../kinds/generated/apps.v1.ts";
import { Pod, ReplicaSet, ReplicationController } from "../kinds/index.ts";
import type { Kind } from "../kinds/kind.ts";
import { parseTime } from "../machinery/clock.ts";
import type { StatusError } from "../machinery/errors.ts";
import { controllerOf, type KubeObject } from "../machinery/object.ts";
import { matchesLabels, type LabelSelectorObject } from "../machinery/selector.ts";
import { claim, controlledBy, ownershipIndexes, ownsSelected, type Claim } from "./common/ownership.ts";
import { isActive, isAvailable, isReady, isTerminating, nextAvailability, podFromTemplate } from "./common/pods.ts";
import { statusUpdate, withCondition, withoutCondition } from "./common/status.ts";
import { defineController, type Action, type Caches, type Controller, type Plan } from "./framework/controller.ts";

/** What ReplicaSet and ReplicationController have in common. */
interface Replicated extends KubeObject {
  readonly spec?: { replicas?: number; minReadySeconds?: number; template?: PodTemplateSpec };
  readonly status?: ReplicaSetStatus;
}

export interface ReplicasObserved {
  readonly kind: Kind<Replicated>;
  readonly set: Replicated;
  readonly claim: Claim<Pod>;
  /** Pods of sets with the same owner, for spreading deletions over nodes. */
  readonly relatedPods: readonly Pod[];
}

/** Creations or deletions in one round. */
const burst = 500;
const deletionCost = "controller.kubernetes.io/pod-deletion-cost";

export function decideReplicas(observed: ReplicasObserved, now: number): Plan {
  const { kind, set } = observed;
  const { owned, changes } = observed.claim;
  if (changes.length > 0) return { actions: changes };
  const active = owned.filter(isActive);
  const missing = isTerminating(set) ? 0 : (set.spec?.replicas ?? 1) - active.length;
  const requeueAfterMs = nextAvailability(active, set.spec?.minReadySeconds ?? 0, now);
  if (missing === 0) {
    const status = replicasStatus(set, owned, now);
    status.conditions = withoutCondition(status.conditions, "ReplicaFailure");
    return { actions: statusUpdate(kind, set, status), requeueAfterMs };
  }
  const actions = missing > 0 ? creations(observed, missing, now) : deletions(observed, active, -missing, now);
  return { actions, requeueAfterMs };
}

function creations({ kind, set, claim: { owned } }: ReplicasObserved, missing: number, now: number): Action[] {
  const object = podFromTemplate(set, set.spec?.template ?? {});
  const onError = (error: StatusError): Action[] => {
    const status = replicasStatus(set, owned, now);
    const failure = { type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: error.message };
    status.conditions = withCondition(status.conditions, failure, { now });
    return statusUpdate(kind, set, status);
  };
  const create: Action = { type: "create", kind: Pod, object, announce: set, onError };
  return Array.from({ length: Math.min(missing, burst) }, () => create);
}

function deletions(observed: ReplicasObserved, active: readonly Pod[], surplus: number, now: number): Action[] {
  const ranked = rankForDeletion(active, observed.relatedPods, now);
  return ranked
    .slice(0, Math.min(surplus, burst))
    .map((pod) => ({ type: "delete", kind: Pod, object: pod, announce: observed.set }));
}

const phaseRank: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };

/** Pods in the order in which they can be spared: not running first, crowded nodes before others, young before old. */
export function rankForDeletion(pods: readonly Pod[], related: readonly Pod[], now: number): Pod[] {
  const perNode = new Map<string, number>();
  for (const pod of related) {
    const node = pod.spec?.nodeName;
    if (node && isActive(pod)) perNode.set(node, (perNode.get(node) ?? 0) + 1);
  }
  const facts = (pod: Pod): number[] => {
    const ready = isReady(pod);
    const condition = pod.status?.conditions?.find(({ type }) => type === "Ready");
    const restarts = (pod.status?.containerStatuses ?? []).map(({ restartCount }) => restartCount);
    return [
      pod.spec?.nodeName ? 1 : 0,
      phaseRank[pod.status?.phase ?? ""] ?? 0,
      ready ? 1 : 0,
      Number(pod.metadata.annotations?.[deletionCost] ?? 0) || 0,
      -(perNode.get(pod.spec?.nodeName ?? "") ?? 0),
      ready ? ageBucket(parseTime(condition?.lastTransitionTime), now) : 0,
      -Math.max(0, ...restarts),
      ageBucket(parseTime(pod.metadata.creationTimestamp), now),
    ];
  };
  return pods
    .map((pod) => ({ pod, order: facts(pod) }))
    .sort((a, b) => compareLists(a.order, b.order) || (a.pod.metadata.uid < b.pod.metadata.uid ? -1 : 1))
    .map(({ pod }) => pod);
}

/** Ages that differ by less than a factor of two count as the same, so that no zone's pods are always the youngest. */
const ageBucket = (since: number, now: number): number =>
  Number.isNaN(since) || now <= since ? 0 : Math.floor(Math.log2((now - since) / 1000 + 1)) + 1;

function compareLists(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return 0;
}

export function replicasStatus(set: Replicated, owned: readonly Pod[], now: number): ReplicaSetStatus {
  const active = owned.filter(isActive);
  const templateLabels = set.spec?.template?.metadata?.labels;
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  return {
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) =>
      matchesLabels({ matchLabels: templateLabels ?? {} }, pod.metadata.labels),
    ).length,
    readyReplicas: active.filter(isReady).length,
    availableReplicas: active.filter((pod) => isAvailable(pod, minReadySeconds, now)).length,
    ...(set.kind === "ReplicaSet" ? { terminatingReplicas: owned.filter(isTerminating).length } : {}),
    ...(set.metadata.generation === undefined ? {} : { observedGeneration: set.metadata.generation }),
    ...(set.status?.conditions ? { conditions: set.status.conditions } : {}),
  };
}

function replicationOf<T extends Replicated>(
  kind: Kind<T>,
  selectorOf: (set: T) => LabelSelectorObject | undefined,
): Controller {
  const relatedPods = (caches: Caches, set: T): readonly Pod[] => {
    const owner = controllerOf(set);
    if (!owner) return controlledBy(caches, Pod, set.metadata.uid);
    const siblings = controlledBy(caches, kind, owner.uid);
    return siblings.flatMap((sibling) => controlledBy(caches, Pod, sibling.metadata.uid));
  };
  return defineController<ReplicasObserved>({
    name: `${kind.singular}-controller`,
    primary: kind,
    watches: ownsSelected(kind, Pod, selectorOf),
    indexes: [...ownershipIndexes(Pod), ...ownershipIndexes(kind)],
    observe(key, caches) {
      const set = caches.of(kind).get(key);
      if (!set) return undefined;
      return {
        kind: kind as unknown as Kind<Replicated>,
        set,
        claim: claim(caches, { owner: set, ownerKind: kind, kind: Pod, selector: selectorOf(set) }),
        relatedPods: relatedPods(caches, set),
      };
    },
    decide: decideReplicas,
  });
}

export const replicaSet = replicationOf(ReplicaSet, (set) => set.spec?.selector);

export const replicationController = replicationOf(ReplicationController, (set) =>
  set.spec?.selector ? { matchLabels: set.spec.selector } : undefined,
);
