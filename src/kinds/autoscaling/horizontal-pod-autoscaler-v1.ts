// HorizontalPodAutoscaler in its first version, converted from and to autoscaling/v2, which is what is stored.
// Follows kubernetes v1.36 pkg/apis/autoscaling/v1/conversion.go (fields that v1 lacks travel as annotations).
import type * as v1 from "../generated/autoscaling.v1.ts";
import type * as v2 from "../generated/autoscaling.v2.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { columnsThrough } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";
import { validateAutoscaler } from "./horizontal-pod-autoscaler.ts";
import { autoscalerColumns } from "./horizontal-pod-autoscaler.ts";

export type HorizontalPodAutoscalerV1 = v1.HorizontalPodAutoscaler;

const annotation = (what: string) => `autoscaling.alpha.kubernetes.io/${what}`;
const carried = ["metrics", "current-metrics", "conditions", "behavior"].map(annotation);

/** The first metric that is CPU usage by `utilizationOf`, which has a field of its own in v1, and all others. */
function splitCpu<M extends { type: string; resource?: { name: string } }>(
  metrics: readonly M[] | undefined,
  utilizationOf: (metric: M) => number | undefined,
): { readonly utilization: number | undefined; readonly others: readonly M[] | undefined } {
  const cpu = metrics?.find(
    (metric) => metric.type === "Resource" && metric.resource?.name === "cpu" && utilizationOf(metric) !== undefined,
  );
  return { utilization: cpu && utilizationOf(cpu), others: metrics?.filter((metric) => metric !== cpu) };
}

/** The object without members that are undefined. */
const compact = (object: object): object =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

/** The v1 view of a stored v2 object. */
function toV1(stored: v2.HorizontalPodAutoscaler): v1.HorizontalPodAutoscaler {
  const { metrics, behavior, ...spec } = stored.spec ?? {};
  const { currentMetrics, conditions, ...status } = stored.status ?? {};
  const wanted = splitCpu(metrics, ({ resource }) => resource?.target.averageUtilization);
  const now = splitCpu(currentMetrics, ({ resource }) => resource?.current.averageUtilization);
  const annotations = { ...stored.metadata.annotations };
  [wanted.others, now.others, conditions, behavior].forEach((value, i) => {
    if (value !== undefined && !(Array.isArray(value) && value.length === 0))
      annotations[carried[i]!] = JSON.stringify(value);
  });
  return compact({
    apiVersion: "autoscaling/v1",
    kind: "HorizontalPodAutoscaler",
    metadata: { ...stored.metadata, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) },
    spec: compact({ ...spec, targetCPUUtilizationPercentage: wanted.utilization }),
    status:
      stored.status &&
      compact({
        ...status,
        currentReplicas: stored.status.currentReplicas ?? 0,
        currentCPUUtilizationPercentage: now.utilization,
      }),
  }) as v1.HorizontalPodAutoscaler;
}

/** The v2 object to store for a v1 one. */
function toV2(object: v1.HorizontalPodAutoscaler): v2.HorizontalPodAutoscaler {
  const { annotations = {}, ...metadata } = object.metadata;
  const kept = Object.entries(annotations).filter(([key]) => !carried.includes(key));
  const { targetCPUUtilizationPercentage: wanted, ...spec } = object.spec ?? {};
  const { currentCPUUtilizationPercentage: now, ...status } = object.status ?? {};
  const parsed = (what: string): unknown => {
    try {
      return JSON.parse(annotations[annotation(what)] ?? "null") || undefined;
    } catch {
      return undefined;
    }
  };
  const metricsOf = (what: string, cpu: object | undefined) => {
    const others = parsed(what);
    const metrics = cpu ? [{ type: "Resource", resource: { name: "cpu", ...cpu } }] : [];
    if (Array.isArray(others)) metrics.push(...others);
    return metrics.length > 0 ? metrics : undefined;
  };
  const target = wanted === undefined ? undefined : { target: { type: "Utilization", averageUtilization: wanted } };
  const current = now === undefined ? undefined : { current: { averageUtilization: now } };
  return compact({
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { ...metadata, ...(kept.length > 0 ? { annotations: Object.fromEntries(kept) } : {}) },
    spec: compact({ ...spec, metrics: metricsOf("metrics", target), behavior: parsed("behavior") }),
    status:
      object.status &&
      compact({
        ...status,
        currentMetrics: metricsOf("current-metrics", current),
        conditions: parsed("conditions"),
      }),
  }) as v2.HorizontalPodAutoscaler;
}

export const HorizontalPodAutoscalerV1 = defineKind<HorizontalPodAutoscalerV1>(
  "autoscaling/v1",
  "HorizontalPodAutoscaler",
  {
    shortNames: ["hpa"],
    categories: ["all"],
    subresources: { status: true },
    columns: columnsThrough(toV2, autoscalerColumns),
    defaults: ({ metadata, spec }) => {
      if (!spec) return;
      spec.minReplicas ??= 1;
      if (!metadata.annotations?.[annotation("metrics")]) spec.targetCPUUtilizationPercentage ??= 80;
    },
    prepareForCreate: statusAtFirst({ currentReplicas: 0, desiredReplicas: 0 }),
    validate: (object) => validateAutoscaler(toV2(object)),
    storage: {
      group: "autoscaling",
      version: "v2",
      plural: "horizontalpodautoscalers",
      fromStored: (stored: KubeObject) => toV1(stored as v2.HorizontalPodAutoscaler),
      toStored: toV2,
    },
  },
);
