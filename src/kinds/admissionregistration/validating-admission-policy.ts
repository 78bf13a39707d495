// ValidatingAdmissionPolicy: CEL rules that may refuse requests.
import type * as admissionregistration from "../generated/admissionregistration.v1.ts";
import { defineKind } from "../kind.ts";

export type ValidatingAdmissionPolicy = admissionregistration.ValidatingAdmissionPolicy;

export const ValidatingAdmissionPolicy = defineKind<admissionregistration.ValidatingAdmissionPolicy>({
  group: "admissionregistration.k8s.io",
  version: "v1",
  kind: "ValidatingAdmissionPolicy",
  plural: "validatingadmissionpolicies",
  namespaced: false,
  categories: ["api-extensions"],
  hasGeneration: true,
  subresources: {
    status: true,
  },
});
