// ReplicaSet: keeps a number of equal pods running.
import type * as apps from "../generated/apps.v1.ts";
import { formatLabelSelector } from "../../machinery/selector.ts";
import { defineKind } from "../kind.ts";

export type ReplicaSet = apps.ReplicaSet;

export const ReplicaSet = defineKind<apps.ReplicaSet>({
  group: "apps",
  version: "v1",
  kind: "ReplicaSet",
  plural: "replicasets",
  shortNames: ["rs"],
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
  selectableFields: {
    "status.replicas": (o) => String(o.status?.replicas ?? 0),
  },
});
