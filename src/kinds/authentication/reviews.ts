// Reviews that ask who somebody is. They are answered, not stored.
import type * as authentication from "../generated/authentication.v1.ts";
import { defineReview } from "../kind.ts";

export type SelfSubjectReview = authentication.SelfSubjectReview;
export type TokenReview = authentication.TokenReview;

export const SelfSubjectReview = defineReview<SelfSubjectReview>("authentication.k8s.io/v1", "SelfSubjectReview");
export const TokenReview = defineReview<TokenReview>("authentication.k8s.io/v1", "TokenReview");
