// Adoption and release: which objects a selector-based owner holds.
// Follows kubernetes v1.36 pkg/controller/controller_ref_manager.go (rules of ClaimObject).
import type { Kind } from "../../kinds/kind.ts";
import { matchesLabels, type LabelSelectorObject } from "../../machinery/selector.ts";
import { controllerOf, controllerReference, keyOf, type KubeObject, type ObjectKey } from "../../machinery/object.ts";
import { maps, owns, type Action, type Caches, type Index, type Watch } from "../framework/controller.ts";
import type { AnyKind } from "../../kinds/registry.ts";

const byController = "controller";
const orphans = "orphans";

/** The indexes that `claim` needs on the owned kind. */
export const ownershipIndexes = (kind: AnyKind): Index[] => [
  { kind, name: byController, valuesOf: (object: KubeObject) => [controllerOf(object)?.uid ?? ""] },
  {
    kind,
    name: orphans,
    valuesOf: (object: KubeObject) => (controllerOf(object) ? [] : [object.metadata.namespace ?? ""]),
  },
];

/** Objects whose controlling owner has this uid. Needs `ownershipIndexes`. */
export const controlledBy = <T extends KubeObject>(caches: Caches, kind: Kind<T>, uid: string): readonly T[] =>
  caches.of(kind).byIndex(byController, uid);

/** Wakes up the owner of an object; an object without owner wakes up whoever selects it. */
export function ownsSelected<T extends KubeObject>(
  owner: Kind<T>,
  owned: AnyKind,
  selectorOf: (owner: T) => LabelSelectorObject | undefined,
): Watch[] {
  const wakeSelecting = (object: KubeObject, caches: Caches): ObjectKey[] => {
    if (controllerOf(object)) return [];
    return caches
      .of(owner)
      .list(object.metadata.namespace)
      .filter((candidate) => matchesLabels(selectorOf(candidate), object.metadata.labels))
      .map(keyOf);
  };
  return [owns(owned), maps(owned, wakeSelecting)];
}

export interface Claim<T> {
  readonly owned: readonly T[];
  /** Patches that adopt and release; after them the claim is another one, so nothing else should be decided yet. */
  readonly changes: readonly Action[];
}

/** What the owner holds, and what it has to adopt (matching orphans) and to release (owned, no longer matching). */
export function claim<T extends KubeObject>(
  caches: Caches,
  { owner, ownerKind, kind, selector, adoptable = () => true }: OwnerAndOwned<T>,
): Claim<T> {
  const owned: T[] = [];
  const changes: Action[] = [];
  const leaving = owner.metadata.deletionTimestamp !== undefined;
  for (const object of controlledBy(caches, kind, owner.metadata.uid)) {
    if (matchesLabels(selector, object.metadata.labels)) owned.push(object);
    else if (!leaving) changes.push(release(kind, object, owner));
  }
  if (leaving) return { owned, changes };
  for (const object of caches.of(kind).byIndex(orphans, owner.metadata.namespace ?? "")) {
    if (object.metadata.deletionTimestamp !== undefined || !adoptable(object)) continue;
    if (matchesLabels(selector, object.metadata.labels)) {
      changes.push(adopt(kind, object, ownerKind, owner));
    }
  }
  return { owned, changes };
}

export interface OwnerAndOwned<T extends KubeObject> {
  readonly owner: KubeObject;
  readonly ownerKind: AnyKind;
  readonly kind: Kind<T>;
  readonly selector: LabelSelectorObject | undefined;
  /** What else an orphan must be like, besides matching the selector. */
  readonly adoptable?: (object: T) => boolean;
}

function adopt(kind: AnyKind, object: KubeObject, ownerKind: AnyKind, owner: KubeObject): Action {
  const ownerReferences = [...(object.metadata.ownerReferences ?? []), controllerReference(owner)];
  // The owner may be gone already; an adopted object would then be collected as garbage.
  return { ...ownersPatch(kind, object, ownerReferences), confirm: { kind: ownerKind, object: owner } };
}

function release(kind: AnyKind, object: KubeObject, owner: KubeObject): Action {
  const rest = (object.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner.metadata.uid);
  return ownersPatch(kind, object, rest);
}

function ownersPatch(kind: AnyKind, object: KubeObject, ownerReferences: unknown[]): Action & { type: "patch" } {
  const { resourceVersion } = object.metadata;
  return { type: "patch", kind, object, patch: { metadata: { ownerReferences, resourceVersion } } };
}
