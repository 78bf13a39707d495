// PersistentVolumeClaim: a request for storage.
// Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (ValidatePersistentVolumeClaim and its update).
import type * as core from "../generated/core.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { forbiddenField, invalidValue, path, required } from "../../machinery/field.ts";
import { dnsSubdomainErrors } from "../../machinery/names.ts";
import { compareQuantities, parseQuantity } from "../../machinery/quantity.ts";
import { labelSelectorErrors } from "../../machinery/selector.ts";
import type {
  PersistentVolumeClaimSpec,
  TypedLocalObjectReference,
  TypedObjectReference,
} from "../generated/core.v1.ts";
import { all, type Errors, fields, may, optionallyAmong, present } from "../checks.ts";
import { validateAccessModes } from "./persistent-volume.ts";
import { ageColumn, column, nameColumn, wideColumn } from "../columns.ts";
import { accessModesText, storageClassOf } from "./storage.ts";
import { defineKind } from "../kind.ts";

function validateDataSource(at: string, source: TypedLocalObjectReference | TypedObjectReference | undefined): Errors {
  if (!source) return [];
  const wrong = !source.apiGroup && source.kind !== "PersistentVolumeClaim";
  const text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
  return all(
    present(path(at, "name"), source.name),
    present(path(at, "kind"), source.kind),
    wrong && invalidValue(at, source.kind, text),
  );
}

/** The spec of a claim, of a claim template or of an ephemeral volume, at `at`. */
export function validateClaimSpec(spec: PersistentVolumeClaimSpec, at: string): Errors {
  const size = spec.resources?.requests?.storage;
  const sizeAt = `${at}.resources[storage]`;
  const { dataSource, dataSourceRef } = spec;
  const contradicts =
    dataSource && dataSourceRef && !dataSourceRef.namespace && !deepEqual({ ...dataSource }, { ...dataSourceRef });
  return all(
    fields(at, spec, {
      accessModes: validateAccessModes,
      selector: (field, selector) => labelSelectorErrors(selector, field),
      storageClassName: may(dnsSubdomainErrors),
      volumeMode: optionallyAmong(["Block", "Filesystem"]),
      volumeAttributesClassName: may(dnsSubdomainErrors),
      dataSource: validateDataSource,
      dataSourceRef: validateDataSource,
    }),
    size === undefined && required(sizeAt),
    size !== undefined && parseQuantity(size).nanos <= 0n && invalidValue(sizeAt, size, "must be greater than zero"),
    contradicts && invalidValue(at, "", "must match dataSourceRef"),
  );
}

const validateClaim = (claim: PersistentVolumeClaim): Errors =>
  claim.spec ? validateClaimSpec(claim.spec, "spec") : [required("spec")];

/** The spec without what may change while a claim lives. */
function frozen(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): PersistentVolumeClaimSpec {
  const spec = { ...claim.spec };
  delete spec.resources;
  delete spec.volumeAttributesClassName;
  // A claim is bound once, and a default class may arrive late.
  if (!old.spec?.volumeName) delete spec.volumeName;
  if (old.spec?.storageClassName === undefined) delete spec.storageClassName;
  return spec;
}

function validateClaimUpdate(next: PersistentVolumeClaim, old: PersistentVolumeClaim): Errors {
  const at = "spec.resources.requests.storage";
  const size = next.spec?.resources?.requests?.storage;
  const before = old.spec?.resources?.requests?.storage;
  const resized = size !== undefined && before !== undefined && size !== before;
  const shrunk = () =>
    compareQuantities(size!, before!) < 0 && compareQuantities(size!, old.status?.capacity?.storage ?? "0") <= 0;
  const text =
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
  return all(
    !deepEqual(frozen(next, old), frozen(old, old)) && forbiddenField("spec", text),
    resized &&
      (old.status?.phase !== "Bound"
        ? forbiddenField(at, "only bound claims may change their size")
        : shrunk() && forbiddenField(at, "field can not be less than status.capacity")),
  );
}

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
