// DeviceClass: names a selection of devices. Follows kubernetes v1.36 pkg/apis/resource/validation/validation.go (DeviceClass).
import type * as resource from "../generated/resource.v1.ts";
import { path } from "../../machinery/field.ts";
import { qualifiedNameErrors } from "../../machinery/names.ts";
import { each, optionallyNamed } from "../checks.ts";
import { ageColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { opaqueErrors, selectorsErrors } from "./claim-spec.ts";

export type DeviceClass = resource.DeviceClass;

export const DeviceClass = defineKind<DeviceClass>("resource.k8s.io/v1", "DeviceClass", {
  namespaced: false,
  hasGeneration: true,
  columns: [nameColumn, ageColumn],
  validate: ({ spec }) => [
    ...selectorsErrors(spec?.selectors, "spec.selectors"),
    ...each(path("spec", "config"), spec?.config, (at, { opaque }) => opaqueErrors(opaque, at)),
    ...optionallyNamed("spec.extendedResourceName", spec?.extendedResourceName, qualifiedNameErrors),
  ],
});
