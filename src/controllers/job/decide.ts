// What a Job does next: count what finished, see whether it is over, else keep the right number of pods at work.
// Follows kubernetes v1.36 pkg/controller/job/job_controller.go (syncJob, trackJobStatusAndRemoveFinalizers, manageJob).
import type { JobCondition, JobStatus } from "../../kinds/generated/batch.v1.ts";
import { Job, type Pod } from "../../kinds/index.ts";
import { formatTime, parseTime } from "../../machinery/clock.ts";
import type { Claim } from "../common/ownership.ts";
import { isFinished } from "../../kinds/core/node-room.ts";
import { isReady, isTerminating, soonest } from "../common/pods.ts";
import { findCondition, statusUpdate } from "../common/status.ts";
import { event, type Action, type Plan } from "../framework/controller.ts";
import { indexOf, formatIndexes, parseIndexes } from "./indexes.ts";
import { exceedsRestarts, matchFailurePolicy, matchSuccessPolicy, untilDeadline, untilRetry } from "./policy.ts";
import { creation, deletion, failuresOf, isIndexed, isTracked, untrack } from "./pods.ts";

export interface JobObserved {
  readonly job: Job;
  readonly claim: Claim<Pod>;
}

/** Everything counted, finished pods that still carry the finalizer included. */
interface Counted {
  readonly status: JobStatus;
  readonly succeeded: number;
  readonly failed: number;
  readonly succeededIndexes: ReadonlySet<number>;
  readonly failedIndexes: ReadonlySet<number>;
  /** FailJob of the failure policy. */
  readonly policyFailure: string | undefined;
  readonly counted: readonly Pod[];
}

interface View {
  readonly job: Job;
  readonly pods: readonly Pod[];
  readonly active: readonly Pod[];
  readonly terminating: readonly Pod[];
  readonly counts: Counted;
  readonly now: number;
}

type Verdict = readonly [type: "SuccessCriteriaMet" | "FailureTarget", reason: string, message: string];

const burst = 500;
const conditionOf = (job: Job, type: string) => findCondition(job.status?.conditions, type);
const isTrue = (condition: JobCondition | undefined): boolean => condition?.status === "True";
export const isOver = (job: Job): boolean => isTrue(conditionOf(job, "Complete")) || isTrue(conditionOf(job, "Failed"));

export function decideJob({ job, claim }: JobObserved, now: number): Plan {
  if (claim.changes.length > 0) return { actions: claim.changes };
  if (job.spec?.managedBy !== undefined && job.spec.managedBy !== "kubernetes.io/job-controller")
    return { actions: [] };
  const tracked = claim.owned.filter(isTracked);
  if (isTerminating(job)) return { actions: tracked.map(untrack) };
  if (isOver(job)) return afterwards(job, tracked, now);
  const active = claim.owned.filter((pod) => !isFinished(pod) && !isTerminating(pod));
  const terminating = claim.owned.filter((pod) => !isFinished(pod) && isTerminating(pod));
  const view: View = { job, pods: claim.owned, active, terminating, counts: count(job, claim.owned), now };
  const verdict = standingVerdict(job) ?? judge(view);
  const work: Plan = verdict ? { actions: active.map((pod) => deletion(job, pod)) } : manage(view);
  const status = nextStatus(view, verdict, work.actions.length > 0);
  return {
    actions: [
      ...statusUpdate(Job, job, status),
      ...view.counts.counted.map(untrack),
      ...announcements(job, status),
      ...work.actions,
    ],
    requeueAfterMs: verdict ? undefined : soonest([work.requeueAfterMs, untilDeadline(job, now)]),
  };
}

/** A finished Job only lets go of its pods, and goes itself after its time to live. */
function afterwards(job: Job, tracked: readonly Pod[], now: number): Plan {
  const ttl = job.spec?.ttlSecondsAfterFinished;
  const finished = job.status?.conditions?.find(({ type }) => type === "Complete" || type === "Failed");
  const left = ttl === undefined ? undefined : parseTime(finished?.lastTransitionTime) + ttl * 1000 - now;
  const untracking = tracked.map(untrack);
  if (left === undefined || left > 0) return { actions: untracking, requeueAfterMs: left };
  return { actions: [...untracking, { type: "delete", kind: Job, object: job, propagationPolicy: "Foreground" }] };
}

