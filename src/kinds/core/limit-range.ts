// LimitRange: bounds and defaults for the resources of single objects in a namespace.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type LimitRange = core.LimitRange;

export const LimitRange = defineKind<core.LimitRange>({
  group: "",
  version: "v1",
  kind: "LimitRange",
  plural: "limitranges",
  shortNames: ["limits"],
});
