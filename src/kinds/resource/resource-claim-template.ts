// ResourceClaimTemplate: makes a ResourceClaim for each pod.
import type * as resource from "../generated/resource.v1.ts";
import { unchanged } from "../checks.ts";
import { ageColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";
import { claimSpecErrors, defaultClaimSpec } from "./claim-spec.ts";

export type ResourceClaimTemplate = resource.ResourceClaimTemplate;

export const ResourceClaimTemplate = defineKind<ResourceClaimTemplate>("resource.k8s.io/v1", "ResourceClaimTemplate", {
  columns: [nameColumn, ageColumn],
  defaults: ({ spec }) => defaultClaimSpec(spec?.spec),
  validate: ({ spec }) => claimSpecErrors(spec?.spec, "spec.spec"),
  validateUpdate: (next, old) => unchanged("spec", next.spec, old.spec),
});
