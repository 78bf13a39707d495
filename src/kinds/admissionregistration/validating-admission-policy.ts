// ValidatingAdmissionPolicy: CEL rules that may refuse requests.
import type * as admissionregistration from "../generated/admissionregistration.v1.ts";
import { duplicate, path, required } from "../../machinery/field.ts";
import { qualifiedNameErrors } from "../../machinery/names.ts";
import { complaints, each, type Errors, oneOf, optionallyOneOf } from "../checks.ts";
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
import { defineKind, statusAtFirst } from "../kind.ts";

export type ValidatingAdmissionPolicy = admissionregistration.ValidatingAdmissionPolicy;

const reasons = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];

function validationErrors(validation: admissionregistration.Validation, at: string): Errors {
  const errors: Errors = [];
  if (!validation.expression?.trim()) errors.push(required(path(at, "expression"), "expression is not specified"));
  if (validation.messageExpression !== undefined && !validation.messageExpression.trim()) {
    errors.push(required(path(at, "messageExpression"), "must be non-empty if specified"));
  }
  return [...errors, ...optionallyOneOf(path(at, "reason"), validation.reason, reasons)];
}

function annotationErrors(annotations: readonly admissionregistration.AuditAnnotation[] | undefined): Errors {
  const seen = new Set<string>();
  return each("spec.auditAnnotations", annotations, (at, { key, valueExpression }) => {
    const errors = key ? complaints(path(at, "key"), key, qualifiedNameErrors(key)) : [required(path(at, "key"))];
    if (seen.has(key)) errors.push(duplicate(path(at, "key"), key));
    seen.add(key);
    return valueExpression?.trim() ? errors : [...errors, required(path(at, "valueExpression"))];
  });
}

function validate({ spec }: ValidatingAdmissionPolicy): Errors {
  const errors: Errors = [];
  if (!spec?.validations?.length && !spec?.auditAnnotations?.length) {
    const text = "validations or auditAnnotations must contain at least one item";
    errors.push(required("spec.validations", text), required("spec.auditAnnotations", text));
  }
  return [
    ...errors,
    ...oneOf("spec.failurePolicy", spec?.failurePolicy ?? "Fail", ["Fail", "Ignore"]),
    ...paramKindErrors(spec?.paramKind),
    ...constraintErrors(spec?.matchConstraints),
    ...matchConditionErrors("spec.matchConditions", spec?.matchConditions),
    ...variablesErrors(spec?.variables),
    ...each("spec.validations", spec?.validations, (at, validation) => validationErrors(validation, at)),
    ...annotationErrors(spec?.auditAnnotations),
    ...expressionErrors(spec),
  ];
}

export const ValidatingAdmissionPolicy = defineKind<ValidatingAdmissionPolicy>(
  "admissionregistration.k8s.io/v1",
  "ValidatingAdmissionPolicy",
  {
    namespaced: false,
    categories: ["api-extensions"],
    hasGeneration: true,
    subresources: {
      status: true,
    },
    columns: [
      nameColumn,
      column("Validations", ({ spec }) => spec?.validations?.length ?? 0, { type: "integer" }),
      column("ParamKind", ({ spec }) => paramKindText(spec?.paramKind)),
      ageColumn,
    ],
    defaults: ({ spec }) => {
      if (!spec) return;
      spec.failurePolicy ??= "Fail";
      defaultMatchResources(spec.matchConstraints);
    },
    prepareForCreate: statusAtFirst({}),
    validate,
  },
);
