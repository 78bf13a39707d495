// PersistentVolume: a piece of storage.
import type * as core from "../generated/core.v1.ts";
import { ageColumn, column, nameColumn, wideColumn } from "../columns.ts";
import { accessModesText, storageClassOf } from "./storage.ts";
import { validatePersistentVolume, validatePersistentVolumeUpdate } from "./persistent-volume-validation.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

export type PersistentVolume = core.PersistentVolume;

export const PersistentVolume = defineKind<PersistentVolume>("v1", "PersistentVolume", {
  namespaced: false,
  shortNames: ["pv"],
  subresources: { status: true },
  columns: [
    nameColumn,
    column("Capacity", (volume) => volume.spec?.capacity?.storage ?? "0"),
    column("Access Modes", (volume) => accessModesText(volume.spec?.accessModes)),
    column("Reclaim Policy", (volume) => volume.spec?.persistentVolumeReclaimPolicy ?? ""),
    column("Status", (volume) => (volume.metadata.deletionTimestamp ? "Terminating" : (volume.status?.phase ?? ""))),
    column("Claim", ({ spec }) =>
      spec?.claimRef ? `${spec.claimRef.namespace ?? ""}/${spec.claimRef.name ?? ""}` : "",
    ),
    column("StorageClass", (volume) => storageClassOf(volume)),
    column("VolumeAttributesClass", (volume) => volume.spec?.volumeAttributesClassName ?? "<unset>"),
    column("Reason", (volume) => volume.status?.reason ?? ""),
    ageColumn,
    wideColumn("VolumeMode", (volume) => volume.spec?.volumeMode ?? "<unset>"),
  ],
  defaults: (draft) => {
    if (!draft.status?.phase) draft.status = { ...draft.status, phase: "Pending" };
    if (!draft.spec) return;
    draft.spec.persistentVolumeReclaimPolicy ||= "Retain";
    draft.spec.volumeMode ??= "Filesystem";
    if (draft.spec.hostPath) draft.spec.hostPath.type ??= "";
    if (draft.spec.iscsi) draft.spec.iscsi.iscsiInterface ||= "default";
  },
  prepareForCreate: statusAtFirst({ phase: "Pending" }),
  validate: validatePersistentVolume,
  validateUpdate: validatePersistentVolumeUpdate,
});
