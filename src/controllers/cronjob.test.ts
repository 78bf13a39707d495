// CronJobs: what is due, what waits, and what is cleared away.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CronJob, Job } from "../kinds/index.ts";
import { decideCronJob } from "./cronjob.ts";
import { ago, meta, now } from "./testing.ts";

const cronJob = (spec: Partial<NonNullable<CronJob["spec"]>> = {}, lastSeconds = 600): CronJob => ({
  apiVersion: "batch/v1",
  kind: "CronJob",
  metadata: meta("tick"),
  spec: { schedule: "*/5 * * * *", jobTemplate: { spec: { template: {} } }, ...spec },
  status: { lastScheduleTime: ago(lastSeconds) },
});

const job = (name: string, type?: "Complete" | "Failed", seconds = 0): Job => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: meta(name),
  spec: { template: {} },
  status: { startTime: ago(seconds), ...(type ? { conditions: [{ type, status: "True" }] } : {}) },
});

const words = (object: CronJob, jobs: readonly Job[] = []) =>
  decideCronJob({ cronJob: object, jobs }, now).actions.map((action) =>
    action.type === "event"
      ? action.reason
      : action.type === "effect"
        ? ""
        : `${action.type} ${action.object.metadata.name}`,
  );
const due = `create tick-${now / 60_000}`;

test("a job starts when its time has come, named after it", () => {
  assert.deepEqual(words(cronJob()), [due, "SuccessfulCreate", "updateStatus tick"]);
  const plan = decideCronJob({ cronJob: cronJob({}, 0), jobs: [] }, now);
  assert.deepEqual(plan, { actions: [], requeueAfterMs: 300_000 });
});

test("after an interruption between job and status no second job starts", () => {
  assert.deepEqual(words(cronJob(), [job(due.slice("create ".length), "Complete")]), ["updateStatus tick"]);
});

test("the concurrency policy decides when an earlier job still runs", () => {
  const running = [job("tick-1")];
  assert.ok(words(cronJob(), running).includes(due));
  assert.ok(!words(cronJob({ concurrencyPolicy: "Forbid" }), running).includes(due));
  const replacing = words(cronJob({ concurrencyPolicy: "Replace" }), running);
  assert.deepEqual(replacing.slice(0, 3), ["delete tick-1", "SuccessfulDelete", due]);
});

test("suspended, malformed and late schedules start nothing", () => {
  assert.deepEqual(words(cronJob({ suspend: true })), []);
  assert.deepEqual(words(cronJob({ schedule: "often" })), ["UnparseableSchedule"]);
  assert.deepEqual(words(cronJob({ timeZone: "Mars/Base" })), ["UnknownTimeZone"]);
  assert.deepEqual(words(cronJob({ schedule: "50 11 * * *", startingDeadlineSeconds: 60 }, 7200)), []);
});

test("the oldest finished jobs beyond the limits go", () => {
  const jobs = [
    ...[1, 2, 3, 4].map((i) => job(`good-${i}`, "Complete", 1000 - i)),
    ...[1, 2].map((i) => job(`bad-${i}`, "Failed", 1000 - i)),
  ];
  const deleted = words(cronJob({ suspend: true }), jobs).filter((word) => word.startsWith("delete"));
  assert.deepEqual(deleted, ["delete good-1", "delete bad-1"]);
});
