// CSIDriver, CSINode and CSIStorageCapacity: what CSI drivers can do, where they run, and the room they have.
// Follows kubernetes v1.36 pkg/apis/storage/v1/defaults.go and pkg/apis/storage/validation/validation.go.
import type * as storage from "../generated/storage.v1.ts";
import { duplicate, invalidValue, path, required, tooLong } from "../../machinery/field.ts";
import { dnsSubdomainErrors, qualifiedNameErrors } from "../../machinery/names.ts";
import {
  all,
  allUnchanged,
  complaints,
  each,
  eachUnique,
  type Errors,
  fields,
  list,
  named,
  notNegative,
  oneOf,
  optionallyOneOf,
  present,
  quantityNotNegative,
  repeats,
} from "../checks.ts";
import { ageColumn, column, listOrNone, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { labelSelectorErrors } from "../../machinery/selector.ts";

const maxParameters = 512;
const maxParametersBytes = 256 * 1024;
const maxDriverNameLength = 63;

/** Parameters of a class: named, few and short. */
export function parametersErrors(parameters: Readonly<Record<string, string>> | undefined): Errors {
  const entries = Object.entries(parameters ?? {});
  const errors: Errors = [];
  if (entries.length > maxParameters) errors.push(tooLong("parameters", maxParameters));
  if (entries.some(([key]) => key === "")) {
    errors.push(invalidValue("parameters", "", "field can not be empty."));
  }
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (bytes > maxParametersBytes) errors.push(tooLong("parameters", maxParametersBytes));
  return errors;
}

/** The name of a CSI driver. */
export function driverNameErrors(field: string, name: string | undefined): Errors {
  if (!name) return [required(field)];
  const errors = named(field, name.toLowerCase(), dnsSubdomainErrors);
  return name.length > maxDriverNameLength ? [...errors, tooLong(field, maxDriverNameLength)] : errors;
}

export type CSIDriver = storage.CSIDriver;

const shortestTokenSeconds = 600;
const longestTokenSeconds = 2 ** 32;

function tokenRequestErrors(requests: readonly storage.TokenRequest[] | undefined): Errors {
  return eachUnique("spec.tokenRequests", requests, "audience", (at, { expirationSeconds }) => {
    const field = path(at, "expirationSeconds");
    if (expirationSeconds === undefined) return [];
    if (expirationSeconds < shortestTokenSeconds) {
      return invalidValue(field, expirationSeconds, "may not specify a duration less than 10 minutes");
    }
    const text = "may not specify a duration larger than 2^32 seconds";
    return expirationSeconds > longestTokenSeconds && invalidValue(field, expirationSeconds, text);
  });
}

export const CSIDriver = defineKind<CSIDriver>("storage.k8s.io/v1", "CSIDriver", {
  namespaced: false,
  hasGeneration: true,
  columns: [
    nameColumn,
    column("AttachRequired", ({ spec }) => spec?.attachRequired ?? true, { type: "boolean" }),
    column("PodInfoOnMount", ({ spec }) => spec?.podInfoOnMount ?? false, { type: "boolean" }),
    column("StorageCapacity", ({ spec }) => spec?.storageCapacity ?? false, { type: "boolean" }),
    column("TokenRequests", ({ spec }) =>
      spec?.tokenRequests?.length ? spec.tokenRequests.map(({ audience }) => audience).join(",") : "<unset>",
    ),
    column("RequiresRepublish", ({ spec }) => spec?.requiresRepublish ?? false, { type: "boolean" }),
    column("Modes", ({ spec }) => listOrNone(spec?.volumeLifecycleModes ?? [])),
    ageColumn,
  ],
  defaults: ({ spec }) => {
    if (!spec) return;
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= "ReadWriteOnceWithFSType";
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ["Persistent"];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  validate: ({ metadata, spec }) => [
    ...driverNameErrors("metadata.name", metadata.name),
    ...(spec ? [] : [required("spec")]),
    ...each("spec.volumeLifecycleModes", spec?.volumeLifecycleModes, (at, mode) =>
      oneOf(at, mode, ["Ephemeral", "Persistent"]),
    ),
    ...optionallyOneOf("spec.fsGroupPolicy", spec?.fsGroupPolicy, ["File", "None", "ReadWriteOnceWithFSType"]),
    ...tokenRequestErrors(spec?.tokenRequests),
  ],
  validateUpdate: (next, old) => allUnchanged("spec", next.spec, old.spec, ["attachRequired", "volumeLifecycleModes"]),
});

export type CSINode = storage.CSINode;

const longestNodeId = 192;

function driverErrors(at: string, driver: storage.CSINodeDriver): Errors {
  const again = repeats();
  return fields(at, driver, {
    name: driverNameErrors,
    nodeID: (field, id = "") => all(present(field, id), id.length > longestNodeId && tooLong(field, longestNodeId)),
    allocatable: (field, allocatable) => fields(field, allocatable, { count: notNegative }),
    topologyKeys: list((field, key) =>
      all(again(key) && duplicate(field, key), complaints(field, key, qualifiedNameErrors(key))),
    ),
  });
}

function validateUpdate(next: CSINode, old: CSINode): Errors {
  return (old.spec?.drivers ?? []).flatMap((before) => {
    const index = next.spec?.drivers?.findIndex(({ name }) => name === before.name) ?? -1;
    const after = next.spec?.drivers?.[index];
    // What a driver can hold may be reported anew; who it is may not.
    const identity = (driver: storage.CSINodeDriver) => ({ ...driver, allocatable: undefined });
    if (!after || deepEqual(identity(after), identity(before))) return [];
    return [invalidValue(path("spec.drivers", index), after, "field is immutable")];
  });
}

export const CSINode = defineKind<CSINode>("storage.k8s.io/v1", "CSINode", {
  namespaced: false,
  columns: [nameColumn, column("Drivers", ({ spec }) => spec?.drivers?.length ?? 0, { type: "integer" }), ageColumn],
  validate: ({ spec }) => eachUnique("spec.drivers", spec?.drivers, "name", driverErrors),
  validateUpdate,
});

export type CSIStorageCapacity = storage.CSIStorageCapacity;

export const CSIStorageCapacity = defineKind<CSIStorageCapacity>("storage.k8s.io/v1", "CSIStorageCapacity", {
  columns: [
    nameColumn,
    column("StorageClassName", ({ storageClassName }) => storageClassName),
    column("Capacity", ({ capacity }) => capacity ?? "<unset>"),
    ageColumn,
  ],
  validate: ({ storageClassName, capacity, maximumVolumeSize, nodeTopology }) => [
    ...labelSelectorErrors(nodeTopology, "nodeTopology"),
    ...named("storageClassName", storageClassName, dnsSubdomainErrors),
    ...(capacity === undefined ? [] : quantityNotNegative("capacity", capacity)),
    ...(maximumVolumeSize === undefined ? [] : quantityNotNegative("maximumVolumeSize", maximumVolumeSize)),
  ],
  validateUpdate: (next, old) => allUnchanged("", next, old, ["nodeTopology", "storageClassName"]),
});
