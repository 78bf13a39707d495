// ResourceSlice: devices of a node or pool.
import type * as resource from "../generated/resource.v1.ts";
import { defineKind } from "../kind.ts";

export type ResourceSlice = resource.ResourceSlice;

export const ResourceSlice = defineKind<resource.ResourceSlice>({
  group: "resource.k8s.io",
  version: "v1",
  kind: "ResourceSlice",
  plural: "resourceslices",
  namespaced: false,
  hasGeneration: true,
  selectableFields: {
    "spec.nodeName": (o) => o.spec.nodeName ?? "",
    "spec.driver": (o) => o.spec.driver,
  },
});
