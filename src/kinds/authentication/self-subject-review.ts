// SelfSubjectReview: asks who the caller is.
import type * as authentication from "../generated/authentication.v1.ts";
import { defineKind } from "../kind.ts";

export type SelfSubjectReview = authentication.SelfSubjectReview;

export const SelfSubjectReview = defineKind<authentication.SelfSubjectReview>({
  group: "authentication.k8s.io",
  version: "v1",
  kind: "SelfSubjectReview",
  plural: "selfsubjectreviews",
  namespaced: false,
  virtual: true,
  verbs: ["create"],
});
