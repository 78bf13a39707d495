// CronJob: starts Jobs at times.
// Follows kubernetes v1.36 pkg/apis/batch/v1/defaults.go and pkg/apis/batch/validation/validation.go (CronJob).
import type * as batch from "../generated/batch.v1.ts";
import { isTimeZone, parseCron } from "../../machinery/cron.ts";
import { ageOf } from "../../machinery/duration.ts";
import { invalidValue, notSupported, required } from "../../machinery/field.ts";
import { selectorColumn, templateColumns } from "../apps/workload.ts";
import { all, among, type Errors, fields, notNegative } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defaultPodTemplate } from "../core/pod/defaults.ts";
import { defineKind, statusAtFirst } from "../kind.ts";
import { jobSpecErrors } from "./job-validation.ts";

export type CronJob = batch.CronJob;

/** Jobs get up to eleven more characters in their names. */
const maxNameLength = 52;

function setDefaults({ spec }: CronJob): void {
  if (!spec) return;
  spec.concurrencyPolicy ||= "Allow";
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= 3;
  spec.failedJobsHistoryLimit ??= 1;
  defaultPodTemplate(spec.jobTemplate?.spec?.template);
}

function scheduleErrors(schedule: string | undefined): Errors {
  if (!schedule) return [required("spec.schedule")];
  if (schedule.includes("TZ")) {
    const text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
    return [invalidValue("spec.schedule", schedule, text)];
  }
  try {
    parseCron(schedule);
    return [];
  } catch (error) {
    return [invalidValue("spec.schedule", schedule, (error as Error).message)];
  }
}

function timeZoneErrors(timeZone: string | undefined): Errors {
  if (timeZone === undefined) return [];
  const refused = (text: string) => [invalidValue("spec.timeZone", timeZone, text)];
  if (timeZone === "") return refused("timeZone must be nil or non-empty string");
  if (timeZone.toLowerCase() === "local") {
    return refused("timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
  }
  return isTimeZone(timeZone) ? [] : refused(`unknown time zone ${timeZone}`);
}

function validate({ metadata, spec }: CronJob): Errors {
  if (!spec) return [required("spec.schedule"), required("spec.jobTemplate")];
  const template = spec.jobTemplate?.spec;
  const { name } = metadata;
  return all(
    fields("spec", spec, {
      schedule: (_, schedule) => scheduleErrors(schedule),
      timeZone: (_, zone) => timeZoneErrors(zone),
      startingDeadlineSeconds: notNegative,
      concurrencyPolicy: among(["Allow", "Forbid", "Replace"]),
      successfulJobsHistoryLimit: notNegative,
      failedJobsHistoryLimit: notNegative,
    }),
    template ? jobSpecErrors(template, "spec.jobTemplate.spec") : required("spec.jobTemplate.spec.template"),
    template?.manualSelector && notSupported("spec.jobTemplate.spec.manualSelector", true, ["nil", "false"]),
    name.length > maxNameLength &&
      invalidValue("metadata.name", name, `must be no more than ${maxNameLength} characters`),
  );
}

const boolText = (value: boolean | undefined) => (value === undefined ? "<unset>" : value ? "True" : "False");

export const CronJob = defineKind<CronJob>("batch/v1", "CronJob", {
  shortNames: ["cj"],
  categories: ["all"],
  hasGeneration: true,
  subresources: { status: true },
  columns: [
    nameColumn,
    column("Schedule", ({ spec }) => spec?.schedule),
    column("Timezone", ({ spec }) => spec?.timeZone ?? "<none>"),
    column("Suspend", ({ spec }) => boolText(spec?.suspend)),
    column("Active", ({ status }) => status?.active?.length ?? 0, { type: "integer" }),
    column("Last Schedule", ({ status }, now) =>
      status?.lastScheduleTime ? ageOf(status.lastScheduleTime, now) : "<none>",
    ),
    ageColumn,
    ...templateColumns<CronJob>(({ spec }) => spec?.jobTemplate?.spec?.template),
    selectorColumn<CronJob>(({ spec }) => spec?.jobTemplate?.spec?.selector),
  ],
  defaults: setDefaults,
  prepareForCreate: statusAtFirst({}),
  validate,
});
