// SubjectAccessReview: asks whether a user may do something.
import type * as authorization from "../generated/authorization.v1.ts";
import { defineKind } from "../kind.ts";

export type SubjectAccessReview = authorization.SubjectAccessReview;

export const SubjectAccessReview = defineKind<authorization.SubjectAccessReview>({
  group: "authorization.k8s.io",
  version: "v1",
  kind: "SubjectAccessReview",
  plural: "subjectaccessreviews",
  namespaced: false,
  virtual: true,
  verbs: ["create"],
});
