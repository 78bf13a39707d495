// What the server itself writes into a pod, and how long a pod may take to end. Follows kubernetes v1.36
// pkg/registry/core/pod/strategy.go (PrepareForCreate, CheckGracefulDelete).
import type { Pod } from "../../generated/core.v1.ts";
import type { LabelSelector, LabelSelectorRequirement } from "../../generated/meta.v1.ts";
import { qosClassOf } from "./qos.ts";

interface LabelKeyed {
  labelSelector?: LabelSelector;
  matchLabelKeys?: string[];
  mismatchLabelKeys?: string[];
}

/** Turns matchLabelKeys and mismatchLabelKeys into requirements on the values that this pod's own labels have. */
function mergeLabelKeys(term: LabelKeyed, labels: Record<string, string>): void {
  if (!term.labelSelector) return;
  const requirement = (key: string, operator: string): LabelSelectorRequirement[] =>
    labels[key] === undefined ? [] : [{ key, operator, values: [labels[key]] }];
  const added = [
    ...(term.matchLabelKeys ?? []).flatMap((key) => requirement(key, "In")),
    ...(term.mismatchLabelKeys ?? []).flatMap((key) => requirement(key, "NotIn")),
  ];
  if (added.length === 0) return;
  term.labelSelector = {
    ...term.labelSelector,
    matchExpressions: [...(term.labelSelector.matchExpressions ?? []), ...added],
  };
}

function mergeAllLabelKeys(pod: Pod): void {
  const labels = pod.metadata.labels;
  if (!labels) return;
  for (const affinity of [pod.spec?.affinity?.podAffinity, pod.spec?.affinity?.podAntiAffinity]) {
    for (const term of affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) mergeLabelKeys(term, labels);
    for (const { podAffinityTerm } of affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [])
      mergeLabelKeys(podAffinityTerm, labels);
  }
  for (const constraint of pod.spec?.topologySpreadConstraints ?? []) mergeLabelKeys(constraint, labels);
}

/** A new pod is Pending, has its quality-of-service class, and says so when gates keep it from being scheduled. */
export function preparePodForCreate(pod: Pod): void {
  const gated = (pod.spec?.schedulingGates?.length ?? 0) > 0;
  pod.status = {
    phase: "Pending",
    ...(pod.spec ? { qosClass: qosClassOf(pod.spec) } : {}),
    ...(gated
      ? {
          conditions: [
            {
              type: "PodScheduled",
              status: "False",
              reason: "SchedulingGated",
              message: "Scheduling is blocked due to non-empty scheduling gates",
            },
          ],
        }
      : {}),
  };
  mergeAllLabelKeys(pod);
}

/** Seconds until the pod is killed; 0 for one that no node has or that has ended. */
export function podDeletionGraceSeconds(pod: Pod, requested: number | undefined): number {
  const phase = pod.status?.phase;
  if (!pod.spec?.nodeName || phase === "Succeeded" || phase === "Failed") return 0;
  const grace = requested ?? pod.spec.terminationGracePeriodSeconds ?? 0;
  return grace < 0 ? 1 : grace;
}
