// ResourceClaim: a request for devices.
import type * as resource from "../generated/resource.v1.ts";
import { defineKind } from "../kind.ts";

export type ResourceClaim = resource.ResourceClaim;

export const ResourceClaim = defineKind<resource.ResourceClaim>({
  group: "resource.k8s.io",
  version: "v1",
  kind: "ResourceClaim",
  plural: "resourceclaims",
  subresources: {
    status: true,
  },
});
