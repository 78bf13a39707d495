// ReplicaSet: keeps a number of equal pods running.
// Follows kubernetes v1.36 pkg/apis/apps/v1/defaults.go and pkg/apis/apps/validation/validation.go (ReplicaSet).
import type * as apps from "../generated/apps.v1.ts";
import { invalidValue, required } from "../../machinery/field.ts";
import { all, type Errors, fields, notNegative, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defaultPodTemplate } from "../core/pod/defaults.ts";
import { defineKind, statusAtFirst } from "../kind.ts";
import { ownSelectorErrors, ownTemplateErrors, scalable, selectorColumn, someOf, templateColumns } from "./workload.ts";

export type ReplicaSet = apps.ReplicaSet;

function validate({ spec }: ReplicaSet): Errors {
  if (!spec) return [required("spec.selector"), required("spec.template")];
  return fields("spec", spec, {
    replicas: notNegative,
    minReadySeconds: notNegative,
    selector: (_, selector) => ownSelectorErrors(selector, "deployment"),
    template: (_, template) => ownTemplateErrors(template, spec.selector, "ReplicaSet"),
  });
}

function validateStatusUpdate({ status }: ReplicaSet): Errors {
  const { replicas = 0, availableReplicas = 0, readyReplicas = 0 } = status ?? {};
  const some = (field: string, count: number | undefined) => someOf(field, count, replicas);
  return all(
    fields("status", status, {
      replicas: notNegative,
      observedGeneration: notNegative,
      fullyLabeledReplicas: some,
      readyReplicas: some,
      availableReplicas: some,
    }),
    availableReplicas > readyReplicas &&
      invalidValue("status.availableReplicas", availableReplicas, "cannot be greater than readyReplicas"),
  );
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
