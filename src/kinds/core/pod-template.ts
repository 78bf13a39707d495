// PodTemplate: a stored description of pods.
import type * as core from "../generated/core.v1.ts";
import { ageColumn, column, labelsOrNone, nameColumn } from "../columns.ts";
import { podSpecWarnings } from "./pod/warnings.ts";
import { defaultPodTemplate } from "./pod/defaults.ts";
import { validatePodTemplate } from "./pod/validate.ts";
import { defineKind } from "../kind.ts";

export type PodTemplate = core.PodTemplate;

export const PodTemplate = defineKind<PodTemplate>("v1", "PodTemplate", {
  hasGeneration: true,
  columns: [
    nameColumn,
    column("Containers", ({ template }) => (template?.spec?.containers ?? []).map(({ name }) => name).join(",")),
    column("Images", ({ template }) => (template?.spec?.containers ?? []).map(({ image }) => image).join(",")),
    column("Pod Labels", ({ template }) => labelsOrNone(template?.metadata?.labels)),
    ageColumn,
  ],
  defaults: (draft) => defaultPodTemplate(draft.template),
  validate: (object) => validatePodTemplate(object.template, "template"),
  warnings: (object) => podSpecWarnings(object.template?.spec, "template.spec"),
});
