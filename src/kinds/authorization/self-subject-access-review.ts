// SelfSubjectAccessReview: asks whether the caller may do something.
import type * as authorization from "../generated/authorization.v1.ts";
import { defineKind } from "../kind.ts";

export type SelfSubjectAccessReview = authorization.SelfSubjectAccessReview;

export const SelfSubjectAccessReview = defineKind<authorization.SelfSubjectAccessReview>({
  group: "authorization.k8s.io",
  version: "v1",
  kind: "SelfSubjectAccessReview",
  plural: "selfsubjectaccessreviews",
  namespaced: false,
  virtual: true,
  verbs: ["create"],
});