/**
 * Finished pods are counted in two writes, so that none is counted twice or never: first their uids go into the status,
 * then their finalizer goes, then the uids become numbers.
 */
function count(job: Job, pods: readonly Pod[]): Counted {
  const status = job.status ?? {};
  const tracked = new Set(pods.filter(isTracked).map(({ metadata }) => metadata.uid));
  const uncounted = status.uncountedTerminatedPods ?? {};
  const pending = { succeeded: uncounted.succeeded ?? [], failed: uncounted.failed ?? [] };
  const still = (uids: readonly string[]) => uids.filter((uid) => tracked.has(uid));
  const known = new Set([...pending.succeeded, ...pending.failed]);
  const completions = job.spec?.completions ?? 0;
  const succeededIndexes = parseIndexes(status.completedIndexes, completions);
  const failedIndexes = parseIndexes(status.failedIndexes, completions);
  const added = { succeeded: [] as string[], failed: [] as string[] };
  let policyFailure: string | undefined;
  const counted: Pod[] = [];
  for (const pod of pods) {
    // A pod that was deleted before it ran to its end counts as failed once it is finished or nothing holds it up.
    const failed = pod.status?.phase === "Failed";
    if (!isTracked(pod) || !(failed || pod.status?.phase === "Succeeded" || isAbandoned(pod))) continue;
    counted.push(pod);
    const { uid } = pod.metadata;
    if (known.has(uid)) continue;
    const index = isIndexed(job) ? indexOf(pod) : undefined;
    if (pod.status?.phase === "Succeeded") {
      if (isIndexed(job)) {
        if (index !== undefined && index < completions) succeededIndexes.add(index);
      } else added.succeeded.push(uid);
      continue;
    }
    const match = failed ? matchFailurePolicy(job, pod) : undefined;
    if (match?.action === "FailJob") policyFailure ??= match.message;
    if (match?.action === "Ignore") continue;
    added.failed.push(uid);
    const limit = job.spec?.backoffLimitPerIndex;
    if (limit === undefined || index === undefined) continue;
    if (match?.action === "FailIndex" || failuresOf(pod) >= limit) failedIndexes.add(index);
  }
  for (const index of succeededIndexes) failedIndexes.delete(index);
  const settled = (uids: readonly string[]) => uids.length - still(uids).length;
  const indexed = isIndexed(job);
  const succeededNumber = indexed ? succeededIndexes.size : (status.succeeded ?? 0) + settled(pending.succeeded);
  const failedNumber = (status.failed ?? 0) + settled(pending.failed);
  const waiting = {
    succeeded: [...still(pending.succeeded), ...added.succeeded],
    failed: [...still(pending.failed), ...added.failed],
  };
  return {
    status: {
      ...status,
      succeeded: succeededNumber,
      failed: failedNumber,
      uncountedTerminatedPods: {
        ...(waiting.succeeded.length > 0 ? { succeeded: waiting.succeeded } : {}),
        ...(waiting.failed.length > 0 ? { failed: waiting.failed } : {}),
      },
      ...(indexed ? { completedIndexes: formatIndexes(succeededIndexes) } : {}),
      ...(job.spec?.backoffLimitPerIndex === undefined ? {} : { failedIndexes: formatIndexes(failedIndexes) }),
    },
    succeeded: succeededNumber + (indexed ? 0 : waiting.succeeded.length),
    failed: failedNumber + waiting.failed.length,
    succeededIndexes,
    failedIndexes,
    policyFailure,
    counted,
  };
}

/** Deleted before it got to a node: nobody will ever report its end. */
const isAbandoned = (pod: Pod): boolean => isTerminating(pod) && !pod.spec?.nodeName;

/** What was decided earlier and only waits for the last pods. */
function standingVerdict(job: Job): Verdict | undefined {
  for (const type of ["FailureTarget", "SuccessCriteriaMet"] as const) {
    const condition = conditionOf(job, type);
    if (isTrue(condition)) return [type, condition!.reason ?? "", condition!.message ?? ""];
  }
  return undefined;
}

