// PersistentVolumeClaim: a request for storage.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type PersistentVolumeClaim = core.PersistentVolumeClaim;

export const PersistentVolumeClaim = defineKind<core.PersistentVolumeClaim>({
  group: "",
  version: "v1",
  kind: "PersistentVolumeClaim",
  plural: "persistentvolumeclaims",
  shortNames: ["pvc"],
  subresources: { status: true },
});
