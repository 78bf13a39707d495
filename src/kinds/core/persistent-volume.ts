// PersistentVolume: a piece of storage.
// Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (ValidatePersistentVolume).
import type * as core from "../generated/core.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { forbiddenField, invalidValue, notSupported, required } from "../../machinery/field.ts";
import { dnsLabelErrors, dnsSubdomainErrors } from "../../machinery/names.ts";
import { parseQuantity } from "../../machinery/quantity.ts";
import type { PersistentVolumeSpec } from "../generated/core.v1.ts";
import {
  all,
  allUnchanged,
  backstepErrors,
  type Errors,
  exactlyOne,
  fields,
  list,
  may,
  must,
  named,
  optionallyAmong,
  optionallyOneOf,
  present,
} from "../checks.ts";
import { schemaOf } from "../schema.ts";
import { validateNodeSelector } from "./pod/validate-affinity.ts";
import { accessModes, accessModesText, storageClassOf } from "./storage.ts";
import { ageColumn, column, nameColumn, wideColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

const notSources = new Set([
  "accessModes",
  "capacity",
  "claimRef",
  "mountOptions",
  "nodeAffinity",
  "persistentVolumeReclaimPolicy",
  "storageClassName",
  "volumeAttributesClassName",
  "volumeMode",
]);

const isSource = (field: string) => !notSources.has(field);

/** Names of the sources that are set: one, if the volume is right. */
const sourcesOf = (spec: PersistentVolumeSpec): string[] =>
  Object.keys(schemaOf("core.v1.PersistentVolumeSpec")!.fields).filter(
    (field) => isSource(field) && spec[field as keyof PersistentVolumeSpec] !== undefined,
  );

/** Access modes are given, known, and ReadWriteOncePod stands alone. */
export function validateAccessModes(field: string, modes: readonly string[] | undefined): Errors {
  if (!modes?.length) return [required(field, "at least 1 access mode is required")];
  const errors: Errors = modes
    .filter((mode) => !accessModes.includes(mode))
    .map((mode) => notSupported(field, mode, accessModes.toSorted()));
  if (modes.includes("ReadWriteOncePod") && modes.length > 1) {
    errors.push(forbiddenField(field, "may not use ReadWriteOncePod with other access modes"));
  }
  return errors;
}

function validateCapacity(capacity: Readonly<Record<string, string>> | undefined): Errors {
  const at = "spec.capacity";
  if (!capacity || Object.keys(capacity).length === 0) return [required(at)];
  const size = capacity.storage;
  if (size === undefined || Object.keys(capacity).length > 1) return [notSupported(at, capacity, ["storage"])];
  return parseQuantity(size).nanos > 0n ? [] : [invalidValue(`${at}[storage]`, size, "must be greater than zero")];
}

const pathErrors = (field: string, text = ""): Errors => [...present(field, text), ...backstepErrors(field, text)];

function validateSource(spec: PersistentVolumeSpec): Errors {
  const { hostPath, local, nfs, csi, persistentVolumeReclaimPolicy: policy } = spec;
  return all(
    exactlyOne("spec", sourcesOf(spec), {
      none: "must specify a volume type",
      many: "may not specify more than 1 volume type",
    }),
    hostPath && pathErrors("spec.hostPath.path", hostPath.path),
    hostPath?.path === "/" &&
      policy === "Recycle" &&
      forbiddenField("spec.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'"),
    local && pathErrors("spec.local.path", local.path),
    local && !spec.nodeAffinity && required("spec.nodeAffinity", "Local volume requires node affinity"),
    nfs && fields("spec.nfs", nfs, { server: present, path: present }),
    nfs?.path && !nfs.path.startsWith("/") && invalidValue("spec.nfs.path", nfs.path, "must be an absolute path"),
    csi && fields("spec.csi", csi, { driver: must(dnsSubdomainErrors), volumeHandle: present }),
  );
}

function validatePersistentVolume({ spec }: PersistentVolume): Errors {
  if (!spec) return [required("spec")];
  return fields("spec", spec, {
    accessModes: validateAccessModes,
    capacity: (_, capacity) => validateCapacity(capacity),
    persistentVolumeReclaimPolicy: optionallyAmong(["Delete", "Recycle", "Retain"]),
    storageClassName: may(dnsSubdomainErrors),
    volumeMode: (at, mode) => [...optionallyOneOf(at, mode, ["Block", "Filesystem"]), ...validateSource(spec)],
    nodeAffinity: (at, affinity) =>
      affinity &&
      (affinity.required
        ? validateNodeSelector(affinity.required, `${at}.required`)
        : required(`${at}.required`, "must specify required node constraints")),
    claimRef: (at, reference) => fields(at, reference, { namespace: may(dnsLabelErrors) }),
    volumeAttributesClassName: (at, name) =>
      name !== undefined &&
      all(
        named(at, name, dnsSubdomainErrors),
        !spec.csi && required("spec.csi", "has to be specified when using volumeAttributesClassName"),
      ),
    mountOptions: list((at, option) => present(at, option)),
  });
}

function validatePersistentVolumeUpdate({ spec: next }: PersistentVolume, { spec: old }: PersistentVolume): Errors {
  const sources = (spec = {}) => Object.fromEntries(Object.entries(spec).filter(([field]) => isSource(field)));
  const at = "spec.persistentvolumesource";
  return all(
    allUnchanged("spec", next, old, ["volumeMode"]),
    !deepEqual(sources(next), sources(old)) && forbiddenField(at, `${at} is immutable after creation`),
    old?.nodeAffinity && allUnchanged("spec", next, old, ["nodeAffinity"]),
  );
}

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
