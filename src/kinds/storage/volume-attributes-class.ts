// VolumeAttributesClass: changeable attributes of volumes.
// Follows kubernetes v1.36 pkg/apis/storage/validation/validation.go (VolumeAttributesClass).
import type * as storage from "../generated/storage.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { forbiddenField, required } from "../../machinery/field.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { driverNameErrors, parametersErrors } from "./parameters.ts";

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
