import assert from "node:assert/strict";
import { test } from "node:test";
import { cells, changed, changeFaults, faults, made } from "../testing.ts";
import { CronJob } from "./cron-job.ts";
import { Job } from "./job.ts";

const template = { spec: { restartPolicy: "Never", containers: [{ name: "a", image: "b" }] } };
const good = { spec: { template } };
const indexed = { spec: { template, completionMode: "Indexed", completions: 3 } };
const cron = { spec: { schedule: "*/5 * * * *", jobTemplate: { spec: { template } } } };

test("a plain job is good, and the server makes its selector and labels", () => {
  assert.deepEqual(faults(Job, good), []);
  assert.deepEqual(faults(Job, indexed), []);
  const job = made<Job>(Job, good);
  assert.deepEqual(job.spec?.selector, { matchLabels: { "batch.kubernetes.io/controller-uid": "uid-1" } });
  const labels = {
    "batch.kubernetes.io/controller-uid": "uid-1",
    "batch.kubernetes.io/job-name": "x",
    "controller-uid": "uid-1",
    "job-name": "x",
  };
  assert.deepEqual(job.spec?.template.metadata?.labels, labels);
  assert.deepEqual(job.metadata.labels, labels);
  assert.equal(job.spec?.backoffLimit, 6);
  assert.equal(job.spec?.completions, 1);
  assert.equal(job.spec?.podReplacementPolicy, "TerminatingOrFailed");
});

test("a job keeps labels of its own apart from those of its pods", () => {
  const job = made<Job>(Job, good, { labels: { mine: "1" } });
  assert.deepEqual(job.metadata.labels, { mine: "1" });
});

test("each fault of a job is named by its path", () => {
  const table: [object, string, unknown, string][] = [
    [good, "spec.parallelism", -1, "spec.parallelism"],
    [good, "spec.backoffLimit", -1, "spec.backoffLimit"],
    [good, "spec.template.spec.restartPolicy", "Always", "spec.template.spec.restartPolicy"],
    [good, "spec.template.spec.restartPolicy", undefined, "spec.template.spec.restartPolicy"],
    [good, "spec.completionMode", "Other", "spec.completionMode"],
    [{ spec: { template, parallelism: 2 } }, "spec.completionMode", "Indexed", "spec.completions"],
    [good, "spec.backoffLimitPerIndex", 1, "spec.backoffLimitPerIndex"],
    [good, "spec.selector", { matchLabels: { a: "b" } }, "spec.selector"],
    [good, "spec.managedBy", "me", "spec.managedBy"],
    [good, "spec.successPolicy", { rules: [{ succeededCount: 1 }] }, "spec.successPolicy"],
    [indexed, "spec.maxFailedIndexes", 1, "spec.backoffLimitPerIndex"],
    [indexed, "spec.successPolicy", { rules: [] }, "spec.successPolicy.rules"],
    [
      indexed,
      "spec.successPolicy",
      { rules: [{ succeededIndexes: "0-9" }] },
      "spec.successPolicy.rules[0].succeededIndexes",
    ],
    [indexed, "spec.successPolicy", { rules: [{ succeededCount: 4 }] }, "spec.successPolicy.rules[0].succeededCount"],
    [
      good,
      "spec.podFailurePolicy",
      { rules: [{ action: "Boom", onExitCodes: { operator: "In", values: [1] } }] },
      "spec.podFailurePolicy.rules[0].action",
    ],
    [
      good,
      "spec.podFailurePolicy",
      { rules: [{ action: "FailJob", onExitCodes: { operator: "In", values: [0] } }] },
      "spec.podFailurePolicy.rules[0].onExitCodes.values[0]",
    ],
    [good, "spec.podFailurePolicy", { rules: [{ action: "Ignore" }] }, "spec.podFailurePolicy.rules[0]"],
  ];
  for (const [base, at, value, field] of table) {
    assert.ok(faults(Job, changed(base, at, value)).includes(field), `${at} ${JSON.stringify(value)}`);
  }
});

test("what may change of a job", () => {
  const old = made<Job>(Job, good);
  assert.deepEqual(changeFaults(Job, old, changed(old, "spec.parallelism", 3)), []);
  assert.match(changeFaults(Job, old, changed(old, "spec.completions", 3))[0]!, /^spec.completions: .*immutable/);
  const image = changed(old, "spec.template.spec.containers.0.image", "c");
  assert.match(changeFaults(Job, old, image)[0]!, /^spec.template: .*field is immutable/);
  const waiting = changed(old, "spec.suspend", true);
  assert.deepEqual(changeFaults(Job, waiting, changed(waiting, "spec.template.spec.nodeSelector", { a: "b" })), []);
  const three = made<Job>(Job, changed(indexed, "spec.parallelism", 3));
  const five = changed(changed(three, "spec.completions", 5), "spec.parallelism", 5);
  assert.deepEqual(changeFaults(Job, three, five), []);
});

test("the table of jobs shows progress and how long it took", () => {
  const job = {
    ...made<Job>(Job, good),
    status: {
      succeeded: 1,
      startTime: "2026-01-01T00:00:00Z",
      completionTime: "2026-01-01T00:00:42Z",
      conditions: [{ type: "Complete", status: "True" }],
    },
  };
  const { Status, Completions, Duration } = cells(Job, job);
  assert.deepEqual({ Status, Completions, Duration }, { Status: "Complete", Completions: "1/1", Duration: "42s" });
});

test("cron jobs: schedule, time zone and name are checked", () => {
  assert.deepEqual(faults(CronJob, cron), []);
  const table: [string, unknown, string][] = [
    ["spec.schedule", "", "spec.schedule"],
    ["spec.schedule", "* * * *", "spec.schedule"],
    ["spec.schedule", "61 * * * *", "spec.schedule"],
    ["spec.schedule", "TZ=UTC * * * * *", "spec.schedule"],
    ["spec.timeZone", "Mars/Base", "spec.timeZone"],
    ["spec.timeZone", "Local", "spec.timeZone"],
    ["spec.concurrencyPolicy", "Maybe", "spec.concurrencyPolicy"],
    ["spec.startingDeadlineSeconds", -1, "spec.startingDeadlineSeconds"],
    ["spec.jobTemplate.spec.manualSelector", true, "spec.jobTemplate.spec.manualSelector"],
    [
      "spec.jobTemplate.spec.template.spec.restartPolicy",
      "Always",
      "spec.jobTemplate.spec.template.spec.restartPolicy",
    ],
  ];
  for (const [at, value, field] of table) {
    assert.ok(faults(CronJob, changed(cron, at, value)).includes(field), `${at} ${JSON.stringify(value)}`);
  }
  assert.deepEqual(faults(CronJob, cron, { name: "n".repeat(53) }), ["metadata.name"]);
  const { Schedule, Timezone, Suspend, Active } = cells(CronJob, made(CronJob, cron));
  assert.deepEqual([Schedule, Timezone, Suspend, Active], ["*/5 * * * *", "<none>", "False", 0]);
});
