// PersistentVolumeClaim: a request for storage.
import type * as core from "../generated/core.v1.ts";
import { ageColumn, column, nameColumn, wideColumn } from "../columns.ts";
import { validateClaim, validateClaimUpdate } from "./persistent-volume-claim-validation.ts";
import { accessModesText, storageClassOf } from "./storage.ts";
import { defineKind } from "../kind.ts";

export type PersistentVolumeClaim = core.PersistentVolumeClaim;

export const PersistentVolumeClaim = defineKind<PersistentVolumeClaim>("v1", "PersistentVolumeClaim", {
  shortNames: ["pvc"],
  subresources: { status: true },
  columns: [
    nameColumn,
    column("Status", (claim) => (claim.metadata.deletionTimestamp ? "Terminating" : (claim.status?.phase ?? ""))),
    column("Volume", (claim) => claim.spec?.volumeName ?? ""),
    column("Capacity", (claim) => (claim.spec?.volumeName ? (claim.status?.capacity?.storage ?? "0") : "")),
    column("Access Modes", (claim) => (claim.spec?.volumeName ? accessModesText(claim.status?.accessModes) : "")),
    column("StorageClass", (claim) => storageClassOf(claim)),
    column("VolumeAttributesClass", (claim) => claim.spec?.volumeAttributesClassName ?? "<unset>"),
    ageColumn,
    wideColumn("VolumeMode", (claim) => claim.spec?.volumeMode ?? "<unset>"),
  ],
  defaults: (draft) => {
    if (!draft.status?.phase) draft.status = { ...draft.status, phase: "Pending" };
    if (draft.spec) draft.spec.volumeMode ??= "Filesystem";
  },
  prepareForCreate: (draft) => {
    draft.status = { phase: "Pending" };
    const spec = draft.spec;
    if (!spec) return;
    // The two names of the data source say the same, unless the newer one points into another namespace.
    if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = { ...spec.dataSource };
    else if (spec.dataSourceRef && !spec.dataSource && !spec.dataSourceRef.namespace) {
      spec.dataSource = { ...spec.dataSourceRef };
    }
  },
  validate: validateClaim,
  validateUpdate: validateClaimUpdate,
});
