// CSINode: the CSI drivers of a node. Follows kubernetes v1.36 pkg/apis/storage/validation/validation.go (CSINode).
import type * as storage from "../generated/storage.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { duplicate, invalidValue, path, tooLong } from "../../machinery/field.ts";
import { qualifiedNameErrors } from "../../machinery/names.ts";
import { complaints, each, type Errors, notNegative, present } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { driverNameErrors } from "./parameters.ts";

export type CSINode = storage.CSINode;

const longestNodeId = 192;

function driverErrors(driver: storage.CSINodeDriver, at: string): Errors {
  const seen = new Set<string>();
  return [
    ...driverNameErrors(path(at, "name"), driver.name),
    ...present(path(at, "nodeID"), driver.nodeID),
    ...((driver.nodeID?.length ?? 0) > longestNodeId ? [tooLong(path(at, "nodeID"), longestNodeId)] : []),
    ...notNegative(path(at, "allocatable", "count"), driver.allocatable?.count),
    ...each(path(at, "topologyKeys"), driver.topologyKeys, (field, key) => {
      const errors = seen.has(key) ? [duplicate(field, key)] : [];
      seen.add(key);
      return [...errors, ...complaints(field, key, qualifiedNameErrors(key))];
    }),
  ];
}

function validate({ spec }: CSINode): Errors {
  const seen = new Set<string>();
  return each("spec.drivers", spec?.drivers, (at, driver) => {
    const errors = seen.has(driver.name) ? [duplicate(path(at, "name"), driver.name)] : [];
    seen.add(driver.name);
    return [...errors, ...driverErrors(driver, at)];
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
  validate,
  validateUpdate,
});
