// MutatingAdmissionPolicy: CEL rules that may change requests.
import type * as admissionregistration from "../generated/admissionregistration.v1.ts";
import { invalidValue, path, required } from "../../machinery/field.ts";
import { all, among, each, type Errors, fields, oneOf } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defaultMatchResources, expressionErrors, paramKindText, policyErrors } from "./policy.ts";
import { defineKind } from "../kind.ts";

export type MutatingAdmissionPolicy = admissionregistration.MutatingAdmissionPolicy;

function mutationErrors(at: string, mutation: admissionregistration.Mutation): Errors {
  const { patchType } = mutation;
  const expressionOf = (type: string) => (field: string, given: { expression?: string } | undefined) =>
    patchType === type
      ? !given?.expression?.trim() && required(path(field, "expression"))
      : given && invalidValue(field, given, `must not be set when patchType is ${patchType}`);
  return fields(at, mutation, {
    patchType: among(["ApplyConfiguration", "JSONPatch"]),
    applyConfiguration: expressionOf("ApplyConfiguration"),
    jsonPatch: expressionOf("JSONPatch"),
  });
}

const validate = ({ spec }: MutatingAdmissionPolicy): Errors =>
  all(
    !spec?.mutations?.length && required("spec.mutations", "mutations must contain at least one item"),
    policyErrors(spec, oneOf("spec.reinvocationPolicy", spec?.reinvocationPolicy, ["IfNeeded", "Never"])),
    each("spec.mutations", spec?.mutations, mutationErrors),
    expressionErrors(spec),
  );

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
