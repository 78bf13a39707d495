// Which jobs are refused. Follows kubernetes v1.36 pkg/apis/batch/validation/validation.go.
import type { Job, JobSpec, PodFailurePolicyRule } from "../generated/batch.v1.ts";
import { semanticEqual } from "../../machinery/equal.ts";
import {
  duplicate,
  forbiddenField,
  invalidValue,
  notSupported,
  path,
  required,
  tooMany,
} from "../../machinery/field.ts";
import { dnsLabelErrors, qualifiedNameErrors } from "../../machinery/names.ts";
import { labelSelectorErrors, matchesLabels } from "../../machinery/selector.ts";
import { complaints, each, type Errors, notNegative, oneOf, optionallyOneOf, unchanged } from "../checks.ts";
import { validatePodTemplate } from "../core/pod/validate.ts";

const maxIndexedParallelism = 100_000;
const maxFailurePolicyRules = 20;
const isIndexed = (spec: JobSpec): boolean => spec.completionMode === "Indexed";

/** What jobs and job templates have in common. */
export function jobSpecErrors(spec: JobSpec, at: string): Errors {
  return [
    ...notNegative(path(at, "parallelism"), spec.parallelism),
    ...notNegative(path(at, "completions"), spec.completions),
    ...notNegative(path(at, "activeDeadlineSeconds"), spec.activeDeadlineSeconds),
    ...notNegative(path(at, "backoffLimit"), spec.backoffLimit),
    ...notNegative(path(at, "ttlSecondsAfterFinished"), spec.ttlSecondsAfterFinished),
    ...notNegative(path(at, "backoffLimitPerIndex"), spec.backoffLimitPerIndex),
    ...notNegative(path(at, "maxFailedIndexes"), spec.maxFailedIndexes),
    ...optionallyOneOf(path(at, "completionMode"), spec.completionMode, ["NonIndexed", "Indexed"]),
    ...completionModeErrors(spec, at),
    ...managedByErrors(spec.managedBy, path(at, "managedBy")),
    ...failurePolicyErrors(spec, at),
    ...successPolicyErrors(spec, at),
    ...validatePodTemplate(spec.template, path(at, "template")),
    ...restartPolicyErrors(spec, at),
  ];
}

function completionModeErrors(spec: JobSpec, at: string): Errors {
  const errors: Errors = [];
  const { completions, parallelism, backoffLimitPerIndex, maxFailedIndexes } = spec;
  if (!isIndexed(spec)) {
    for (const field of ["backoffLimitPerIndex", "maxFailedIndexes"] as const) {
      if (spec[field] !== undefined) {
        errors.push(invalidValue(path(at, field), spec[field], "requires indexed completion mode"));
      }
    }
    return errors;
  }
  if (completions === undefined) errors.push(required(path(at, "completions"), "when completion mode is Indexed"));
  if ((parallelism ?? 0) > maxIndexedParallelism) {
    const text = `must be less than or equal to ${maxIndexedParallelism} when completion mode is Indexed`;
    errors.push(invalidValue(path(at, "parallelism"), parallelism, text));
  }
  if (maxFailedIndexes !== undefined) {
    if (backoffLimitPerIndex === undefined) {
      errors.push(required(path(at, "backoffLimitPerIndex"), "when maxFailedIndexes is specified"));
    }
    if (completions !== undefined && maxFailedIndexes > completions) {
      const text = "must be less than or equal to completions";
      errors.push(invalidValue(path(at, "maxFailedIndexes"), maxFailedIndexes, text));
    }
  }
  return errors;
}

function managedByErrors(managedBy: string | undefined, at: string): Errors {
  if (managedBy === undefined) return [];
  const errors = complaints(at, managedBy, qualifiedNameErrors(managedBy));
  if (!managedBy.includes("/")) {
    errors.push(invalidValue(at, managedBy, 'must be a domain-prefixed path (such as "acme.io/foo")'));
  }
  if (managedBy.length > 63) errors.push(invalidValue(at, managedBy, "may not be more than 63 bytes"));
  return errors;
}

