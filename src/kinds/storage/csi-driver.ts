// CSIDriver: what a CSI driver can do.
import type * as storage from "../generated/storage.v1.ts";
import { defineKind } from "../kind.ts";

export type CSIDriver = storage.CSIDriver;

export const CSIDriver = defineKind<storage.CSIDriver>({
  group: "storage.k8s.io",
  version: "v1",
  kind: "CSIDriver",
  plural: "csidrivers",
  namespaced: false,
  hasGeneration: true,
});
