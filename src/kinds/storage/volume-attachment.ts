// VolumeAttachment: the wish to attach a volume to a node.
import type * as storage from "../generated/storage.v1.ts";
import { defineKind } from "../kind.ts";

export type VolumeAttachment = storage.VolumeAttachment;

export const VolumeAttachment = defineKind<storage.VolumeAttachment>({
  group: "storage.k8s.io",
  version: "v1",
  kind: "VolumeAttachment",
  plural: "volumeattachments",
  namespaced: false,
  subresources: {
    status: true,
  },
});
