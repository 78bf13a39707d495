// ServiceAccount: the identity of pods.
import type * as core from "../generated/core.v1.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";

export type ServiceAccount = core.ServiceAccount;

export const ServiceAccount = defineKind<ServiceAccount>("v1", "ServiceAccount", {
  shortNames: ["sa"],
  subresources: { special: ["token"] },
  columns: [nameColumn, column("Secrets", (account) => account.secrets?.length ?? 0), ageColumn],
});
