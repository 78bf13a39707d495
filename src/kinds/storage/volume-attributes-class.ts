// VolumeAttributesClass: changeable attributes of volumes.
import type * as storage from "../generated/storage.v1.ts";
import { defineKind } from "../kind.ts";

export type VolumeAttributesClass = storage.VolumeAttributesClass;

export const VolumeAttributesClass = defineKind<storage.VolumeAttributesClass>({
  group: "storage.k8s.io",
  version: "v1",
  kind: "VolumeAttributesClass",
  plural: "volumeattributesclasses",
  namespaced: false,
  shortNames: ["vac"],
});