function judge(view: View): Verdict | undefined {
  const { job, active, counts, now } = view;
  const { spec } = job;
  if (counts.policyFailure) return ["FailureTarget", "PodFailurePolicy", counts.policyFailure];
  const message = isIndexed(job) ? matchSuccessPolicy(job, counts.succeededIndexes) : undefined;
  if (message) return ["SuccessCriteriaMet", "SuccessPolicy", message];
  const limit = spec?.backoffLimit ?? 6;
  if ((spec?.backoffLimitPerIndex === undefined && counts.failed > limit) || exceedsRestarts(job, active)) {
    return ["FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit"];
  }
  const left = untilDeadline(job, now);
  if (left !== undefined && left <= 0) {
    return ["FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline"];
  }
  const failedIndexes = counts.failedIndexes.size;
  if (spec?.maxFailedIndexes !== undefined && failedIndexes > spec.maxFailedIndexes) {
    const text = "Job has exceeded the specified maximal number of failed indexes";
    return ["FailureTarget", "MaxFailedIndexesExceeded", text];
  }
  return judgeCompletion(view);
}

function judgeCompletion({ job, active, counts }: View): Verdict | undefined {
  const { completions } = job.spec!;
  const reached: Verdict = ["SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"];
  if (completions === undefined) {
    return counts.succeeded > 0 && active.length === 0 ? reached : undefined;
  }
  if (counts.succeeded >= completions) return reached;
  if (counts.failedIndexes.size > 0 && counts.succeeded + counts.failedIndexes.size >= completions) {
    return ["FailureTarget", "FailedIndexes", "Job has failed indexes"];
  }
  return undefined;
}

function manage(view: View): { actions: Action[]; requeueAfterMs?: number | undefined } {
  const { job, active, terminating, counts } = view;
  const { parallelism = 1, completions, suspend, podReplacementPolicy } = job.spec!;
  if (suspend) return { actions: active.map((pod) => deletion(job, pod)) };
  const occupied = active.length + (podReplacementPolicy === "Failed" ? terminating.length : 0);
  const left = completions === undefined ? parallelism : completions - counts.succeeded - counts.failedIndexes.size;
  // Without completions the first success means that no new pods are needed.
  const wanted = completions === undefined && counts.succeeded > 0 ? active.length : Math.min(parallelism, left);
  const surplus = active.length - Math.max(0, wanted);
  const extra = [...doubled(view), ...(surplus > 0 ? leastUseful(active).slice(0, surplus) : [])];
  if (extra.length > 0) return { actions: [...new Set(extra)].map((pod) => deletion(job, pod)) };
  const missing = Math.min(wanted - occupied, burst);
  if (missing <= 0) return { actions: [] };
  return isIndexed(job) ? createIndexed(view, missing) : createPlain(view, missing);
}

/** Pods that share an index with an older one, or have none of the job's. */
function doubled({ job, active }: View): Pod[] {
  if (!isIndexed(job)) return [];
  const seen = new Set<number>();
  return active.filter((pod) => {
    const index = indexOf(pod);
    if (index === undefined || index >= (job.spec?.completions ?? 0) || seen.has(index)) return true;
    seen.add(index);
    return false;
  });
}

const leastUseful = (pods: readonly Pod[]): Pod[] =>
  pods.toSorted(
    (a, b) =>
      Number(isReady(a)) - Number(isReady(b)) ||
      b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp),
  );

const byPhase = (pods: readonly Pod[], phase: string): Pod[] => pods.filter(({ status }) => status?.phase === phase);

function createPlain({ job, pods, now }: View, missing: number): { actions: Action[]; requeueAfterMs?: number } {
  const pause = untilRetry(byPhase(pods, "Failed"), byPhase(pods, "Succeeded"), now);
  if (pause > 0) return { actions: [], requeueAfterMs: pause };
  return { actions: Array.from({ length: missing }, () => creation(job)) };
}

