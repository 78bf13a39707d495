// ResourceQuota: limits on what the objects of a namespace may use together.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type ResourceQuota = core.ResourceQuota;

export const ResourceQuota = defineKind<core.ResourceQuota>({
  group: "",
  version: "v1",
  kind: "ResourceQuota",
  plural: "resourcequotas",
  shortNames: ["quota"],
  subresources: { status: true },
});
