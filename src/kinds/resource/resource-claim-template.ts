// ResourceClaimTemplate: makes a ResourceClaim for each pod.
import type * as resource from "../generated/resource.v1.ts";
import { defineKind } from "../kind.ts";

export type ResourceClaimTemplate = resource.ResourceClaimTemplate;

export const ResourceClaimTemplate = defineKind<resource.ResourceClaimTemplate>({
  group: "resource.k8s.io",
  version: "v1",
  kind: "ResourceClaimTemplate",
  plural: "resourceclaimtemplates",
});
