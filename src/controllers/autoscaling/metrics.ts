// How many replicas a metric asks for. Follows kubernetes v1.36 pkg/controller/podautoscaler/replica_calculator.go
// (unready pods, missing metrics, tolerance).
import type { ContainerUsage } from "../../client/node-connection.ts";
import type { MetricSpec, MetricStatus, MetricTarget } from "../../kinds/generated/autoscaling.v2.ts";
import type { Pod } from "../../kinds/index.ts";
import { parseTime } from "../../machinery/clock.ts";
import { formatMillis, quantityMillis } from "../../machinery/quantity.ts";
import { isTerminating, podCondition } from "../common/pods.ts";

/** Usage of containers by `<pod name>`; a pod that no node reports on is absent. */
export type Usage = ReadonlyMap<string, readonly ContainerUsage[]>;

export type Proposal =
  | { readonly replicas: number; readonly status: MetricStatus; readonly metric: string }
  | { readonly reason: string; readonly message: string };

export interface MetricInput {
  readonly pods: readonly Pod[];
  readonly usage: Usage;
  readonly currentReplicas: number;
  readonly now: number;
  /** Deviation that moves nothing, by direction; 0.1 unless the behaviour says else. */
  readonly tolerance: { readonly up: number; readonly down: number };
}

/** Startup may burn CPU that says nothing about the load. */
const startupMs = 5 * 60_000;
const initialReadinessMs = 30_000;

interface Sample {
  readonly usage: number;
  /** What the pod should use. */
  readonly wanted: number;
  /** What it asks for; only utilization needs it. */
  readonly requested: number;
}

interface Source {
  readonly resource: string;
  readonly container?: string;
  readonly target: MetricTarget;
}

/** The proposal of one metric, or why there is none. */
export function propose(spec: MetricSpec, input: MetricInput): Proposal {
  const source = sourceOf(spec);
  const reason = `FailedGet${spec.type}Metric`;
  if (!source) return { reason, message: `the metrics API for metrics of type ${spec.type} is not available` };
  const { resource, target, container } = source;
  const samples = new Map<string, Sample>();
  for (const pod of input.pods) {
    const sample = sampleOf(pod, source, input.usage);
    if (typeof sample === "string") return { reason, message: `failed to get ${resource} utilization: ${sample}` };
    samples.set(pod.metadata.name, sample);
  }
  const decided = replicasFor(resource, samples, target, input);
  if (typeof decided === "string") return { reason, message: `failed to get ${resource} utilization: ${decided}` };
  const current = currentValue(resource, target, decided.measured);
  const status: MetricStatus =
    container === undefined
      ? { type: spec.type, resource: { name: resource, current } }
      : { type: spec.type, containerResource: { name: resource, container, current } };
  const form = target.averageUtilization === undefined ? "" : " utilization (percentage of request)";
  const metric = container === undefined ? `${resource} resource` : `${resource} container resource`;
  return { replicas: decided.replicas, status, metric: `${metric}${form}` };
}

function sourceOf({ resource, containerResource }: MetricSpec): Source | undefined {
  if (resource) return { resource: resource.name, target: resource.target };
  if (!containerResource) return undefined;
  const { name, container, target } = containerResource;
  return { resource: name, container, target };
}

/** In thousandths of the resource's unit; NaN usage when nothing is known. The text says what is wrong with the pod. */
function sampleOf(pod: Pod, { resource, container, target }: Source, usage: Usage): Sample | string {
  const ofContainer = <T>(items: readonly T[], name: (item: T) => string) =>
    container === undefined ? items : items.filter((item) => name(item) === container);
  const used = ofContainer(usage.get(pod.metadata.name) ?? [], (item) => item.container).map((item) =>
    resource === "cpu" ? item.cpuNanoCores / 1e6 : item.memoryWorkingSetBytes * 1000,
  );
  const total = used.length > 0 ? used.reduce((sum, value) => sum + value, 0) : Number.NaN;
  if (target.averageUtilization === undefined) {
    return { usage: total, wanted: quantityMillis(target.averageValue ?? "0"), requested: 0 };
  }
  const restartable = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  let requested = 0;
  for (const each of ofContainer([...(pod.spec?.containers ?? []), ...restartable], ({ name }) => name)) {
    const request = each.resources?.requests?.[resource];
    if (request === undefined) {
      return `missing request for ${resource} in container ${each.name} of Pod ${pod.metadata.name}`;
    }
    requested += quantityMillis(request);
  }
  return { usage: total, wanted: (requested * target.averageUtilization) / 100, requested };
}

