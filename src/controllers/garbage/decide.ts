// What becomes of an object whose owners went or are going.
// Follows kubernetes v1.36 pkg/controller/garbagecollector (attemptToDeleteItem, orphanDependents).
import type { KubeObject, OwnerReference } from "../../machinery/object.ts";

const foregroundFinalizer = "foregroundDeletion";
const orphanFinalizer = "orphan";

/** How an owner stands: here to stay, gone, or waiting for its dependents to go first. */
export type OwnerState = "solid" | "absent" | "waiting";

export const isWaitingForDependents = ({ metadata }: KubeObject): boolean =>
  metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).includes(foregroundFinalizer);

export const isOrphaning = ({ metadata }: KubeObject): boolean =>
  metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).includes(orphanFinalizer);

export interface GarbageObserved {
  readonly object: KubeObject;
  /** State of each owner reference, in order. */
  readonly owners: readonly OwnerState[];
  readonly dependents: readonly KubeObject[];
}

export type GarbageStep =
  | { readonly type: "delete"; readonly policy: "Background" | "Foreground" | "Orphan" }
  /** Write these owner references. */
  | { readonly type: "setOwners"; readonly owners: readonly OwnerReference[] }
  | { readonly type: "removeFinalizer"; readonly finalizer: string }
  /** Take the object out of the owner references of its dependents. */
  | { readonly type: "releaseDependents" }
  /** Look at the dependents: the object waits for them. */
  | { readonly type: "wakeDependents" };

export function decideGarbage({ object, owners, dependents }: GarbageObserved): readonly GarbageStep[] {
  if (isOrphaning(object)) {
    return [{ type: "releaseDependents" }, { type: "removeFinalizer", finalizer: orphanFinalizer }];
  }
  if (isWaitingForDependents(object)) {
    const blocking = dependents.some((dependent) => blocks(dependent, object));
    return blocking ? [{ type: "wakeDependents" }] : [{ type: "removeFinalizer", finalizer: foregroundFinalizer }];
  }
  if (object.metadata.deletionTimestamp !== undefined || owners.length === 0) return [];
  const references = object.metadata.ownerReferences ?? [];
  if (owners.includes("solid")) {
    const kept = references.filter((_, i) => owners[i] === "solid");
    return kept.length === references.length ? [] : [{ type: "setOwners", owners: kept }];
  }
  if (owners.includes("waiting") && dependents.length > 0) {
    // Two objects that own and block each other would wait for each other for ever.
    const cycle = dependents.some(isWaitingForDependents);
    const unblocked = references.map((reference) => ({ ...reference, blockOwnerDeletion: false }));
    return [
      ...(cycle ? [{ type: "setOwners", owners: unblocked } as const] : []),
      { type: "delete", policy: "Foreground" },
    ];
  }
  return [{ type: "delete", policy: policyOf(object) }];
}

function blocks(dependent: KubeObject, owner: KubeObject): boolean {
  const references = dependent.metadata.ownerReferences ?? [];
  return references.some(({ uid, blockOwnerDeletion }) => uid === owner.metadata.uid && blockOwnerDeletion === true);
}

/** Finalizers that are there before the deletion say what was wanted. */
function policyOf({ metadata: { finalizers = [] } }: KubeObject): "Background" | "Foreground" | "Orphan" {
  if (finalizers.includes(orphanFinalizer)) return "Orphan";
  return finalizers.includes(foregroundFinalizer) ? "Foreground" : "Background";
}
