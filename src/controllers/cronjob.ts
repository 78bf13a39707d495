// CronJob: starts Jobs on schedule and clears away old ones.
// Follows kubernetes v1.36 pkg/controller/cronjob/cronjob_controllerv2.go (syncCronJob, cleanupFinishedJobs).
import type { CronJobStatus } from "../kinds/generated/batch.v1.ts";
import { CronJob, Job } from "../kinds/index.ts";
import { formatTime, parseTime } from "../machinery/clock.ts";
import { isTimeZone, lastTime, nextTime, parseCron, type CronSchedule } from "../machinery/cron.ts";
import { controllerReference, type NewObject } from "../machinery/object.ts";
import { controlledBy, ownershipIndexes } from "./common/ownership.ts";
import { isTerminating } from "./common/pods.ts";
import { statusUpdate } from "./common/status.ts";
import { defineController, event, owns, type Action, type Plan } from "./framework/controller.ts";
import { isOver } from "./job/decide.ts";

export interface CronJobObserved {
  readonly cronJob: CronJob;
  readonly jobs: readonly Job[];
}

const scheduledAnnotation = "batch.kubernetes.io/cronjob-scheduled-timestamp";

export function decideCronJob({ cronJob, jobs }: CronJobObserved, now: number): Plan {
  const active = jobs.filter((job) => !isOver(job));
  const cleaning = [...surplus(jobs, "Complete", cronJob.spec?.successfulJobsHistoryLimit ?? 3)];
  cleaning.push(...surplus(jobs, "Failed", cronJob.spec?.failedJobsHistoryLimit ?? 1));
  const status = statusOf(cronJob, jobs, active);
  const resting: Plan = {
    actions: [...cleaning, ...completions(cronJob, jobs), ...statusUpdate(CronJob, cronJob, status)],
  };
  if (isTerminating(cronJob) || cronJob.spec?.suspend) return resting;
  const schedule = readSchedule(cronJob);
  if ("problem" in schedule) return { actions: [...resting.actions, schedule.problem] };
  const next = nextTime(schedule.schedule, now, schedule.timeZone);
  const requeueAfterMs = next === undefined ? undefined : next - now;
  const due = dueTime(cronJob, schedule, now);
  if (due === undefined) return { ...resting, requeueAfterMs };
  const { concurrencyPolicy = "Allow" } = cronJob.spec!;
  if (concurrencyPolicy === "Forbid" && active.length > 0) {
    const message = "Not starting job because prior execution is running and concurrency policy is Forbid";
    return { actions: [...resting.actions, event(cronJob, "Normal", "JobAlreadyActive", message)], requeueAfterMs };
  }
  const replaced = concurrencyPolicy === "Replace" ? active.flatMap((job) => replacement(cronJob, job)) : [];
  const job = newJob(cronJob, due);
  const known = jobs.some(({ metadata }) => metadata.name === job.metadata.name);
  const starting: Action[] = known
    ? []
    : [
        { type: "create", kind: Job, object: job },
        event(cronJob, "Normal", "SuccessfulCreate", `Created job ${job.metadata.name}`),
      ];
  const started: CronJobStatus = { ...status, lastScheduleTime: formatTime(due) };
  return {
    actions: [...cleaning, ...replaced, ...starting, ...statusUpdate(CronJob, cronJob, started)],
    requeueAfterMs,
  };
}

interface Schedule {
  readonly schedule: CronSchedule;
  readonly timeZone: string;
}

/** Without a time zone, schedules are in UTC. */
function readSchedule(cronJob: CronJob): Schedule | { readonly problem: Action } {
  const { schedule, timeZone = "UTC" } = cronJob.spec!;
  if (!isTimeZone(timeZone)) {
    return { problem: event(cronJob, "Warning", "UnknownTimeZone", `invalid timeZone: ${JSON.stringify(timeZone)}`) };
  }
  try {
    return { schedule: parseCron(schedule), timeZone };
  } catch (error) {
    const message = `unparseable schedule: ${JSON.stringify(schedule)} : ${(error as Error).message}`;
    return { problem: event(cronJob, "Warning", "UnparseableSchedule", message) };
  }
}

