// StatefulSet: pods with names and volumes that stay.
import type * as apps from "../generated/apps.v1.ts";
import { formatLabelSelector } from "../../machinery/selector.ts";
import { defineKind } from "../kind.ts";

export type StatefulSet = apps.StatefulSet;

export const StatefulSet = defineKind<apps.StatefulSet>({
  group: "apps",
  version: "v1",
  kind: "StatefulSet",
  plural: "statefulsets",
  nameRule: "label",
  shortNames: ["sts"],
  categories: ["all"],
  hasGeneration: true,
  subresources: {
    status: true,
    scale: {
      get: (o) => ({
        specReplicas: o.spec?.replicas ?? 0,
        statusReplicas: o.status?.replicas ?? 0,
        selector: formatLabelSelector(o.spec?.selector),
      }),
      set: (draft, replicas) => {
        if (draft.spec) draft.spec.replicas = replicas;
      },
    },
  },
});
