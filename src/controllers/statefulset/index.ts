// The StatefulSet controller: what it watches and looks at; decide.ts decides.
import { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet } from "../../kinds/index.ts";
import { claim, controlledBy, ownershipIndexes, ownsSelected } from "../common/ownership.ts";
import { defineController, owns, type Caches } from "../framework/controller.ts";
import { decideStatefulSet, type StatefulSetObserved } from "./decide.ts";
import { claimNames, firstOrdinal, isInRange, ordinalOf } from "./identity.ts";

function volumeClaims(caches: Caches, set: StatefulSet, pods: readonly Pod[]): Map<string, PersistentVolumeClaim> {
  const found = new Map<string, PersistentVolumeClaim>();
  if (!set.spec?.volumeClaimTemplates?.length) return found;
  const ordinals = new Set(pods.map((pod) => ordinalOf(set, pod)).filter((ordinal) => ordinal !== undefined));
  for (let ordinal = firstOrdinal(set); isInRange(set, ordinal); ordinal++) ordinals.add(ordinal);
  for (const name of [...ordinals].flatMap((ordinal) => claimNames(set, ordinal))) {
    const object = caches.of(PersistentVolumeClaim).get(`${set.metadata.namespace}/${name}`);
    if (object) found.set(name, object);
  }
  return found;
}

export const statefulSet = defineController<StatefulSetObserved>({
  name: "statefulset-controller",
  primary: StatefulSet,
  watches: [...ownsSelected(StatefulSet, Pod, ({ spec }) => spec?.selector), owns(ControllerRevision)],
  indexes: [...ownershipIndexes(Pod), ...ownershipIndexes(ControllerRevision)],
  observe(key, caches) {
    const set = caches.of(StatefulSet).get(key);
    if (!set?.spec) return undefined;
    const { selector } = set.spec;
    const adoptable = (pod: Pod) => ordinalOf(set, pod) !== undefined;
    const pods = claim(caches, { owner: set, ownerKind: StatefulSet, kind: Pod, selector, adoptable });
    return {
      set,
      claim: pods,
      revisions: controlledBy(caches, ControllerRevision, set.metadata.uid),
      volumeClaims: volumeClaims(caches, set, pods.owned),
    };
  },
  decide: decideStatefulSet,
});
