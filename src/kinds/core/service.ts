// Service: a stable name and address for a set of pods.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type Service = core.Service;

export const Service = defineKind<core.Service>({
  group: "",
  version: "v1",
  kind: "Service",
  plural: "services",
  nameRule: "label1035",
  shortNames: ["svc"],
  categories: ["all"],
  subresources: { status: true, special: ["proxy"] },
  selectableFields: {
    "spec.clusterIP": (service) => service.spec?.clusterIP ?? "",
    "spec.type": (service) => service.spec?.type ?? "",
  },
});
