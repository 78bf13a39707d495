// How many pods of a PodDisruptionBudget may go right now.
// Follows kubernetes v1.36 pkg/controller/disruption/disruption.go (getExpectedPodCount, updatePdbStatus, buildDisruptedPodMap).
import type { PodDisruptionBudgetStatus } from "../kinds/generated/policy.v1.ts";
import {
  Deployment,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from "../kinds/index.ts";
import { formatTime, parseTime } from "../machinery/clock.ts";
import { controllerOf, keyOf, type KubeObject } from "../machinery/object.ts";
import { matchesLabels } from "../machinery/selector.ts";
import { resolveIntOrPercent } from "./common/int-or-percent.ts";
import { isActive, isReady, isTerminating, soonest } from "./common/pods.ts";
import { statusUpdate, withCondition } from "./common/status.ts";
import { defineController, maps, type Caches, type Plan } from "./framework/controller.ts";
import type { AnyKind } from "../kinds/registry.ts";

export interface BudgetObserved {
  readonly budget: PodDisruptionBudget;
  readonly pods: readonly Pod[];
  /** Sizes of the owners of the pods, or why they cannot be told. */
  readonly scale: number | { readonly problem: string };
}

/** An eviction that has led to no deletion after so long is forgotten. */
const evictionTimeoutMs = 120_000;

type Expectation = { readonly expected: number; readonly desired: number } | { readonly problem: string };

function expectation({ budget, pods, scale }: BudgetObserved): Expectation {
  const { minAvailable, maxUnavailable } = budget.spec ?? {};
  if (maxUnavailable === undefined && typeof minAvailable !== "string") {
    return { expected: pods.length, desired: minAvailable ?? 1 };
  }
  if (typeof scale !== "number") return scale;
  if (maxUnavailable !== undefined) {
    return { expected: scale, desired: Math.max(0, scale - resolveIntOrPercent(maxUnavailable, scale, "up")) };
  }
  return { expected: scale, desired: resolveIntOrPercent(minAvailable, scale, "up") };
}

export function decideBudget(observed: BudgetObserved, now: number): Plan {
  const { budget, pods } = observed;
  const found = expectation(observed);
  const { disrupted, requeueAfterMs } = disruptedPods(budget, pods, now);
  const healthy = pods.filter((pod) => isReady(pod) && !isTerminating(pod) && !(pod.metadata.name in disrupted)).length;
  const known = budget.status;
  const generation = budget.metadata.generation;
  const failed = "problem" in found;
  const desired = failed ? (known?.desiredHealthy ?? 0) : found.desired;
  const expected = failed ? (known?.expectedPods ?? 0) : found.expected;
  const allowed = failed || expected <= 0 ? 0 : Math.max(0, healthy - desired);
  const [status, reason, message] = failed
    ? ["False", "SyncFailed", found.problem]
    : allowed > 0
      ? ["True", "SufficientPods", ""]
      : ["False", "InsufficientPods", ""];
  const condition = { type: "DisruptionAllowed", status: status!, reason: reason!, message: message! };
  const observedGeneration = generation === undefined ? {} : { observedGeneration: generation };
  const next: PodDisruptionBudgetStatus = {
    ...observedGeneration,
    ...(Object.keys(disrupted).length > 0 ? { disruptedPods: disrupted } : {}),
    currentHealthy: healthy,
    desiredHealthy: desired,
    expectedPods: expected,
    disruptionsAllowed: allowed,
    conditions: withCondition(known?.conditions, { ...condition, ...observedGeneration }, { now }),
  };
  return { actions: statusUpdate(PodDisruptionBudget, budget, next), requeueAfterMs };
}

/** Evictions that were granted but are not visible yet: their pods must not be counted as healthy. */
function disruptedPods(budget: PodDisruptionBudget, pods: readonly Pod[], now: number) {
  const byName = new Map(pods.map((pod) => [pod.metadata.name, pod]));
  const disrupted: Record<string, string> = {};
  const waits: number[] = [];
  for (const [name, time] of Object.entries(budget.status?.disruptedPods ?? {})) {
    const pod = byName.get(name);
    const left = parseTime(time) + evictionTimeoutMs - now;
    if (!pod || isTerminating(pod) || left <= 0) continue;
    disrupted[name] = formatTime(parseTime(time));
    waits.push(left);
  }
  return { disrupted, requeueAfterMs: soonest(waits) };
}

const scaledKinds: readonly AnyKind[] = [ReplicaSet, ReplicationController, StatefulSet];

/** Sum of the sizes of all owners; a ReplicaSet's owner is its Deployment. */
function scaleOf(caches: Caches, pods: readonly Pod[]): BudgetObserved["scale"] {
  const sizes = new Map<string, number>();
  for (const pod of pods) {
    const reference = controllerOf(pod);
    const kind = scaledKinds.find((candidate) => candidate.kind === reference?.kind);
    const { namespace, name } = pod.metadata;
    if (!reference || !kind) return { problem: `found no controllers with a scale for pod ${JSON.stringify(name)}` };
    let owner: (KubeObject & { spec?: { replicas?: number } }) | undefined = caches
      .of(kind)
      .get(`${namespace}/${reference.name}`);
    const deployment = owner && controllerOf(owner);
    if (deployment?.kind === Deployment.kind) owner = caches.of(Deployment).get(`${namespace}/${deployment.name}`);
    if (owner) sizes.set(owner.metadata.uid, owner.spec?.replicas ?? 1);
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

const budgetsOf = (namespace: string | undefined, caches: Caches) => caches.of(PodDisruptionBudget).list(namespace);

export const disruptionBudget = defineController<BudgetObserved>({
  name: "disruption-controller",
  primary: PodDisruptionBudget,
  watches: [
    maps(Pod, ({ metadata }, caches) =>
      budgetsOf(metadata.namespace, caches)
        .filter(({ spec }) => matchesLabels(spec?.selector, metadata.labels))
        .map(keyOf),
    ),
    ...[Deployment as AnyKind, ...scaledKinds].map((kind) =>
      maps(kind, ({ metadata }: KubeObject, caches) => budgetsOf(metadata.namespace, caches).map(keyOf)),
    ),
  ],
  observe(key, caches) {
    const budget = caches.of(PodDisruptionBudget).get(key);
    if (!budget) return undefined;
    const pods = caches
      .of(Pod)
      .list(budget.metadata.namespace)
      .filter((pod) => isActiveOrLeaving(pod) && matchesLabels(budget.spec?.selector, pod.metadata.labels));
    return { budget, pods, scale: scaleOf(caches, pods) };
  },
  decide: decideBudget,
});

const isActiveOrLeaving = (pod: Pod): boolean => isActive(pod) || isTerminating(pod);
