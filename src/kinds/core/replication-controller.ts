// ReplicationController: keeps a number of pods running, in the form before ReplicaSet.
import type * as core from "../generated/core.v1.ts";
import { ageColumn, column, labelsOrNone, nameColumn, wideColumn } from "../columns.ts";
import { podSpecWarnings } from "./pod/warnings.ts";
import { defaultPodTemplate } from "./pod/defaults.ts";
import { validateReplicationController } from "./replication-controller-validation.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

export type ReplicationController = core.ReplicationController;

export const ReplicationController = defineKind<ReplicationController>("v1", "ReplicationController", {
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
  columns: [
    nameColumn,
    column("Desired", (controller) => controller.spec?.replicas ?? 0, { type: "integer" }),
    column("Current", (controller) => controller.status?.replicas ?? 0, { type: "integer" }),
    column("Ready", (controller) => controller.status?.readyReplicas ?? 0, { type: "integer" }),
    ageColumn,
    wideColumn("Containers", ({ spec }) => (spec?.template?.spec?.containers ?? []).map(({ name }) => name).join(",")),
    wideColumn("Images", ({ spec }) => (spec?.template?.spec?.containers ?? []).map(({ image }) => image).join(",")),
    wideColumn("Selector", ({ spec }) => labelsOrNone(spec?.selector)),
  ],
  defaults: (draft) => {
    if (!draft.spec) return;
    draft.spec.replicas ??= 1;
    const labels = draft.spec.template?.metadata?.labels;
    if (labels && Object.keys(draft.spec.selector ?? {}).length === 0) draft.spec.selector = { ...labels };
    if (labels && Object.keys(draft.metadata.labels ?? {}).length === 0) draft.metadata.labels = { ...labels };
    defaultPodTemplate(draft.spec.template);
  },
  prepareForCreate: statusAtFirst({ replicas: 0 }),
  validate: validateReplicationController,
  warnings: (object) => podSpecWarnings(object.spec?.template?.spec, "spec.template.spec"),
});
