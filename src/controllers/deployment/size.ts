// The arithmetic of rolling updates: how many pods more and fewer than asked for there may be, and who gets how many.
// Follows kubernetes v1.36 pkg/controller/deployment/{rolling,sync}.go and util/deployment_util.go.
import type { Deployment, ReplicaSet } from "../../kinds/index.ts";
import { resolveIntOrPercent } from "../common/int-or-percent.ts";
import { desiredReplicasAnnotation, maxReplicasAnnotation, oldestFirst } from "./revision.ts";

/** Wanted size of a ReplicaSet, by name; sets that are not in it keep theirs. */
export type Sizes = ReadonlyMap<string, number>;

export const replicasOf = (object: Deployment | ReplicaSet): number => object.spec?.replicas ?? 1;
const availableOf = (set: ReplicaSet): number => set.status?.availableReplicas ?? 0;
export const isActiveSet = (set: ReplicaSet): boolean => replicasOf(set) > 0;
export const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);

export const isRolling = (deployment: Deployment): boolean => deployment.spec?.strategy?.type !== "Recreate";

export function maxSurge(deployment: Deployment): number {
  if (!isRolling(deployment)) return 0;
  return resolveIntOrPercent(deployment.spec?.strategy?.rollingUpdate?.maxSurge ?? "25%", replicasOf(deployment), "up");
}

export function maxUnavailable(deployment: Deployment): number {
  const replicas = replicasOf(deployment);
  if (!isRolling(deployment) || replicas === 0) return 0;
  const wanted = deployment.spec?.strategy?.rollingUpdate?.maxUnavailable ?? "25%";
  const allowed = resolveIntOrPercent(wanted, replicas, "down");
  // With neither surge nor unavailability nothing could ever move.
  return Math.min(allowed === 0 && maxSurge(deployment) === 0 ? 1 : allowed, replicas);
}

/** Size of the new set as far as the surge allows. */
export function grownSize(deployment: Deployment, all: readonly ReplicaSet[], current: number): number {
  const wanted = replicasOf(deployment);
  if (!isRolling(deployment)) return wanted;
  const room = wanted + maxSurge(deployment) - sum(all, replicasOf);
  return room <= 0 ? current : current + Math.min(room, wanted - current);
}

/** Sizes of the old sets after one round of scaling down: first what is not available anyway, then as availability allows. */
export function shrunkSizes(deployment: Deployment, newSet: ReplicaSet, oldSets: readonly ReplicaSet[]): Sizes {
  const sizes = new Map<string, number>();
  const all = [...oldSets, newSet];
  const minAvailable = replicasOf(deployment) - maxUnavailable(deployment);
  const newUnavailable = replicasOf(newSet) - availableOf(newSet);
  const spare = sum(all, replicasOf) - minAvailable - newUnavailable;
  if (sum(oldSets, replicasOf) === 0 || spare <= 0) return sizes;
  const ordered = oldestFirst(oldSets);
  const sizeOf = (set: ReplicaSet) => sizes.get(set.metadata.name) ?? replicasOf(set);
  let left = spare;
  for (const set of ordered) {
    const unhealthy = Math.min(left, Math.max(0, replicasOf(set) - availableOf(set)));
    if (unhealthy > 0) sizes.set(set.metadata.name, replicasOf(set) - unhealthy);
    left -= unhealthy;
  }
  left = sum(all, availableOf) - minAvailable;
  for (const set of ordered) {
    const healthy = Math.min(Math.max(0, left), sizeOf(set));
    if (healthy > 0) sizes.set(set.metadata.name, sizeOf(set) - healthy);
    left -= healthy;
  }
  return sizes;
}

/** The only set with pods; if there is none, the new or else the newest; undefined when several have pods. */
function activeOrLatest(newSet: ReplicaSet | undefined, oldSets: readonly ReplicaSet[]): ReplicaSet | undefined {
  const all = newSet ? [...oldSets, newSet] : oldSets;
  const active = all.filter(isActiveSet);
  if (active.length > 1) return undefined;
  return active[0] ?? newSet ?? oldestFirst(oldSets).at(-1);
}

function isSaturated(deployment: Deployment, newSet: ReplicaSet | undefined): boolean {
  const wanted = replicasOf(deployment);
  return (
    newSet !== undefined &&
    replicasOf(newSet) === wanted &&
    Number(newSet.metadata.annotations?.[desiredReplicasAnnotation]) === wanted &&
    availableOf(newSet) === wanted
  );
}

/** Sizes after a change of the deployment's own size: in the middle of a rollout every set gets its share. */
export function scaledSizes(
  deployment: Deployment,
  newSet: ReplicaSet | undefined,
  oldSets: readonly ReplicaSet[],
): Sizes {
  const only = activeOrLatest(newSet, oldSets);
  if (only) return new Map([[only.metadata.name, replicasOf(deployment)]]);
  if (isSaturated(deployment, newSet)) {
    return new Map(oldSets.filter(isActiveSet).map((set) => [set.metadata.name, 0]));
  }
  if (!isRolling(deployment)) return new Map();
  return proportionalSizes(deployment, (newSet ? [...oldSets, newSet] : oldSets).filter(isActiveSet));
}

function proportionalSizes(deployment: Deployment, sets: readonly ReplicaSet[]): Sizes {
  const wanted = replicasOf(deployment);
  const allowed = wanted > 0 ? wanted + maxSurge(deployment) : 0;
  const toAdd = allowed - sum(sets, replicasOf);
  // Largest first; among equals the newest when growing, the oldest when shrinking.
  const byAge = oldestFirst(sets);
  if (toAdd > 0) byAge.reverse();
  const ordered = byAge.sort((a, b) => replicasOf(b) - replicasOf(a));
  const sizes = new Map<string, number>();
  let added = 0;
  for (const set of ordered) {
    const share = Math.trunc(shareOf(deployment, set, toAdd, added));
    added += share;
    sizes.set(set.metadata.name, replicasOf(set) + share);
  }
  const first = ordered[0];
  if (first && toAdd !== 0) {
    sizes.set(first.metadata.name, Math.max(0, sizes.get(first.metadata.name)! + toAdd - added));
  }
  return sizes;
}

function shareOf(deployment: Deployment, set: ReplicaSet, toAdd: number, added: number): number {
  if (replicasOf(set) === 0 || toAdd === 0 || toAdd === added) return 0;
  const allowed = toAdd - added;
  return toAdd > 0 ? Math.min(fractionOf(deployment, set), allowed) : Math.max(fractionOf(deployment, set), allowed);
}

function fractionOf(deployment: Deployment, set: ReplicaSet): number {
  if (replicasOf(deployment) === 0) return -replicasOf(set);
  const before = Number(set.metadata.annotations?.[maxReplicasAnnotation]) || deployment.status?.replicas || 0;
  if (before === 0) return 0;
  return Math.round((replicasOf(set) * (replicasOf(deployment) + maxSurge(deployment))) / before) - replicasOf(set);
}
