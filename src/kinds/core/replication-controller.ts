// ReplicationController: keeps a number of pods running, in the form before ReplicaSet.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type ReplicationController = core.ReplicationController;

export const ReplicationController = defineKind<core.ReplicationController>({
  group: "",
  version: "v1",
  kind: "ReplicationController",
  plural: "replicationcontrollers",
  shortNames: ["rc"],
  categories: ["all"],
  hasGeneration: true,
  subresources: {
    status: true,
    scale: {
      get: (controller) => ({
        specReplicas: controller.spec?.replicas ?? 0,
        statusReplicas: controller.status?.replicas ?? 0,
        selector: Object.entries(controller.spec?.selector ?? {})
          .map(([key, value]) => `${key}=${value}`)
          .toSorted()
          .join(","),
      }),
      set: (draft, replicas) => {
        draft.spec = { ...draft.spec, replicas };
      },
    },
  },
  selectableFields: { "status.replicas": (controller) => String(controller.status?.replicas ?? 0) },
});
