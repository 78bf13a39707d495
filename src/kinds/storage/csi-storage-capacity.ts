// CSIStorageCapacity: free capacity of a storage class in a topology segment.
// Follows kubernetes v1.36 pkg/apis/storage/validation/validation.go (CSIStorageCapacity).
import type * as storage from "../generated/storage.v1.ts";
import { dnsSubdomainErrors } from "../../machinery/names.ts";
import { labelSelectorErrors } from "../../machinery/selector.ts";
import { named, quantityNotNegative, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";

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
  validateUpdate: (next, old) => [
    ...unchanged("nodeTopology", next.nodeTopology, old.nodeTopology),
    ...unchanged("storageClassName", next.storageClassName, old.storageClassName),
  ],
});
