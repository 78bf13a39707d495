// ValidatingAdmissionPolicyBinding: where a ValidatingAdmissionPolicy applies.
import type * as admissionregistration from "../generated/admissionregistration.v1.ts";
import { duplicate, invalidValue, required } from "../../machinery/field.ts";
import { each, type Errors, oneOf } from "../checks.ts";
import { bindingColumns, bindingSpecErrors, defaultMatchResources } from "./policy.ts";
import { defineKind } from "../kind.ts";

export type ValidatingAdmissionPolicyBinding = admissionregistration.ValidatingAdmissionPolicyBinding;

function actionErrors(actions: readonly string[] | undefined): Errors {
  const at = "spec.validationActions";
  if (!actions?.length) return [required(at, "at least one validation action is required")];
  const errors = each(at, actions, (field, action, i) =>
    actions.indexOf(action) < i ? [duplicate(field, action)] : oneOf(field, action, ["Audit", "Deny", "Warn"]),
  );
  if (actions.includes("Deny") && actions.includes("Warn")) {
    const text =
      "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
    errors.push(invalidValue(at, actions, text));
  }
  return errors;
}

export const ValidatingAdmissionPolicyBinding = defineKind<admissionregistration.ValidatingAdmissionPolicyBinding>({
  group: "admissionregistration.k8s.io",
  version: "v1",
  kind: "ValidatingAdmissionPolicyBinding",
  plural: "validatingadmissionpolicybindings",
  namespaced: false,
  categories: ["api-extensions"],
  hasGeneration: true,
  columns: bindingColumns,
  defaults: ({ spec }) => defaultMatchResources(spec?.matchResources),
  validate: ({ spec }) => [...bindingSpecErrors(spec), ...actionErrors(spec?.validationActions)],
});
