// What persistent volumes and claims have in common.
import type { PersistentVolume, PersistentVolumeClaim } from "../generated/core.v1.ts";

const shortModes: Readonly<Record<string, string>> = {
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOncePod: "RWOP",
};

export const accessModes: readonly string[] = Object.keys(shortModes);

/** `RWO,ROX`, each once, in a fixed order. */
export const accessModesText = (modes: readonly string[] | undefined): string =>
  accessModes
    .filter((mode) => modes?.includes(mode))
    .map((mode) => shortModes[mode]!)
    .join(",");

const classAnnotation = "volume.beta.kubernetes.io/storage-class";

/** Name of the storage class, by the annotation of old or the field; "" when there is none. */
export const storageClassOf = ({ metadata, spec }: PersistentVolume | PersistentVolumeClaim): string =>
  metadata.annotations?.[classAnnotation] ?? spec?.storageClassName ?? "";
