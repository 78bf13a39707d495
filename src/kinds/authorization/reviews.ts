// Reviews that ask what somebody may do. They are answered, not stored.
import type * as authorization from "../generated/authorization.v1.ts";
import { defineReview } from "../kind.ts";

export type LocalSubjectAccessReview = authorization.LocalSubjectAccessReview;
export type SelfSubjectAccessReview = authorization.SelfSubjectAccessReview;
export type SelfSubjectRulesReview = authorization.SelfSubjectRulesReview;
export type SubjectAccessReview = authorization.SubjectAccessReview;

const v1 = "authorization.k8s.io/v1";
export const LocalSubjectAccessReview = defineReview<LocalSubjectAccessReview>(v1, "LocalSubjectAccessReview", {
  namespaced: true,
});
export const SelfSubjectAccessReview = defineReview<SelfSubjectAccessReview>(v1, "SelfSubjectAccessReview");
export const SelfSubjectRulesReview = defineReview<SelfSubjectRulesReview>(v1, "SelfSubjectRulesReview");
export const SubjectAccessReview = defineReview<SubjectAccessReview>(v1, "SubjectAccessReview");
