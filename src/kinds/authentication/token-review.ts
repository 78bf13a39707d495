// TokenReview: asks whom a token belongs to.
import type * as authentication from "../generated/authentication.v1.ts";
import { defineKind } from "../kind.ts";

export type TokenReview = authentication.TokenReview;

export const TokenReview = defineKind<authentication.TokenReview>({
  group: "authentication.k8s.io",
  version: "v1",
  kind: "TokenReview",
  plural: "tokenreviews",
  namespaced: false,
  virtual: true,
  verbs: ["create"],
});
