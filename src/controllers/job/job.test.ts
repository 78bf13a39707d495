// Jobs: indexes, policies, counting and verdicts.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobStatus } from "../../kinds/generated/batch.v1.ts";
import type { Job, Pod } from "../../kinds/index.ts";
import type { Action } from "../framework/controller.ts";
import { ago, meta, now, pod } from "../testing.ts";
import { decideJob } from "./decide.ts";
import { formatIndexes, parseIndexes } from "./indexes.ts";
import { matchFailurePolicy, matchSuccessPolicy, untilRetry } from "./policy.ts";
import { trackingFinalizer } from "./pods.ts";

const job = (spec: Partial<NonNullable<Job["spec"]>> = {}, status: JobStatus = {}): Job => ({
  apiVersion: "batch/v1",
  kind: "Job",
  metadata: meta("work"),
  spec: {
    completions: 3,
    parallelism: 2,
    backoffLimit: 6,
    template: { spec: { containers: [{ name: "app" }] } },
    ...spec,
  },
  status: { startTime: ago(60), ...status },
});

const ended = (name: string, phase: string, exitCode = 0): Pod =>
  pod(name, {
    phase,
    more: { finalizers: [trackingFinalizer] },
    status: {
      containerStatuses: [
        {
          name: "app",
          image: "",
          imageID: "",
          ready: false,
          restartCount: 0,
          state: { terminated: { exitCode, finishedAt: ago(1) } },
        },
      ],
    },
  });

const decide = (object: Job, pods: readonly Pod[]) =>
  decideJob({ job: object, claim: { owned: pods, changes: [] } }, now);
const statusOf = (actions: readonly Action[]): JobStatus | undefined => {
  const write = actions.find(({ type }) => type === "updateStatus");
  return write?.type === "updateStatus" ? (write.object as Job).status : undefined;
};
const typesOf = (actions: readonly Action[]) => actions.map(({ type }) => type);

test("indexes as text and back", () => {
  const rows = ["", "0", "0,1", "0-2", "0-2,5", "1,3-7,9"];
  for (const text of rows) assert.equal(formatIndexes(parseIndexes(text, 100)), text);
  assert.deepEqual([...parseIndexes("0-9", 3)], [0, 1, 2]);
});

test("a finished pod is written down before its finalizer goes, and becomes a number after", () => {
  const done = ended("a", "Succeeded");
  const first = decide(job(), [done]);
  assert.deepEqual(typesOf(first.actions), ["updateStatus", "patch", "create", "create"]);
  const noted = statusOf(first.actions)!;
  assert.deepEqual(noted.uncountedTerminatedPods, { succeeded: [done.metadata.uid] });
  assert.equal(noted.succeeded, 0);
  const { finalizers: _, ...metadata } = done.metadata;
  const second = statusOf(decide(job({}, noted), [{ ...done, metadata }]).actions)!;
  assert.equal(second.succeeded, 1);
  assert.deepEqual(second.uncountedTerminatedPods, {});
});

test("a job that is over its limit stops its pods before it is called failed", () => {
  const running = pod("b", { more: { finalizers: [trackingFinalizer] } });
  const plan = decide(job({ backoffLimit: 0 }), [ended("a", "Failed", 1), running]);
  const conditions = statusOf(plan.actions)!.conditions!;
  assert.deepEqual(
    conditions.map(({ type, reason }) => `${type} ${reason}`),
    ["FailureTarget BackoffLimitExceeded"],
  );
  assert.equal(plan.actions.at(-1)?.type, "delete");
});

test("a failed pod is replaced after a pause that doubles", () => {
  const failed = ended("a", "Failed", 1);
  assert.equal(untilRetry([failed], [], now), 9000);
  assert.equal(untilRetry([failed, failed, failed], [], now), 39_000);
  const plan = decide(job(), [failed]);
  assert.ok(!typesOf(plan.actions).includes("create"));
  assert.equal(plan.requeueAfterMs, 9000);
});

test("an indexed job gives each pod the lowest free index", () => {
  const running = pod("b", { more: { annotations: { "batch.kubernetes.io/job-completion-index": "0" } } });
  const { actions } = decide(
    job({ completionMode: "Indexed", completions: 4, parallelism: 3 }, { completedIndexes: "1" }),
    [running],
  );
  const made = actions.flatMap((action) => (action.type === "create" ? [action.object.metadata.generateName] : []));
  assert.deepEqual(made, ["work-2-", "work-3-"]);
});

test("policies match exit codes, conditions and sets of indexes", () => {
  const rules = [
    { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
    { action: "FailJob", onExitCodes: { operator: "In", values: [42] } },
  ];
  const object = job({ podFailurePolicy: { rules } });
  assert.equal(matchFailurePolicy(object, ended("a", "Failed", 1)), undefined);
  assert.deepEqual(matchFailurePolicy(object, ended("a", "Failed", 42)), {
    action: "FailJob",
    message: "Container app for pod default/a failed with exit code 42 matching FailJob rule at index 1",
  });
  const success = job({ completions: 5, successPolicy: { rules: [{ succeededIndexes: "0,2-3", succeededCount: 2 }] } });
  assert.equal(matchSuccessPolicy(success, new Set([0, 1])), undefined);
  assert.equal(matchSuccessPolicy(success, new Set([0, 3])), "Matched rules at index 0");
});

test("suspending deletes the pods, resuming starts the time anew", () => {
  const plan = decide(job({ suspend: true }), [pod("a")]);
  assert.equal(plan.actions.at(-1)?.type, "delete");
  assert.equal(statusOf(plan.actions)?.startTime, undefined);
  const resumed = statusOf(decide(job({}, { conditions: [{ type: "Suspended", status: "True" }] }), []).actions);
  assert.equal(resumed?.conditions?.[0]?.status, "False");
});

test("a finished job goes after its time to live", () => {
  const over = (seconds: number) =>
    job(
      { ttlSecondsAfterFinished: 100 },
      { conditions: [{ type: "Complete", status: "True", lastTransitionTime: ago(seconds) }] },
    );
  assert.deepEqual(decide(over(40), []), { actions: [], requeueAfterMs: 60_000 });
  assert.deepEqual(typesOf(decide(over(100), []).actions), ["delete"]);
});
