// MutatingAdmissionPolicy: CEL rules that may change requests.
import type * as admissionregistration from "../generated/admissionregistration.v1.ts";
import { invalidValue, path, required } from "../../machinery/field.ts";
import { each, type Errors, oneOf } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import {
  constraintErrors,
  defaultMatchResources,
  expressionErrors,
  paramKindErrors,
  paramKindText,
  variablesErrors,
} from "./policy.ts";
import { matchConditionErrors } from "./webhook.ts";
import { defineKind } from "../kind.ts";

export type MutatingAdmissionPolicy = admissionregistration.MutatingAdmissionPolicy;

function mutationErrors(mutation: admissionregistration.Mutation, at: string): Errors {
  const errors = oneOf(path(at, "patchType"), mutation.patchType, ["ApplyConfiguration", "JSONPatch"]);
  for (const [type, field] of [
    ["ApplyConfiguration", "applyConfiguration"],
    ["JSONPatch", "jsonPatch"],
  ] as const) {
    const wanted = mutation.patchType === type;
    const given = mutation[field];
    if (wanted && !given?.expression?.trim()) errors.push(required(path(at, field, "expression")));
    if (!wanted && given) {
      errors.push(invalidValue(path(at, field), given, `must not be set when patchType is ${mutation.patchType}`));
    }
  }
  return errors;
}

function validate({ spec }: MutatingAdmissionPolicy): Errors {
  return [
    ...(spec?.mutations?.length ? [] : [required("spec.mutations", "mutations must contain at least one item")]),
    ...oneOf("spec.failurePolicy", spec?.failurePolicy ?? "Fail", ["Fail", "Ignore"]),
    ...oneOf("spec.reinvocationPolicy", spec?.reinvocationPolicy, ["IfNeeded", "Never"]),
    ...paramKindErrors(spec?.paramKind),
    ...constraintErrors(spec?.matchConstraints),
    ...matchConditionErrors("spec.matchConditions", spec?.matchConditions),
    ...variablesErrors(spec?.variables),
    ...each("spec.mutations", spec?.mutations, (at, mutation) => mutationErrors(mutation, at)),
    ...expressionErrors(spec),
  ];
}

export const MutatingAdmissionPolicy = defineKind<MutatingAdmissionPolicy>(
  "admissionregistration.k8s.io/v1",
  "MutatingAdmissionPolicy",
  {
    namespaced: false,
    categories: ["api-extensions"],
    hasGeneration: true,
    columns: [
      nameColumn,
      column("Mutations", ({ spec }) => spec?.mutations?.length ?? 0, { type: "integer" }),
      column("ParamKind", ({ spec }) => paramKindText(spec?.paramKind)),
      ageColumn,
    ],
    defaults: ({ spec }) => {
      if (!spec) return;
      spec.failurePolicy ??= "Fail";
      spec.reinvocationPolicy ??= "Never";
      defaultMatchResources(spec.matchConstraints);
    },
    validate,
  },
);
