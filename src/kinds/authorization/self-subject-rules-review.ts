// SelfSubjectRulesReview: asks what the caller may do in a namespace.
import type * as authorization from "../generated/authorization.v1.ts";
import { defineKind } from "../kind.ts";

export type SelfSubjectRulesReview = authorization.SelfSubjectRulesReview;

export const SelfSubjectRulesReview = defineKind<authorization.SelfSubjectRulesReview>({
  group: "authorization.k8s.io",
  version: "v1",
  kind: "SelfSubjectRulesReview",
  plural: "selfsubjectrulesreviews",
  namespaced: false,
  virtual: true,
  verbs: ["create"],
});
