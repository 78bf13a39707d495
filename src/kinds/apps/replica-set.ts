// ReplicaSet: keeps a number of equal pods running.
// Follows kubernetes v1.36 pkg/apis/apps/v1/defaults.go and pkg/apis/apps/validation/validation.go (ReplicaSet).
import type * as apps from "../generated/apps.v1.ts";
import { invalidValue, required } from "../../machinery/field.ts";
import { type Errors, notNegative, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defaultPodTemplate } from "../core/pod/defaults.ts";
import { defineKind, statusAtFirst } from "../kind.ts";
import { ownSelectorErrors, ownTemplateErrors, scalable, selectorColumn, templateColumns } from "./workload.ts";

export type ReplicaSet = apps.ReplicaSet;

function validate({ spec }: ReplicaSet): Errors {
  if (!spec) return [required("spec.selector"), required("spec.template")];
  return [
    ...notNegative("spec.replicas", spec.replicas),
    ...notNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...ownSelectorErrors(spec.selector, "deployment"),
    ...ownTemplateErrors(spec.template, spec.selector, "ReplicaSet"),
  ];
}

function validateStatusUpdate({ status }: ReplicaSet): Errors {
  const replicas = status?.replicas ?? 0;
  const available = status?.availableReplicas ?? 0;
  const ready = status?.readyReplicas ?? 0;
  const counts = {
    fullyLabeledReplicas: status?.fullyLabeledReplicas ?? 0,
    readyReplicas: ready,
    availableReplicas: available,
  };
  const errors = [
    ...notNegative("status.replicas", replicas),
    ...notNegative("status.observedGeneration", status?.observedGeneration),
  ];
  for (const [field, count] of Object.entries(counts)) {
    errors.push(...notNegative(`status.${field}`, count));
    if (count > replicas) errors.push(invalidValue(`status.${field}`, count, "cannot be greater than status.replicas"));
  }
  if (available > ready) {
    errors.push(invalidValue("status.availableReplicas", available, "cannot be greater than readyReplicas"));
  }
  return errors;
}

export const ReplicaSet = defineKind<ReplicaSet>("apps/v1", "ReplicaSet", {
  shortNames: ["rs"],
  categories: ["all"],
  hasGeneration: true,
  subresources: scalable<apps.ReplicaSet>(),
  selectableFields: { "status.replicas": ({ status }) => String(status?.replicas ?? 0) },
  columns: [
    nameColumn,
    column("Desired", ({ spec }) => spec?.replicas ?? 0, { type: "integer" }),
    column("Current", ({ status }) => status?.replicas ?? 0, { type: "integer" }),
    column("Ready", ({ status }) => status?.readyReplicas ?? 0, { type: "integer" }),
    ageColumn,
    ...templateColumns<ReplicaSet>(({ spec }) => spec?.template),
    selectorColumn<ReplicaSet>(({ spec }) => spec?.selector),
  ],
  defaults: ({ spec }) => {
    if (!spec) return;
    spec.replicas ??= 1;
    defaultPodTemplate(spec.template);
  },
  prepareForCreate: statusAtFirst({ replicas: 0 }),
  validate,
  validateUpdate: (next, old) => unchanged("spec.selector", next.spec?.selector, old.spec?.selector),
  validateStatusUpdate,
});