function restartPolicyErrors({ template, podFailurePolicy }: JobSpec, at: string): Errors {
  const policy = template?.spec?.restartPolicy;
  const field = path(at, "template", "spec", "restartPolicy");
  if (!policy || policy === "Always") return [required(field, 'valid values: "OnFailure", "Never"')];
  if (policy !== "OnFailure" && policy !== "Never") return [notSupported(field, policy, ["OnFailure", "Never"])];
  return policy === "OnFailure" && podFailurePolicy
    ? [invalidValue(field, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    : [];
}

function failurePolicyErrors(spec: JobSpec, at: string): Errors {
  const replacement = path(at, "podReplacementPolicy");
  const policy = spec.podFailurePolicy;
  const allowed = policy ? ["Failed"] : ["Failed", "TerminatingOrFailed"];
  const errors = optionallyOneOf(replacement, spec.podReplacementPolicy, allowed);
  if (!policy) return errors;
  const rules = path(at, "podFailurePolicy", "rules");
  const count = policy.rules?.length ?? 0;
  if (count > maxFailurePolicyRules) errors.push(tooMany(rules, count, maxFailurePolicyRules));
  const containers = [...(spec.template?.spec?.containers ?? []), ...(spec.template?.spec?.initContainers ?? [])];
  const names = new Set(containers.map(({ name }) => name));
  return [...errors, ...each(rules, policy.rules, (here, rule) => failureRuleErrors(rule, here, spec, names))];
}

function failureRuleErrors(
  rule: PodFailurePolicyRule,
  at: string,
  spec: JobSpec,
  containers: ReadonlySet<string>,
): Errors {
  const errors = oneOf(path(at, "action"), rule.action, ["FailIndex", "FailJob", "Ignore", "Count"]);
  if (rule.action === "FailIndex" && spec.backoffLimitPerIndex === undefined) {
    errors.push(invalidValue(path(at, "action"), rule.action, "requires the backoffLimitPerIndex to be set"));
  }
  if (rule.onExitCodes && rule.onPodConditions?.length) {
    errors.push(invalidValue(at, rule, "specifying both OnExitCodes and OnPodConditions is not supported"));
  }
  if (!rule.onExitCodes && !rule.onPodConditions?.length) {
    errors.push(invalidValue(at, rule, "specifying one of OnExitCodes and OnPodConditions is required"));
  }
  const codes = rule.onExitCodes;
  if (codes) {
    const here = path(at, "onExitCodes");
    errors.push(...oneOf(path(here, "operator"), codes.operator, ["In", "NotIn"]));
    if (codes.containerName !== undefined && !containers.has(codes.containerName)) {
      const text = "must be one of the container or initContainer names in the pod template";
      errors.push(invalidValue(path(here, "containerName"), codes.containerName, text));
    }
    const values = codes.values ?? [];
    const field = path(here, "values");
    if (values.length === 0) errors.push(invalidValue(field, values, "at least one value is required"));
    if (values.length > 255) errors.push(tooMany(field, values.length, 255));
    values.forEach((value, i) => {
      if (codes.operator === "In" && value === 0) {
        errors.push(invalidValue(path(field, i), value, "must not be 0 for the In operator"));
      }
      if (values.indexOf(value) < i) errors.push(duplicate(path(field, i), value));
      else if (i > 0 && values[i - 1]! > value) errors.push(invalidValue(field, values, "must be ordered"));
    });
  }
  errors.push(
    ...each(path(at, "onPodConditions"), rule.onPodConditions, (here, pattern) => [
      ...complaints(path(here, "type"), pattern.type ?? "", qualifiedNameErrors(pattern.type ?? "")),
      ...optionallyOneOf(path(here, "status"), pattern.status, ["False", "True", "Unknown"]),
    ]),
  );
  return errors;
}

function successPolicyErrors(spec: JobSpec, at: string): Errors {
  const policy = spec.successPolicy;
  if (!policy) return [];
  const here = path(at, "successPolicy");
  if (!isIndexed(spec)) return [invalidValue(here, policy, "requires indexed completion mode")];
  const rules = path(here, "rules");
  if (!policy.rules?.length) {
    return [required(rules, "at least one rules must be specified when the successPolicy is specified")];
  }
  if (policy.rules.length > maxFailurePolicyRules) return [tooMany(rules, policy.rules.length, maxFailurePolicyRules)];
  const completions = spec.completions ?? 0;
  return each(rules, policy.rules, (rule, { succeededCount, succeededIndexes }) => {
    if (succeededCount === undefined && succeededIndexes === undefined) {
      return [required(rule, "at least one of succeededCount or succeededIndexes must be specified")];
    }
    const errors: Errors = [];
    let total = completions;
    if (succeededIndexes !== undefined) {
      const indexes = countIndexes(succeededIndexes, completions);
      if (typeof indexes === "string") {
        const text = `error parsing succeededIndexes: ${indexes}`;
        errors.push(invalidValue(path(rule, "succeededIndexes"), succeededIndexes, text));
      } else total = indexes;
    }
    const counted = path(rule, "succeededCount");
    errors.push(...notNegative(counted, succeededCount));
    if ((succeededCount ?? 0) > total) {
      const than =
        succeededIndexes === undefined
          ? `${completions} (the number of specified completions)`
          : `${total} (the number of indexes in the specified succeededIndexes field)`;
      errors.push(invalidValue(counted, succeededCount, `must be less than or equal to ${than}`));
    }
    return errors;
  });
}

/** How many indexes `0-2,5` names, or what is wrong with it. */
function countIndexes(text: string, completions: number): number | string {
  let count = 0;
  let last = -1;
  for (const part of text.split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (!match) return `cannot convert string to integer for index: ${JSON.stringify(part)}`;
    const from = Number(match[1]);
    const to = match[2] === undefined ? from : Number(match[2]);
    if (to >= completions) return `too large index: ${JSON.stringify(part)}`;
    if (from <= last || to < from) return `non-increasing order, previous: ${last}, current: ${from}`;
    count += to - from + 1;
    last = to;
  }
  return count;
}

/** A job, new or changed. */
export function validateJob({ metadata, spec }: Job): Errors {
  if (!spec) return [required("spec.template")];
  const errors = jobSpecErrors(spec, "spec");
  if (!spec.selector) errors.push(required("spec.selector"));
  else {
    errors.push(...labelSelectorErrors(spec.selector, "spec.selector"));
    const labels = spec.template?.metadata?.labels ?? {};
    if (!matchesLabels(spec.selector, labels)) {
      const text = "`selector` does not match template `labels`";
      errors.push(invalidValue("spec.template.metadata.labels", labels, text));
    }
  }
  if (!spec.manualSelector) errors.push(...generatedSelectorErrors(metadata.uid, metadata.name, spec));
  if (isIndexed(spec) && (spec.completions ?? 0) > 0) {
    const host = `${metadata.name}-${spec.completions! - 1}`;
    for (const complaint of dnsLabelErrors(host)) {
      const text = `will not able to create pod with invalid DNS hostname: ${complaint}`;
      errors.push(invalidValue("metadata.name", metadata.name, text));
    }
  }
  return errors;
}

/** A selector that the server makes must be just as the server makes it. */
function generatedSelectorErrors(uid: string, name: string, { selector, template }: JobSpec): Errors {
  const errors: Errors = [];
  const labels = template?.metadata?.labels ?? {};
  const at = "spec.template.metadata.labels";
  for (const [key, value] of Object.entries(generatedLabels(uid, name))) {
    if (labels[key] !== value) errors.push(invalidValue(at, labels, `must be '${value}'`));
  }
  const made = Object.keys(selector?.matchLabels ?? {}).length === 1 && !selector?.matchExpressions?.length;
  const uids = [
    selector?.matchLabels?.["batch.kubernetes.io/controller-uid"],
    selector?.matchLabels?.["controller-uid"],
  ];
  if (!made || !uids.includes(uid))
    errors.push(invalidValue("spec.selector", selector ?? null, "`selector` not auto-generated"));
  return errors;
}

/** The labels by which a job finds its pods. */
export const generatedLabels = (uid: string, name: string): Record<string, string> => ({
  "batch.kubernetes.io/controller-uid": uid,
  "batch.kubernetes.io/job-name": name,
  "controller-uid": uid,
  "job-name": name,
});

/** What of the template may change while the job is suspended and has not started. */
function schedulingFree(spec: JobSpec): unknown {
  const copy = structuredClone(spec.template ?? {});
  delete copy.metadata?.labels;
  delete copy.metadata?.annotations;
  const pod = copy.spec;
  if (pod) {
    delete pod.nodeSelector;
    delete pod.tolerations;
    delete pod.schedulingGates;
    delete pod.affinity?.nodeAffinity;
    for (const container of [...(pod.containers ?? []), ...(pod.initContainers ?? [])]) delete container.resources;
  }
  return copy;
}

export function validateJobUpdate(next: Job, old: Job): Errors {
  const [spec, before] = [next.spec, old.spec];
  if (!spec || !before) return [];
  const errors = [
    ...completionsUpdateErrors(spec, before),
    ...unchanged("spec.selector", spec.selector, before.selector),
    ...unchanged("spec.completionMode", spec.completionMode, before.completionMode),
    ...unchanged("spec.podFailurePolicy", spec.podFailurePolicy, before.podFailurePolicy),
    ...unchanged("spec.backoffLimitPerIndex", spec.backoffLimitPerIndex, before.backoffLimitPerIndex),
    ...unchanged("spec.managedBy", spec.managedBy, before.managedBy),
    ...unchanged("spec.successPolicy", spec.successPolicy, before.successPolicy),
  ];
  const waiting = before.suspend === true && old.status?.startTime === undefined;
  const same = waiting
    ? semanticEqual(schedulingFree(spec), schedulingFree(before))
    : semanticEqual(spec.template, before.template);
  if (!same) errors.push(invalidValue("spec.template", spec.template, "field is immutable"));
  return errors;
}

function completionsUpdateErrors(spec: JobSpec, before: JobSpec): Errors {
  if (!isIndexed(before)) return unchanged("spec.completions", spec.completions, before.completions);
  if (spec.completions === before.completions) return [];
  if (spec.completions === undefined) return [required("spec.completions", "when completion mode is Indexed")];
  return spec.completions === spec.parallelism
    ? []
    : [invalidValue("spec.completions", spec.completions, "can only be modified in tandem with parallelism")];
}

export function validateJobStatusUpdate({ status }: Job, old: Job): Errors {
  if (!status) return [];
  const errors = (["active", "succeeded", "failed", "ready", "terminating"] as const).flatMap((field) =>
    notNegative(`status.${field}`, status[field]),
  );
  const is = (type: string) => status.conditions?.some((row) => row.type === type && row.status === "True");
  if (is("Complete") && is("Failed")) {
    errors.push(
      invalidValue("status.conditions", status.conditions, "cannot set Complete=True and Failed=true conditions"),
    );
  }
  if (status.completionTime !== undefined && !is("Complete")) {
    const text = "cannot set completionTime when there is no Complete=True condition";
    errors.push(invalidValue("status.completionTime", status.completionTime, text));
  }
  const finished = old.status?.conditions?.find(
    (row) => (row.type === "Complete" || row.type === "Failed") && row.status === "True",
  );
  if (finished && !is(finished.type)) {
    const text = `cannot disable the terminal ${finished.type}=True condition`;
    errors.push(invalidValue("status.conditions", status.conditions, text));
  }
  if (old.status?.startTime !== undefined && status.startTime === undefined && !old.spec?.suspend) {
    errors.push(forbiddenField("status.startTime", "startTime cannot be removed for unsuspended job"));
  }
  return errors;
}
