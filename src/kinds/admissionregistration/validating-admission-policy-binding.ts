// ValidatingAdmissionPolicyBinding: where a ValidatingAdmissionPolicy applies.
import type * as admissionregistration from "../generated/admissionregistration.v1.ts";
import { defineKind } from "../kind.ts";

export type ValidatingAdmissionPolicyBinding = admissionregistration.ValidatingAdmissionPolicyBinding;

export const ValidatingAdmissionPolicyBinding = defineKind<admissionregistration.ValidatingAdmissionPolicyBinding>({
  group: "admissionregistration.k8s.io",
  version: "v1",
  kind: "ValidatingAdmissionPolicyBinding",
  plural: "validatingadmissionpolicybindings",
  namespaced: false,
  categories: ["api-extensions"],
  hasGeneration: true,
});
