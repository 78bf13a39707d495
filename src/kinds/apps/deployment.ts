// Deployment: keeps a number of equal pods running and rolls out changes.
import type * as apps from "../generated/apps.v1.ts";
import { formatLabelSelector } from "../../machinery/selector.ts";
import { defineKind } from "../kind.ts";

export type Deployment = apps.Deployment;

export const Deployment = defineKind<apps.Deployment>({
  group: "apps",
  version: "v1",
  kind: "Deployment",
  plural: "deployments",
  shortNames: ["deploy"],
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
