// ValidatingAdmissionPolicy: CEL rules that may refuse requests.
import type * as admissionregistration from "../generated/admissionregistration.v1.ts";
import { duplicate, path, required } from "../../machinery/field.ts";
import { qualifiedNameErrors } from "../../machinery/names.ts";
import { all, each, type Errors, fields, named, optionallyAmong, repeats } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defaultMatchResources, expressionErrors, paramKindText, policyErrors } from "./policy.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

export type ValidatingAdmissionPolicy = admissionregistration.ValidatingAdmissionPolicy;

const reasons = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];

const validationErrors = (at: string, validation: admissionregistration.Validation): Errors =>
  fields(at, validation, {
    expression: (field, text) => !text?.trim() && required(field, "expression is not specified"),
    messageExpression: (field, text) =>
      text !== undefined && !text.trim() && required(field, "must be non-empty if specified"),
    reason: optionallyAmong(reasons),
  });

function validate({ spec }: ValidatingAdmissionPolicy): Errors {
  const text = "validations or auditAnnotations must contain at least one item";
  const empty = !spec?.validations?.length && !spec?.auditAnnotations?.length;
  const again = repeats();
  return all(
    empty && [required("spec.validations", text), required("spec.auditAnnotations", text)],
    policyErrors(spec),
    each("spec.validations", spec?.validations, validationErrors),
    each("spec.auditAnnotations", spec?.auditAnnotations, (at, { key, valueExpression }) =>
      all(
        named(path(at, "key"), key, qualifiedNameErrors),
        again(key) && duplicate(path(at, "key"), key),
        !valueExpression?.trim() && required(path(at, "valueExpression")),
      ),
    ),
    expressionErrors(spec),
  );
}

export const ValidatingAdmissionPolicy = defineKind<ValidatingAdmissionPolicy>(
  "admissionregistration.k8s.io/v1",
  "ValidatingAdmissionPolicy",
  {
    namespaced: false,
    categories: ["api-extensions"],
    hasGeneration: true,
    subresources: { status: true },
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
