// Job: runs pods until a number of them succeeded.
// Follows kubernetes v1.36 pkg/apis/batch/v1/defaults.go and pkg/registry/batch/job/strategy.go (generated selector).
import type * as batch from "../generated/batch.v1.ts";
import { parseTime } from "../../machinery/clock.ts";
import { formatAge } from "../../machinery/duration.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { selectorColumn, templateColumns } from "../apps/workload.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defaultPodTemplate } from "../core/pod/defaults.ts";
import { defineKind } from "../kind.ts";
import { generatedLabels, validateJob, validateJobStatusUpdate, validateJobUpdate } from "./job-validation.ts";

export type Job = batch.Job;

function setDefaults({ metadata, spec }: Job): void {
  if (!spec) return;
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1;
  spec.completionMode ??= "NonIndexed";
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? "Failed" : "TerminatingOrFailed";
  defaultFailurePolicy(spec);
  const labels = spec.template?.metadata?.labels;
  if (labels && Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
  defaultPodTemplate(spec.template);
}

function defaultFailurePolicy(spec: batch.JobSpec): void {
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= "True";
  }
}

/** Gives the template labels of the job's own, and the job a selector for them. */
function generateSelector({ metadata, spec }: Job): void {
  if (!spec?.template || spec.manualSelector) return;
  const before = spec.template.metadata?.labels;
  const labels = { ...generatedLabels(metadata.uid, metadata.name), ...before };
  // Labels that were copied from the template stay a copy of it.
  const copied = Object.keys(metadata.labels ?? {}).length === 0 || deepEqual(metadata.labels, before);
  spec.template.metadata = { ...spec.template.metadata, labels };
  if (copied) metadata.labels = { ...labels };
  const matchLabels = { ...spec.selector?.matchLabels };
  if (matchLabels["controller-uid"] === undefined) matchLabels["batch.kubernetes.io/controller-uid"] ??= metadata.uid;
  spec.selector = { ...spec.selector, matchLabels };
}

function completionsText({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function durationText({ status }: Job, now: number): string {
  if (!status?.startTime) return "";
  const end = status.completionTime ? parseTime(status.completionTime) : now;
  return formatAge(end - parseTime(status.startTime));
}

function statusText({ metadata, status }: Job): string {
  const is = (type: string) => status?.conditions?.some((row) => row.type === type && row.status === "True");
  if (is("Complete")) return "Complete";
  if (is("Failed")) return "Failed";
  if (metadata.deletionTimestamp) return "Terminating";
  return ["Suspended", "FailureTarget", "SuccessCriteriaMet"].find(is) ?? "Running";
}

export const Job = defineKind<Job>("batch/v1", "Job", {
  categories: ["all"],
  hasGeneration: true,
  dependentsStay: {
    warning: "the pods of this job stay; delete it with propagationPolicy=Background to remove them too",
  },
  subresources: { status: true },
  selectableFields: { "status.successful": ({ status }) => String(status?.succeeded ?? 0) },
  columns: [
    nameColumn,
    column("Status", statusText),
    column("Completions", completionsText),
    column("Duration", durationText),
    ageColumn,
    ...templateColumns<Job>(({ spec }) => spec?.template),
    selectorColumn<Job>(({ spec }) => spec?.selector),
  ],
  defaults: setDefaults,
  prepareForCreate: (draft) => {
    draft.status = {};
    generateSelector(draft);
  },
  validate: validateJob,
  validateUpdate: validateJobUpdate,
  validateStatusUpdate: validateJobStatusUpdate,
});
