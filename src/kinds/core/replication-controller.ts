// ReplicationController: keeps a number of pods running, in the form before ReplicaSet.
// Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (ValidateReplicationController).
import type * as core from "../generated/core.v1.ts";
import { invalidValue, notSupported, required } from "../../machinery/field.ts";
import { labelErrors } from "../../machinery/selector.ts";
import { all, type Errors, notNegative } from "../checks.ts";
import { validatePodTemplate } from "./pod/validate.ts";
import { ageColumn, column, labelsOrNone, nameColumn, wideColumn } from "../columns.ts";
import { podSpecWarnings } from "./pod/warnings.ts";
import { defaultPodTemplate } from "./pod/defaults.ts";
import { templateColumns } from "../apps/workload.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

function validateReplicationController({ spec }: ReplicationController): Errors {
  if (!spec) return [required("spec")];
  const selector = Object.entries(spec.selector ?? {});
  const { template } = spec;
  const labels = template?.metadata?.labels ?? {};
  const policy = template?.spec?.restartPolicy;
  return all(
    notNegative("spec.replicas", spec.replicas),
    notNegative("spec.minReadySeconds", spec.minReadySeconds),
    labelErrors(spec.selector, "spec.selector"),
    selector.length === 0 && required("spec.selector"),
    !template && required("spec.template"),
    template &&
      selector.some(([key, value]) => labels[key] !== value) &&
      invalidValue("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"),
    template && validatePodTemplate(template, "spec.template"),
    policy !== undefined && policy !== "Always" && notSupported("spec.template.spec.restartPolicy", policy, ["Always"]),
  );
}

export type ReplicationController = core.ReplicationController;

export const ReplicationController = defineKind<ReplicationController>("v1", "ReplicationController", {
  shortNames: ["rc"],
  categories: ["all"],
  hasGeneration: true,
  dependentsStay: {},
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
    ...templateColumns<ReplicationController>(({ spec }) => spec?.template),
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
