// StorageClass: how volumes are provisioned.
import type * as storage from "../generated/storage.v1.ts";
import { defineKind } from "../kind.ts";

export type StorageClass = storage.StorageClass;

export const StorageClass = defineKind<storage.StorageClass>({
  group: "storage.k8s.io",
  version: "v1",
  kind: "StorageClass",
  plural: "storageclasses",
  namespaced: false,
  shortNames: ["sc"],
});
