// PodTemplate: a stored description of pods.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type PodTemplate = core.PodTemplate;

export const PodTemplate = defineKind<core.PodTemplate>({
  group: "",
  version: "v1",
  kind: "PodTemplate",
  plural: "podtemplates",
  hasGeneration: true,
});
