// MutatingAdmissionPolicyBinding: where a MutatingAdmissionPolicy applies.
import type * as admissionregistration from "../generated/admissionregistration.v1.ts";
import { bindingColumns, bindingSpecErrors, defaultMatchResources } from "./policy.ts";
import { defineKind } from "../kind.ts";

export type MutatingAdmissionPolicyBinding = admissionregistration.MutatingAdmissionPolicyBinding;

export const MutatingAdmissionPolicyBinding = defineKind<admissionregistration.MutatingAdmissionPolicyBinding>({
  group: "admissionregistration.k8s.io",
  version: "v1",
  kind: "MutatingAdmissionPolicyBinding",
  plural: "mutatingadmissionpolicybindings",
  namespaced: false,
  categories: ["api-extensions"],
  hasGeneration: true,
  columns: bindingColumns,
  defaults: ({ spec }) => defaultMatchResources(spec?.matchResources),
  validate: ({ spec }) => bindingSpecErrors(spec),
});
