// StorageClass and VolumeAttributesClass: how volumes are provisioned, and which of their attributes may change later.
// Follows kubernetes v1.36 pkg/apis/storage/v1/defaults.go and pkg/apis/storage/validation/validation.go.
import type * as storage from "../generated/storage.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { forbiddenField, path, required } from "../../machinery/field.ts";
import { qualifiedNameErrors } from "../../machinery/names.ts";
import { complaints, each, type Errors, named, oneOf, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { driverNameErrors, parametersErrors } from "./csi.ts";

export type StorageClass = storage.StorageClass;

const defaultAnnotations = [
  "storageclass.kubernetes.io/is-default-class",
  "storageclass.beta.kubernetes.io/is-default-class",
];

/** True for the class that claims without a class get. */
const isDefaultClass = ({ metadata }: StorageClass): boolean =>
  defaultAnnotations.some((annotation) => metadata.annotations?.[annotation] === "true");

function topologyErrors(term: NonNullable<StorageClass["allowedTopologies"]>[number], at: string): Errors {
  return each(path(at, "matchLabelExpressions"), term.matchLabelExpressions, (here, { key, values }) => [
    ...complaints(path(here, "key"), key ?? "", qualifiedNameErrors(key ?? "")),
    ...(values?.length ? [] : [required(path(here, "values"))]),
  ]);
}

function validateUpdate(next: StorageClass, old: StorageClass): Errors {
  const fixed = (["parameters", "provisioner", "reclaimPolicy"] as const)
    .filter((field) => !deepEqual(next[field], old[field]))
    .map((field) => forbiddenField(field, `updates to ${field} are forbidden.`));
  return [...fixed, ...unchanged("volumeBindingMode", next.volumeBindingMode, old.volumeBindingMode)];
}

export const StorageClass = defineKind<StorageClass>("storage.k8s.io/v1", "StorageClass", {
  namespaced: false,
  shortNames: ["sc"],
  columns: [
    column("Name", (object) => `${object.metadata.name}${isDefaultClass(object) ? " (default)" : ""}`, {
      format: "name",
    }),
    column("Provisioner", ({ provisioner }) => provisioner),
    column("ReclaimPolicy", ({ reclaimPolicy }) => reclaimPolicy ?? "Delete"),
    column("VolumeBindingMode", ({ volumeBindingMode }) => volumeBindingMode ?? "<unset>"),
    column("AllowVolumeExpansion", ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false),
    ageColumn,
  ],
  defaults: (draft) => {
    draft.reclaimPolicy ??= "Delete";
    draft.volumeBindingMode ??= "Immediate";
  },
  validate: ({ provisioner, parameters, reclaimPolicy, volumeBindingMode, allowedTopologies }) => [
    ...named("provisioner", provisioner, (text) => qualifiedNameErrors(text.toLowerCase())),
    ...parametersErrors(parameters),
    ...oneOf("reclaimPolicy", reclaimPolicy, ["Delete", "Retain"]),
    ...oneOf("volumeBindingMode", volumeBindingMode, ["Immediate", "WaitForFirstConsumer"]),
    ...each("allowedTopologies", allowedTopologies, (at, term) => topologyErrors(term, at)),
  ],
  validateUpdate,
});

export type VolumeAttributesClass = storage.VolumeAttributesClass;

export const VolumeAttributesClass = defineKind<VolumeAttributesClass>("storage.k8s.io/v1", "VolumeAttributesClass", {
  namespaced: false,
  shortNames: ["vac"],
  columns: [nameColumn, column("DriverName", ({ driverName }) => driverName), ageColumn],
  validate: ({ driverName, parameters }) => [
    ...driverNameErrors("driverName", driverName),
    ...(Object.keys(parameters ?? {}).length === 0
      ? [required("parameters", "must contain at least one key/value pair")]
      : parametersErrors(parameters)),
  ],
  validateUpdate: (next, old) =>
    (["driverName", "parameters"] as const)
      .filter((field) => !deepEqual(next[field], old[field]))
      .map((field) => forbiddenField(field, `updates to ${field} are forbidden.`)),
});
