// Which existing volume suits a claim.
// Follows kubernetes v1.36 pkg/controller/volume/persistentvolume/index.go and component-helpers/storage/volume (FindMatchingVolume).
import type { Node, PersistentVolume, PersistentVolumeClaim } from "../../kinds/index.ts";
import { compareQuantities } from "../../machinery/quantity.ts";
import { matchesLabels } from "../../machinery/selector.ts";
import { selectorMatchesNode } from "../../kinds/core/node-fit.ts";

export const isClaimOf = (volume: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean => {
  const reference = volume.spec?.claimRef;
  return reference?.namespace === metadata.namespace && reference?.name === metadata.name;
};

/** Bound to this very claim, or reserved for one of its name. */
export const isReservedFor = (volume: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  isClaimOf(volume, claim) && (volume.spec!.claimRef!.uid ?? claim.metadata.uid) === claim.metadata.uid;

/** What is wrong with the pair; undefined when they go together. Node affinity aside. */
export function mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  const { spec } = volume;
  const request = claim.spec?.resources?.requests?.storage;
  if (request && compareQuantities(spec?.capacity?.storage ?? "0", request) < 0) return "requested PV is too small";
  if ((spec?.storageClassName ?? "") !== (claim.spec?.storageClassName ?? "")) return "storageClassName does not match";
  if ((spec?.volumeMode ?? "Filesystem") !== (claim.spec?.volumeMode ?? "Filesystem")) return "incompatible volumeMode";
  const modes = spec?.accessModes ?? [];
  if (!(claim.spec?.accessModes ?? []).every((mode) => modes.includes(mode))) return "incompatible accessMode";
  return undefined;
}

function reaches(volume: PersistentVolume, node: Node): boolean {
  const required = volume.spec?.nodeAffinity?.required;
  return !required || selectorMatchesNode(required.nodeSelectorTerms, node);
}

/** The smallest free volume that suits the claim (and can be used on the node, if one is chosen). */
export function bestVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  node: Node | undefined,
): PersistentVolume | undefined {
  const reserved = volumes.find((volume) => isReservedFor(volume, claim) && !mismatch(volume, claim));
  if (reserved) return reserved;
  const { selector } = claim.spec ?? {};
  const suitable = volumes.filter(
    (volume) =>
      !volume.spec?.claimRef &&
      volume.status?.phase === "Available" &&
      !volume.metadata.deletionTimestamp &&
      !mismatch(volume, claim) &&
      (!selector || matchesLabels(selector, volume.metadata.labels)) &&
      (!node || reaches(volume, node)),
  );
  const size = ({ spec }: PersistentVolume) => spec?.capacity?.storage ?? "0";
  return suitable.sort(
    (a, b) => compareQuantities(size(a), size(b)) || (a.metadata.name < b.metadata.name ? -1 : 1),
  )[0];
}
