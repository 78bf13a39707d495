// ValidatingAdmissionPolicyBinding and MutatingAdmissionPolicyBinding: where a policy applies.
// Follows kubernetes v1.36 pkg/apis/admissionregistration/validation/validation.go.
import type * as admissionregistration from "../generated/admissionregistration.v1.ts";
import { duplicate, forbiddenField, invalidValue, path, required } from "../../machinery/field.ts";
import { dnsSubdomainErrors, pathSegmentErrors } from "../../machinery/names.ts";
import { labelSelectorErrors } from "../../machinery/selector.ts";
import { all, among, each, type Errors, fields, may, must, oneOf } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, type Kind } from "../kind.ts";
import { defaultMatchResources, matchResourcesErrors } from "./policy.ts";

export type ValidatingAdmissionPolicyBinding = admissionregistration.ValidatingAdmissionPolicyBinding;
export type MutatingAdmissionPolicyBinding = admissionregistration.MutatingAdmissionPolicyBinding;
type Binding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding;

function paramRefErrors(at: string, reference: admissionregistration.ParamRef | undefined): Errors {
  if (!reference) return [];
  const { name, selector } = reference;
  return all(
    name && selector && forbiddenField(path(at, "name"), "name and selector are mutually exclusive"),
    !name && !selector && required(at, "one of name or selector must be specified"),
    fields(at, reference, {
      name: may(pathSegmentErrors),
      selector: (field) => labelSelectorErrors(selector, field),
      parameterNotFoundAction: among(["Allow", "Deny"]),
    }),
  );
}

function paramRefText(reference: admissionregistration.ParamRef | undefined): string {
  if (!reference) return "<unset>";
  const name = reference.name || "*";
  return reference.namespace ? `${reference.namespace}/${name}` : name;
}

function actionErrors(actions: readonly string[] | undefined): Errors {
  const at = "spec.validationActions";
  if (!actions?.length) return [required(at, "at least one validation action is required")];
  const text =
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
  return all(
    each(at, actions, (field, action, i) =>
      actions.indexOf(action) < i ? duplicate(field, action) : oneOf(field, action, ["Audit", "Deny", "Warn"]),
    ),
    actions.includes("Deny") && actions.includes("Warn") && invalidValue(at, actions, text),
  );
}

const specErrors = ({ spec }: Binding): Errors =>
  fields("spec", spec, {
    policyName: must(dnsSubdomainErrors),
    paramRef: paramRefErrors,
    matchResources: matchResourcesErrors,
  });

const both = {
  namespaced: false,
  categories: ["api-extensions"],
  hasGeneration: true,
  columns: [
    nameColumn,
    column("PolicyName", ({ spec }) => spec?.policyName ?? ""),
    column("ParamRef", ({ spec }) => paramRefText(spec?.paramRef)),
    ageColumn,
  ],
  defaults: ({ spec }) => defaultMatchResources(spec?.matchResources),
  validate: specErrors,
} satisfies Partial<Kind<Binding>>;
const v1 = "admissionregistration.k8s.io/v1";

export const ValidatingAdmissionPolicyBinding = defineKind<ValidatingAdmissionPolicyBinding>(
  v1,
  "ValidatingAdmissionPolicyBinding",
  { ...both, validate: (binding) => [...specErrors(binding), ...actionErrors(binding.spec?.validationActions)] },
);

export const MutatingAdmissionPolicyBinding = defineKind<MutatingAdmissionPolicyBinding>(
  v1,
  "MutatingAdmissionPolicyBinding",
  both,
);
