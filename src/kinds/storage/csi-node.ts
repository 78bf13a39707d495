// CSINode: the CSI drivers of a node.
import type * as storage from "../generated/storage.v1.ts";
import { defineKind } from "../kind.ts";

export type CSINode = storage.CSINode;

export const CSINode = defineKind<storage.CSINode>({
  group: "storage.k8s.io",
  version: "v1",
  kind: "CSINode",
  plural: "csinodes",
  namespaced: false,
});
