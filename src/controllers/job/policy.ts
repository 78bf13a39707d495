// When a Job has failed or succeeded as a whole: failure and success policies, limits and deadlines.
// Follows kubernetes v1.36 pkg/controller/job/{pod_failure_policy,success_policy,backoff_utils}.go.
import type { PodFailurePolicyRule } from "../../kinds/generated/batch.v1.ts";
import type { Job, Pod } from "../../kinds/index.ts";
import { parseTime } from "../../machinery/clock.ts";
import { parseIndexes } from "./indexes.ts";

export interface PolicyMatch {
  readonly action: string;
  /** Why the job fails; only for FailJob. */
  readonly message: string;
}

/** The first rule of the pod failure policy that the failed pod matches. */
export function matchFailurePolicy(job: Job, pod: Pod): PolicyMatch | undefined {
  for (const [i, rule] of (job.spec?.podFailurePolicy?.rules ?? []).entries()) {
    const what = matchExitCodes(rule, pod) ?? matchConditions(rule, pod);
    if (what) return { action: rule.action, message: `${what} matching ${rule.action} rule at index ${i}` };
  }
  return undefined;
}

function matchExitCodes({ onExitCodes }: PodFailurePolicyRule, { metadata, status }: Pod): string | undefined {
  if (!onExitCodes) return undefined;
  const { containerName, operator, values } = onExitCodes;
  const all = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const found = all.find(({ name, state }) => {
    const code = state?.terminated?.exitCode;
    if (code === undefined || code === 0 || (containerName && containerName !== name)) return false;
    return (operator === "In") === values.includes(code);
  });
  if (!found) return undefined;
  const code = found.state!.terminated!.exitCode;
  return `Container ${found.name} for pod ${metadata.namespace}/${metadata.name} failed with exit code ${code}`;
}

function matchConditions(
  { onPodConditions = [] }: PodFailurePolicyRule,
  { metadata, status }: Pod,
): string | undefined {
  const found = status?.conditions?.find((condition) =>
    onPodConditions.some(({ type, status: wanted = "True" }) => type === condition.type && wanted === condition.status),
  );
  return found && `Pod ${metadata.namespace}/${metadata.name} has condition ${found.type}`;
}

/** The message of the first success rule that holds. */
export function matchSuccessPolicy(job: Job, succeeded: ReadonlySet<number>): string | undefined {
  const completions = job.spec?.completions ?? 0;
  for (const [i, { succeededIndexes, succeededCount }] of (job.spec?.successPolicy?.rules ?? []).entries()) {
    const named = succeededIndexes === undefined ? succeeded : parseIndexes(succeededIndexes, completions);
    const done = [...named].filter((index) => succeeded.has(index)).length;
    if (done > 0 && done >= (succeededCount ?? named.size)) return `Matched rules at index ${i}`;
  }
  return undefined;
}

/** With restartPolicy OnFailure the containers' restarts are the retries. */
export function exceedsRestarts(job: Job, active: readonly Pod[]): boolean {
  if (job.spec?.template.spec?.restartPolicy !== "OnFailure") return false;
  const limit = job.spec.backoffLimit ?? 6;
  const restarts = active
    .filter(({ status }) => status?.phase === "Running" || status?.phase === "Pending")
    .flatMap(({ status }) => [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])])
    .reduce((sum, { restartCount }) => sum + restartCount, 0);
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

/** Milliseconds until activeDeadlineSeconds pass; undefined without a deadline or before the start. */
export function untilDeadline({ spec, status }: Job, now: number): number | undefined {
  if (spec?.activeDeadlineSeconds === undefined || spec.suspend || !status?.startTime) return undefined;
  return parseTime(status.startTime) + spec.activeDeadlineSeconds * 1000 - now;
}

/** When the pod came to its end. */
function finishTime(pod: Pod): number {
  const ends = (pod.status?.containerStatuses ?? []).map(({ state }) => parseTime(state?.terminated?.finishedAt));
  const known = ends.filter((end) => !Number.isNaN(end));
  if (known.length > 0) return Math.max(...known);
  const ready = pod.status?.conditions?.find(({ type }) => type === "Ready");
  return parseTime(ready?.lastTransitionTime ?? pod.metadata.deletionTimestamp ?? pod.metadata.creationTimestamp);
}

const firstBackoffMs = 10_000;
const longestBackoffMs = 600_000;

/** Pause before the next pod: doubles with every failure since the last success. */
export function untilRetry(failed: readonly Pod[], succeeded: readonly Pod[], now: number): number {
  const lastSuccess = Math.max(0, ...succeeded.map(finishTime));
  const failures = failed.map(finishTime).filter((end) => end > lastSuccess);
  if (failures.length === 0) return 0;
  const pause = Math.min(firstBackoffMs * 2 ** (failures.length - 1), longestBackoffMs);
  return Math.max(0, Math.max(...failures) + pause - now);
}
