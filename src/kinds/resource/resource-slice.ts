// ResourceSlice: devices of a node or pool. Follows kubernetes v1.36 pkg/apis/resource/validation/validation.go (ResourceSlice).
import type * as resource from "../generated/resource.v1.ts";
import { invalidValue, path, required, tooMany } from "../../machinery/field.ts";
import { dnsLabelErrors, dnsSubdomainErrors } from "../../machinery/names.ts";
import {
  all,
  allUnchanged,
  among,
  each,
  eachEntry,
  eachUnique,
  type Errors,
  fields,
  named,
  positive,
  present,
  quantityNotNegative,
  unchanged,
} from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { validateNodeSelector } from "../core/pod/validate-affinity.ts";
import { defineKind } from "../kind.ts";
import { driverErrors } from "./claim-spec.ts";

export type ResourceSlice = resource.ResourceSlice;

const maxDevices = 128;
const maxAttributes = 32;
const placements = ["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"] as const;
const valueFields = ["bool", "int", "string", "version", "bools", "ints", "strings", "versions"] as const;

function placementErrors(spec: resource.ResourceSliceSpec): Errors {
  const set = placements.filter((field) => spec[field] !== undefined && spec[field] !== false && spec[field] !== "");
  const names = placements.map((field) => `\`${field}\``).join(", ");
  if (set.length === 0) return [required("spec", `exactly one of ${names} is required`)];
  if (set.length > 1) {
    const given = `{${set.map((field) => `\`${field}\``).join(", ")}}`;
    return [invalidValue("spec", given, `exactly one of ${names} is required, but multiple fields are set`)];
  }
  if (spec.nodeName) return named("spec.nodeName", spec.nodeName, dnsSubdomainErrors);
  return spec.nodeSelector ? validateNodeSelector(spec.nodeSelector, "spec.nodeSelector") : [];
}

function deviceErrors(at: string, device: resource.Device): Errors {
  const entries = Object.keys(device.attributes ?? {}).length + Object.keys(device.capacity ?? {}).length;
  const crowded = `the total number of attributes and capacities must not exceed ${maxAttributes}`;
  return all(
    named(path(at, "name"), device.name, dnsLabelErrors),
    entries > maxAttributes && invalidValue(at, entries, crowded),
    eachEntry(path(at, "attributes"), device.attributes, (here, attribute) => {
      const set = valueFields.filter((field) => attribute[field] !== undefined);
      if (set.length === 0) return required(here, "exactly one value must be specified");
      return set.length > 1 && invalidValue(here, attribute, "exactly one value must be specified");
    }),
    eachEntry(path(at, "capacity"), device.capacity, (here, { value }) =>
      value === undefined ? required(path(here, "value")) : quantityNotNegative(path(here, "value"), value),
    ),
    each(path(at, "taints"), device.taints, (here, taint) =>
      fields(here, taint, { key: present, effect: among(["NoExecute", "NoSchedule", "None"]) }),
    ),
  );
}

function validate({ spec }: ResourceSlice): Errors {
  if (!spec) return [required("spec")];
  const { driver, pool, devices } = spec;
  const count = devices?.length ?? 0;
  return all(
    driverErrors("spec.driver", driver),
    pool?.name
      ? pool.name.split("/").flatMap((part) => named("spec.pool.name", part, dnsSubdomainErrors))
      : required("spec.pool.name"),
    positive("spec.pool.resourceSliceCount", pool?.resourceSliceCount ?? 0),
    placementErrors(spec),
    count > maxDevices && tooMany("spec.devices", count, maxDevices),
    eachUnique("spec.devices", devices, "name", deviceErrors),
  );
}

export const ResourceSlice = defineKind<ResourceSlice>("resource.k8s.io/v1", "ResourceSlice", {
  namespaced: false,
  hasGeneration: true,
  selectableFields: {
    "spec.nodeName": ({ spec }) => spec?.nodeName ?? "",
    "spec.driver": ({ spec }) => spec?.driver ?? "",
  },
  columns: [
    nameColumn,
    column("Node", ({ spec }) => spec?.nodeName || (spec?.allNodes ? "<all>" : "<unset>")),
    column("Driver", ({ spec }) => spec?.driver ?? ""),
    column("Pool", ({ spec }) => spec?.pool?.name ?? ""),
    ageColumn,
  ],
  validate,
  validateUpdate: ({ spec }, { spec: old }) => [
    ...allUnchanged("spec", spec, old, ["nodeName", "driver"]),
    ...unchanged("spec.pool.name", spec?.pool?.name, old?.pool?.name),
  ],
});