/** The latest scheduled time that no job was started for and that is not too late to start. */
function dueTime(cronJob: CronJob, { schedule, timeZone }: Schedule, now: number): number | undefined {
  const deadline = cronJob.spec?.startingDeadlineSeconds;
  const last = parseTime(cronJob.status?.lastScheduleTime ?? cronJob.metadata.creationTimestamp);
  const earliest = deadline === undefined ? last : Math.max(last, now - deadline * 1000);
  return lastTime(schedule, earliest, now, timeZone);
}

function newJob(cronJob: CronJob, due: number): NewObject<Job> {
  const { metadata: { labels, annotations } = {}, spec } = cronJob.spec!.jobTemplate;
  const { name, namespace } = cronJob.metadata;
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: `${name}-${Math.floor(due / 60_000)}`,
      namespace: namespace!,
      ...(labels ? { labels } : {}),
      annotations: { ...annotations, [scheduledAnnotation]: formatTime(due) },
      ownerReferences: [controllerReference(cronJob)],
    },
    spec: spec!,
  };
}

const replacement = (cronJob: CronJob, job: Job): Action[] => [
  { type: "delete", kind: Job, object: job, propagationPolicy: "Background" },
  event(cronJob, "Normal", "SuccessfulDelete", `Deleted job ${job.metadata.name}`),
];

const ended = (job: Job, type: string): boolean =>
  job.status?.conditions?.some((condition) => condition.type === type && condition.status === "True") ?? false;

function surplus(jobs: readonly Job[], type: "Complete" | "Failed", limit: number): Action[] {
  const start = ({ status, metadata }: Job) => status?.startTime ?? metadata.creationTimestamp;
  const found = jobs.filter((job) => ended(job, type) && !isTerminating(job));
  return found
    .sort((a, b) => start(a).localeCompare(start(b)))
    .slice(0, Math.max(0, found.length - limit))
    .map((object) => ({ type: "delete", kind: Job, object, propagationPolicy: "Background" }));
}

/** Events of jobs that were active and have ended. */
function completions(cronJob: CronJob, jobs: readonly Job[]): Action[] {
  const before = new Set((cronJob.status?.active ?? []).map(({ uid }) => uid));
  return jobs
    .filter((job) => before.has(job.metadata.uid) && isOver(job))
    .map((job) => {
      const condition = ended(job, "Complete") ? "Complete" : "Failed";
      return event(
        cronJob,
        "Normal",
        "SawCompletedJob",
        `Saw completed job: ${job.metadata.name}, condition: ${condition}`,
      );
    });
}

function statusOf(cronJob: CronJob, jobs: readonly Job[], active: readonly Job[]): CronJobStatus {
  const successes = jobs.filter((job) => ended(job, "Complete")).map(({ status }) => status?.completionTime ?? "");
  const lastSuccess = [...successes, cronJob.status?.lastSuccessfulTime ?? ""].sort().at(-1);
  const { lastScheduleTime } = cronJob.status ?? {};
  const references = active
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .map(({ apiVersion, kind, metadata: { name, namespace, uid, resourceVersion } }) => {
      const known = cronJob.status?.active?.find((reference) => reference.uid === uid);
      // The version of its first mention stays, or every step of a job would rewrite this status.
      return known ?? { apiVersion, kind, name, namespace: namespace!, uid, resourceVersion };
    });
  return {
    ...(references.length > 0 ? { active: references } : {}),
    ...(lastScheduleTime ? { lastScheduleTime } : {}),
    ...(lastSuccess ? { lastSuccessfulTime: lastSuccess } : {}),
  };
}

export const cronJob = defineController<CronJobObserved>({
  name: "cronjob-controller",
  primary: CronJob,
  watches: [owns(Job)],
  indexes: ownershipIndexes(Job),
  observe(key, caches) {
    const found = caches.of(CronJob).get(key);
    return found?.spec ? { cronJob: found, jobs: controlledBy(caches, Job, found.metadata.uid) } : undefined;
  },
  decide: decideCronJob,
});
