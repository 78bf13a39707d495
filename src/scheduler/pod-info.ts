// What scheduling needs to know of a pod, worked out once per version of it.
import type { Pod, PodAffinityTerm } from "../kinds/generated/core.v1.ts";
import { demandOf, type Demand } from "../kinds/core/node-room.ts";
import { controllerOf } from "../machinery/object.ts";
import { matchesLabels, type LabelSelectorObject } from "../machinery/selector.ts";

/** A pod (anti-)affinity term with everything that its pod contributes filled in. */
export interface AffinityTerm {
  readonly topologyKey: string;
  readonly weight: number;
  matches(other: Pod, namespaceLabels: NamespaceLabels): boolean;
}

export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>> | undefined;

export interface PodInfo extends Demand {
  readonly pod: Pod;
  readonly priority: number;
  /** The uid of its controller, unless the pod is on its way out. */
  readonly controller: string | undefined;
  /** Requests for scoring: a container that asks for nothing still counts a little. */
  readonly scoringCpuMillis: number;
  readonly scoringMemoryBytes: number;
  readonly affinity: readonly AffinityTerm[];
  readonly antiAffinity: readonly AffinityTerm[];
  readonly preferredAffinity: readonly AffinityTerm[];
  readonly preferredAntiAffinity: readonly AffinityTerm[];
}

const defaultCpuMillis = 100;
const defaultMemoryBytes = 200 * 1024 * 1024;
const infos = new WeakMap<Pod, PodInfo>();

export function podInfo(pod: Pod): PodInfo {
  let info = infos.get(pod);
  if (!info) infos.set(pod, (info = build(pod)));
  return info;
}

function build(pod: Pod): PodInfo {
  const { affinity } = pod.spec ?? {};
  const required = (terms: readonly PodAffinityTerm[] | undefined) => (terms ?? []).map((term) => termOf(pod, term, 1));
  const preferred = (terms: readonly { weight: number; podAffinityTerm: PodAffinityTerm }[] | undefined) =>
    (terms ?? []).map(({ weight, podAffinityTerm }) => termOf(pod, podAffinityTerm, weight));
  const demand = demandOf(pod);
  const containers = pod.spec?.containers ?? [];
  const without = (resource: string) =>
    containers.filter((c) => c.resources?.requests?.[resource] === undefined).length;
  return {
    pod,
    priority: pod.spec?.priority ?? 0,
    controller: pod.metadata.deletionTimestamp ? undefined : controllerOf(pod)?.uid,
    ...demand,
    scoringCpuMillis: (demand.requests.get("cpu") ?? 0) + without("cpu") * defaultCpuMillis,
    scoringMemoryBytes: (demand.requests.get("memory") ?? 0) + without("memory") * defaultMemoryBytes,
    affinity: required(affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    antiAffinity: required(affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution),
    preferredAffinity: preferred(affinity?.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
    preferredAntiAffinity: preferred(affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution),
  };
}

/** Without namespaces and selector, a term means the namespace of its own pod. */
function termOf(pod: Pod, term: PodAffinityTerm, weight: number): AffinityTerm {
  const { topologyKey, namespaceSelector } = term;
  const own = !namespaceSelector && !term.namespaces?.length;
  const namespaces = new Set(own ? [pod.metadata.namespace ?? ""] : term.namespaces);
  const selector = withKeys(term, pod);
  return {
    topologyKey,
    weight,
    matches(other, namespaceLabels) {
      const namespace = other.metadata.namespace ?? "";
      const inNamespace =
        namespaces.has(namespace) ||
        (namespaceSelector && matchesLabels(namespaceSelector, namespaceLabels(namespace)));
      return Boolean(inNamespace) && matchesLabels(selector, other.metadata.labels);
    },
  };
}

/** A selector with the pod's own values of the keys it says to match, and not to match. */
export function withKeys(
  term: { labelSelector?: LabelSelectorObject; matchLabelKeys?: string[]; mismatchLabelKeys?: string[] },
  pod: Pod,
): LabelSelectorObject | undefined {
  const { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] } = term;
  if (!labelSelector || matchLabelKeys.length + mismatchLabelKeys.length === 0) return labelSelector;
  const expression = (operator: string) => (key: string) => {
    const value = pod.metadata.labels?.[key];
    return value === undefined ? [] : [{ key, operator, values: [value] }];
  };
  const added = [...matchLabelKeys.flatMap(expression("In")), ...mismatchLabelKeys.flatMap(expression("NotIn"))];
  return { ...labelSelector, matchExpressions: [...(labelSelector.matchExpressions ?? []), ...added] };
}
