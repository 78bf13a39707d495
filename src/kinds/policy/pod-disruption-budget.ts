// PodDisruptionBudget: how many pods may be evicted at a time.
import type * as policy from "../generated/policy.v1.ts";
import { defineKind } from "../kind.ts";

export type PodDisruptionBudget = policy.PodDisruptionBudget;

export const PodDisruptionBudget = defineKind<policy.PodDisruptionBudget>({
  group: "policy",
  version: "v1",
  kind: "PodDisruptionBudget",
  plural: "poddisruptionbudgets",
  nameRule: "pathSegment",
  shortNames: ["pdb"],
  hasGeneration: true,
  subresources: {
    status: true,
  },
});
