// CSIStorageCapacity: free capacity of a storage class in a topology segment.
import type * as storage from "../generated/storage.v1.ts";
import { defineKind } from "../kind.ts";

export type CSIStorageCapacity = storage.CSIStorageCapacity;

export const CSIStorageCapacity = defineKind<storage.CSIStorageCapacity>({
  group: "storage.k8s.io",
  version: "v1",
  kind: "CSIStorageCapacity",
  plural: "csistoragecapacities",
});
