// PersistentVolume: a piece of storage.
// Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (ValidatePersistentVolume).
import type * as core from "../generated/core.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { forbiddenField, invalidValue, notSupported, required } from "../../machinery/field.ts";
import { dnsLabelErrors, dnsSubdomainErrors } from "../../machinery/names.ts";
import { parseQuantity } from "../../machinery/quantity.ts";
import type { PersistentVolumeSpec } from "../generated/core.v1.ts";
import {
  backstepErrors,
  each,
  type Errors,
  exactlyOne,
  named,
  optionallyNamed,
  optionallyOneOf,
  present,
  unchanged,
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

function validateSource(spec: PersistentVolumeSpec): Errors {
  const errors = exactlyOne("spec", sourcesOf(spec), {
    none: "must specify a volume type",
    many: "may not specify more than 1 volume type",
  });
  if (spec.hostPath) {
    errors.push(...present("spec.hostPath.path", spec.hostPath.path));
    errors.push(...backstepErrors("spec.hostPath.path", spec.hostPath.path ?? ""));
    if (spec.hostPath.path === "/" && spec.persistentVolumeReclaimPolicy === "Recycle") {
      errors.push(
        forbiddenField("spec.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'"),
      );
    }
  }
  if (spec.local) {
    errors.push(...present("spec.local.path", spec.local.path));
    errors.push(...backstepErrors("spec.local.path", spec.local.path ?? ""));
    if (!spec.nodeAffinity) errors.push(required("spec.nodeAffinity", "Local volume requires node affinity"));
  }
  if (spec.nfs) {
    errors.push(...present("spec.nfs.server", spec.nfs.server), ...present("spec.nfs.path", spec.nfs.path));
    if (spec.nfs.path && !spec.nfs.path.startsWith("/")) {
      errors.push(invalidValue("spec.nfs.path", spec.nfs.path, "must be an absolute path"));
    }
  }
  if (spec.csi) {
    errors.push(...named("spec.csi.driver", spec.csi.driver, dnsSubdomainErrors));
    errors.push(...present("spec.csi.volumeHandle", spec.csi.volumeHandle));
  }
  return errors;
}

function validatePersistentVolume({ spec }: PersistentVolume): Errors {
  if (!spec) return [required("spec")];
  const errors = [
    ...validateAccessModes("spec.accessModes", spec.accessModes),
    ...validateCapacity(spec.capacity),
    ...optionallyOneOf("spec.persistentVolumeReclaimPolicy", spec.persistentVolumeReclaimPolicy, [
      "Delete",
      "Recycle",
      "Retain",
    ]),
    ...optionallyNamed("spec.storageClassName", spec.storageClassName, dnsSubdomainErrors),
    ...optionallyOneOf("spec.volumeMode", spec.volumeMode, ["Block", "Filesystem"]),
    ...validateSource(spec),
  ];
  if (spec.nodeAffinity) {
    const at = "spec.nodeAffinity.required";
    if (!spec.nodeAffinity.required) errors.push(required(at, "must specify required node constraints"));
    else errors.push(...validateNodeSelector(spec.nodeAffinity.required, at));
  }
  if (spec.claimRef?.namespace) {
    errors.push(...named("spec.claimRef.namespace", spec.claimRef.namespace, dnsLabelErrors));
  }
  if (spec.volumeAttributesClassName !== undefined) {
    errors.push(...named("spec.volumeAttributesClassName", spec.volumeAttributesClassName, dnsSubdomainErrors));
    if (!spec.csi) errors.push(required("spec.csi", "has to be specified when using volumeAttributesClassName"));
  }
  errors.push(
    ...each("spec.mountOptions", spec.mountOptions, (at, option) => (option === "" ? present(at, option) : [])),
  );
  return errors;
}

function validatePersistentVolumeUpdate(next: PersistentVolume, old: PersistentVolume): Errors {
  const errors = unchanged("spec.volumeMode", next.spec?.volumeMode, old.spec?.volumeMode);
  const sources = ({ spec }: PersistentVolume) =>
    Object.fromEntries(Object.entries(spec ?? {}).filter(([field]) => isSource(field)));
  if (!deepEqual(sources(next), sources(old))) {
    const text = "spec.persistentvolumesource is immutable after creation";
    errors.push(forbiddenField("spec.persistentvolumesource", text));
  }
  if (old.spec?.nodeAffinity) {
    errors.push(...unchanged("spec.nodeAffinity", next.spec?.nodeAffinity, old.spec.nodeAffinity));
  }
  return errors;
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