const sum = (samples: readonly Sample[], value: (sample: Sample) => number) =>
  samples.reduce((total, sample) => total + value(sample), 0);

interface Decided {
  readonly replicas: number;
  readonly measured: readonly Sample[];
}

function replicasFor(
  resource: string,
  samples: ReadonlyMap<string, Sample>,
  target: MetricTarget,
  { pods, currentReplicas, now, tolerance }: MetricInput,
): Decided | string {
  const measured: Sample[] = [];
  const unready: Sample[] = [];
  const missing: Sample[] = [];
  for (const pod of pods) {
    if (isTerminating(pod) || pod.status?.phase === "Failed") continue;
    const sample = samples.get(pod.metadata.name)!;
    if (pod.status?.phase === "Pending") unready.push(sample);
    else if (Number.isNaN(sample.usage)) missing.push(sample);
    else if (resource === "cpu" && isStarting(pod, now)) unready.push(sample);
    else measured.push(sample);
  }
  if (measured.length === 0) return "did not receive metrics for targeted pods (pods might be unready)";
  const ratioOf = (list: readonly Sample[]) => sum(list, ({ usage }) => usage) / sum(list, ({ wanted }) => wanted);
  const isClose = (ratio: number) => ratio <= 1 + tolerance.up && ratio >= 1 - tolerance.down;
  const ratio = ratioOf(measured);
  const unchanged = { replicas: currentReplicas, measured };
  if (missing.length === 0 && (unready.length === 0 || ratio <= 1)) {
    return isClose(ratio) ? unchanged : { replicas: Math.ceil(ratio * measured.length), measured };
  }
  // Whoever is silent speaks against a change: busy when there are to be fewer, idle when there are to be more.
  const busy = ({ wanted, requested }: Sample) =>
    target.averageUtilization === undefined ? wanted : Math.max(wanted, requested);
  const assumed = missing.map((sample) => ({ ...sample, usage: ratio < 1 ? busy(sample) : 0 }));
  const idle = ratio > 1 ? unready.map((sample) => ({ ...sample, usage: 0 })) : [];
  const all = [...measured, ...assumed, ...idle];
  const cautious = ratioOf(all);
  if (isClose(cautious) || cautious > 1 !== ratio > 1) return unchanged;
  const replicas = Math.ceil(cautious * all.length);
  const isOpposite = cautious < 1 ? replicas > currentReplicas : replicas < currentReplicas;
  return isOpposite ? unchanged : { replicas, measured };
}

/** Not ready yet, or ready for too short a time in its first minutes. */
function isStarting(pod: Pod, now: number): boolean {
  const ready = podCondition(pod, "Ready");
  const started = parseTime(pod.status?.startTime);
  if (!ready || Number.isNaN(started)) return true;
  if (now < started + startupMs) return ready.status === "False";
  return ready.status === "False" && parseTime(ready.lastTransitionTime) < started + initialReadinessMs;
}

function currentValue(resource: string, target: MetricTarget, measured: readonly Sample[]) {
  const used = sum(measured, ({ usage }) => usage);
  const average = formatMillis(Math.round(used / measured.length), resource === "memory" ? "BinarySI" : "DecimalSI");
  if (target.averageUtilization === undefined) return { averageValue: average };
  const utilization = Math.trunc((used * 100) / sum(measured, ({ requested }) => requested));
  return { averageUtilization: utilization, averageValue: average };
}
