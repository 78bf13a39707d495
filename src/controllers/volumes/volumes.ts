// The life of volumes: free, bound, released; and what becomes of their data.
// Follows kubernetes v1.36 pkg/controller/volume/persistentvolume/pv_controller.go (syncVolume, reclaimVolume).
import { PersistentVolume, PersistentVolumeClaim } from "../../kinds/index.ts";
import {
  defineController,
  maps,
  nothing,
  patchStatus,
  type Action,
  type Controller,
  type Plan,
} from "../framework/controller.ts";
import { boundByController } from "./claims.ts";
import { localProvisioner, provisionedBy } from "./provision.ts";

export interface VolumeObserved {
  readonly volume: PersistentVolume;
  /** The claim that the volume refers to, whatever its uid. */
  readonly claim: PersistentVolumeClaim | undefined;
  /** Removes the data of a local volume. */
  readonly removeData: (volume: PersistentVolume) => Promise<void>;
}

function phase(volume: PersistentVolume, wanted: string, message?: string): Action[] {
  const { status } = volume;
  if (status?.phase === wanted && status.message === message) return [];
  return [patchStatus(PersistentVolume, volume, { phase: wanted, message: message ?? null })];
}

function decideVolume({ volume, claim, removeData }: VolumeObserved): Plan {
  const reference = volume.spec?.claimRef;
  if (!reference?.uid) return { actions: phase(volume, "Available") };
  if (claim?.metadata.uid !== reference.uid) return { actions: reclaim(volume, removeData) };
  const { volumeName } = claim.spec ?? {};
  if (volumeName === volume.metadata.name) return { actions: phase(volume, "Bound") };
  // The claim is about to be bound: to this volume, as the claims' side says.
  if (!volumeName) return nothing;
  // The claim went to another volume.
  const ours = volume.metadata.annotations?.[boundByController] !== undefined;
  const dynamic = volume.metadata.annotations?.[provisionedBy] !== undefined;
  if (dynamic && volume.spec?.persistentVolumeReclaimPolicy === "Delete")
    return { actions: reclaim(volume, removeData) };
  const claimRef = ours ? null : { uid: null, resourceVersion: null };
  const annotations = { [boundByController]: null };
  const patch = { metadata: { annotations, resourceVersion: volume.metadata.resourceVersion }, spec: { claimRef } };
  return { actions: [{ type: "patch", kind: PersistentVolume, object: volume, patch }] };
}

function reclaim(volume: PersistentVolume, removeData: VolumeObserved["removeData"]): Action[] {
  const policy = volume.spec?.persistentVolumeReclaimPolicy ?? "Retain";
  if (policy === "Recycle") return phase(volume, "Failed", "the reclaim policy Recycle is not supported");
  const ours = volume.metadata.annotations?.[provisionedBy] === localProvisioner;
  const released = volume.status?.phase === "Failed" ? [] : phase(volume, "Released");
  // Volumes of other provisioners are theirs to delete.
  if (policy !== "Delete" || !ours) return released;
  if (volume.metadata.deletionTimestamp) return released;
  return [
    ...released,
    { type: "effect", run: () => removeData(volume) },
    { type: "delete", kind: PersistentVolume, object: volume },
  ];
}

export const persistentVolumes = (removeData: VolumeObserved["removeData"]): Controller =>
  defineController<VolumeObserved>({
    name: "persistentvolume-binder-controller",
    primary: PersistentVolume,
    watches: [
      maps(PersistentVolumeClaim, ({ metadata, spec }, caches) => {
        const referring = caches.of(PersistentVolume).byIndex("claim", `${metadata.namespace}/${metadata.name}`);
        const names = referring.map((volume) => volume.metadata.name);
        return spec?.volumeName ? [...names, spec.volumeName] : names;
      }),
    ],
    indexes: [
      {
        kind: PersistentVolume,
        name: "claim",
        valuesOf: ({ spec }: PersistentVolume) =>
          spec?.claimRef ? [`${spec.claimRef.namespace}/${spec.claimRef.name}`] : [],
      },
    ],
    observe(key, caches) {
      const volume = caches.of(PersistentVolume).get(key);
      if (!volume) return undefined;
      const reference = volume.spec?.claimRef;
      const claim = reference && caches.of(PersistentVolumeClaim).get(`${reference.namespace}/${reference.name}`);
      return { volume, claim, removeData };
    },
    decide: decideVolume,
  });
