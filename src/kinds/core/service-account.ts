// ServiceAccount: the identity of pods.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type ServiceAccount = core.ServiceAccount;

export const ServiceAccount = defineKind<core.ServiceAccount>({
  group: "",
  version: "v1",
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  shortNames: ["sa"],
  subresources: { special: ["token"] },
});
