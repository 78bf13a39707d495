// DaemonSet: one pod on every matching node.
// Follows kubernetes v1.36 pkg/apis/apps/v1/defaults.go, validation/validation.go (DaemonSet) and registry/apps/daemonset/strategy.go.
import type * as apps from "../generated/apps.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { invalidValue, notSupported, required } from "../../machinery/field.ts";
import { formatLabels } from "../../machinery/selector.ts";
import { all, type Errors, fields, notNegative, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defaultPodTemplate } from "../core/pod/defaults.ts";
import { isZero, shareErrors } from "../int-or-percent.ts";
import { defineKind } from "../kind.ts";
import { ownSelectorErrors, ownTemplateErrors, selectorColumn, templateColumns } from "./workload.ts";

export type DaemonSet = apps.DaemonSet;

/** Counts the changes of the template; the old API had a field for it. */
const templateGeneration = "deprecated.daemonset.template.generation";

function setDefaults({ spec }: DaemonSet): void {
  if (!spec) return;
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= "RollingUpdate";
  if (spec.updateStrategy.type === "RollingUpdate") {
    spec.updateStrategy.rollingUpdate = { maxUnavailable: 1, maxSurge: 0, ...spec.updateStrategy.rollingUpdate };
  }
  spec.revisionHistoryLimit ??= 10;
  defaultPodTemplate(spec.template);
}

function strategyErrors({ type, rollingUpdate }: apps.DaemonSetUpdateStrategy): Errors {
  const at = "spec.updateStrategy";
  if (type === "OnDelete") return [];
  if (type !== "RollingUpdate") return [notSupported(`${at}.type`, type ?? "", ["RollingUpdate", "OnDelete"])];
  if (!rollingUpdate) return [required(`${at}.rollingUpdate`)];
  const { maxUnavailable, maxSurge } = rollingUpdate;
  const here = `${at}.rollingUpdate`;
  const [noneUnavailable, noSurge] = [isZero(maxUnavailable), isZero(maxSurge)];
  return all(
    shareErrors(`${here}.maxUnavailable`, maxUnavailable),
    shareErrors(`${here}.maxSurge`, maxSurge),
    noneUnavailable && noSurge && required(`${here}.maxUnavailable`, "cannot be 0 when maxSurge is 0"),
    !noneUnavailable &&
      !noSurge &&
      invalidValue(`${here}.maxSurge`, maxSurge, "may not be set when maxUnavailable is non-zero"),
  );
}

function validate({ spec }: DaemonSet): Errors {
  if (!spec) return [required("spec.selector"), required("spec.template")];
  return fields("spec", spec, {
    selector: (_, selector) => ownSelectorErrors(selector, "daemonset"),
    template: (_, template) => ownTemplateErrors(template, spec.selector, "DaemonSet"),
    minReadySeconds: notNegative,
    updateStrategy: (_, strategy) => strategyErrors(strategy ?? {}),
    revisionHistoryLimit: notNegative,
  });
}

const counters = [
  "currentNumberScheduled",
  "numberMisscheduled",
  "desiredNumberScheduled",
  "numberReady",
  "updatedNumberScheduled",
  "numberAvailable",
  "numberUnavailable",
  "observedGeneration",
] as const;

const count = (name: string, get: (status: apps.DaemonSetStatus) => number | undefined) =>
  column<DaemonSet>(name, ({ status }) => (status && get(status)) ?? 0, { type: "integer" });

function setTemplateGeneration(draft: DaemonSet, generation: number): void {
  draft.metadata.annotations = { ...draft.metadata.annotations, [templateGeneration]: String(generation) };
}

export const DaemonSet = defineKind<DaemonSet>("apps/v1", "DaemonSet", {
  shortNames: ["ds"],
  categories: ["all"],
  hasGeneration: true,
  subresources: { status: true },
  columns: [
    nameColumn,
    count("Desired", (status) => status.desiredNumberScheduled),
    count("Current", (status) => status.currentNumberScheduled),
    count("Ready", (status) => status.numberReady),
    count("Up-to-date", (status) => status.updatedNumberScheduled),
    count("Available", (status) => status.numberAvailable),
    column("Node Selector", ({ spec }) => formatLabels(spec?.template?.spec?.nodeSelector) || "<none>"),
    ageColumn,
    ...templateColumns<DaemonSet>(({ spec }) => spec?.template),
    selectorColumn<DaemonSet>(({ spec }) => spec?.selector),
  ],
  defaults: setDefaults,
  prepareForCreate: (draft) => {
    draft.status = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 };
    setTemplateGeneration(draft, 1);
  },
  prepareForUpdate: (draft, old) => {
    const before = Number(old.metadata.annotations?.[templateGeneration] ?? 1);
    const same = deepEqual(draft.spec?.template, old.spec?.template);
    setTemplateGeneration(draft, same ? before : before + 1);
  },
  validate,
  validateUpdate: (next, old) => unchanged("spec.selector", next.spec?.selector, old.spec?.selector),
  validateStatusUpdate: ({ status }) => counters.flatMap((field) => notNegative(`status.${field}`, status?.[field])),
});