function createIndexed(view: View, missing: number): { actions: Action[]; requeueAfterMs?: number | undefined } {
  const { job, pods, active, terminating, counts, now } = view;
  const perIndex = job.spec?.backoffLimitPerIndex !== undefined;
  const general = perIndex ? 0 : untilRetry(byPhase(pods, "Failed"), byPhase(pods, "Succeeded"), now);
  if (general > 0) return { actions: [], requeueAfterMs: general };
  const occupying = job.spec?.podReplacementPolicy === "Failed" ? [...active, ...terminating] : active;
  const taken = new Set(occupying.map(indexOf));
  const actions: Action[] = [];
  const pauses: number[] = [];
  for (let index = 0; index < (job.spec?.completions ?? 0) && actions.length < missing; index++) {
    if (taken.has(index) || counts.succeededIndexes.has(index) || counts.failedIndexes.has(index)) continue;
    if (!perIndex) {
      actions.push(creation(job, index));
      continue;
    }
    const failures = byPhase(pods, "Failed").filter((pod) => indexOf(pod) === index);
    const pause = untilRetry(failures, [], now);
    const before = Math.max(-1, ...failures.map(failuresOf)) + 1;
    if (pause > 0) pauses.push(pause);
    else actions.push(creation(job, index, before));
  }
  return { actions, requeueAfterMs: soonest(pauses) };
}

function nextStatus(view: View, verdict: Verdict | undefined, changing: boolean): JobStatus {
  const { job, active, terminating, counts, now } = view;
  const status: JobStatus = {
    ...counts.status,
    active: verdict && changing ? 0 : active.length,
    ready: active.filter(isReady).length,
    terminating: terminating.length + (verdict && changing ? active.length : 0),
  };
  const { suspend = false } = job.spec!;
  if (!suspend && status.startTime === undefined) status.startTime = formatTime(now);
  const conditions = [...(status.conditions ?? [])];
  const set = (type: string, on: boolean, reason: string, message: string) => {
    const at = conditions.findIndex((condition) => condition.type === type);
    if (at >= 0 && isTrue(conditions[at]) === on) return;
    const time = formatTime(now);
    const times = { lastProbeTime: time, lastTransitionTime: time };
    const condition = { type, status: on ? "True" : "False", reason, message, ...times };
    if (at >= 0) conditions[at] = condition;
    else conditions.push(condition);
  };
  if (verdict) {
    const [type, reason, message] = verdict;
    set(type, true, reason, message);
    const settled = status.active === 0 && status.terminating === 0 && !hasUncounted(status);
    if (settled) {
      set(type === "FailureTarget" ? "Failed" : "Complete", true, reason, message);
      if (type === "SuccessCriteriaMet") status.completionTime = formatTime(now);
    }
  } else if (suspend) {
    set("Suspended", true, "JobSuspended", "Job suspended");
    delete status.startTime;
  } else if (isTrue(conditionOf(job, "Suspended"))) {
    set("Suspended", false, "JobResumed", "Job resumed");
    status.startTime = formatTime(now);
  }
  return conditions.length > 0 ? { ...status, conditions } : status;
}

const hasUncounted = ({ uncountedTerminatedPods: { succeeded = [], failed = [] } = {} }: JobStatus): boolean =>
  succeeded.length + failed.length > 0;

/** Events of conditions that this status is the first to have. */
function announcements(job: Job, status: JobStatus): Action[] {
  const texts: Record<string, readonly ["Normal" | "Warning", string | undefined, string | undefined]> = {
    Complete: ["Normal", "Completed", "Job completed"],
    Failed: ["Warning", undefined, undefined],
    Suspended: ["Normal", "Suspended", "Job suspended"],
  };
  return (status.conditions ?? []).flatMap((condition): Action[] => {
    const known = conditionOf(job, condition.type);
    const row = texts[condition.type];
    if (!row || known?.status === condition.status) return [];
    const resumed = condition.type === "Suspended" && !isTrue(condition);
    if (resumed) return [event(job, "Normal", "Resumed", "Job resumed")];
    const [eventType, reason = condition.reason!, message = condition.message!] = row;
    return [event(job, eventType, reason, message)];
  });
}
