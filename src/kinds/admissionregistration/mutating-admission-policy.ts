// MutatingAdmissionPolicy: CEL rules that may change requests.
import type * as admissionregistration from "../generated/admissionregistration.v1.ts";
import { defineKind } from "../kind.ts";

export type MutatingAdmissionPolicy = admissionregistration.MutatingAdmissionPolicy;

export const MutatingAdmissionPolicy = defineKind<admissionregistration.MutatingAdmissionPolicy>({
  group: "admissionregistration.k8s.io",
  version: "v1",
  kind: "MutatingAdmissionPolicy",
  plural: "mutatingadmissionpolicies",
  namespaced: false,
  categories: ["api-extensions"],
  hasGeneration: true,
});
