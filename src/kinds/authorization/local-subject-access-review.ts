// LocalSubjectAccessReview: asks whether a user may do something in a namespace.
import type * as authorization from "../generated/authorization.v1.ts";
import { defineKind } from "../kind.ts";

export type LocalSubjectAccessReview = authorization.LocalSubjectAccessReview;

export const LocalSubjectAccessReview = defineKind<authorization.LocalSubjectAccessReview>({
  group: "authorization.k8s.io",
  version: "v1",
  kind: "LocalSubjectAccessReview",
  plural: "localsubjectaccessreviews",
  virtual: true,
  verbs: ["create"],
});
