// ResourceQuota: limits on what the objects of a namespace may use together.
import type * as core from "../generated/core.v1.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { validateQuota, validateQuotaUpdate } from "./resource-quota-validation.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

export type ResourceQuota = core.ResourceQuota;

/** `pods: 1/10, requests.cpu: 1/2`, of the resources that bound limits or of all others. */
function usage({ status }: core.ResourceQuota, limits: boolean): string {
  return Object.entries(status?.hard ?? {})
    .filter(([name]) => name.startsWith("limits.") === limits)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => `${name}: ${status?.used?.[name] ?? "0"}/${hard}`)
    .join(", ");
}

export const ResourceQuota = defineKind<ResourceQuota>("v1", "ResourceQuota", {
  shortNames: ["quota"],
  subresources: { status: true },
  columns: [
    nameColumn,
    column("Request", (quota) => usage(quota, false)),
    column("Limit", (quota) => usage(quota, true)),
    ageColumn,
  ],
  prepareForCreate: statusAtFirst({}),
  validate: validateQuota,
  validateUpdate: validateQuotaUpdate,
});
