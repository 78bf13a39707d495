// HorizontalPodAutoscaler in its first version, converted from and to autoscaling/v2, which is what is stored.
// Follows kubernetes v1.36 pkg/apis/autoscaling/v1/conversion.go (fields that v1 lacks travel as annotations).
import type * as v1 from "../generated/autoscaling.v1.ts";
import type * as v2 from "../generated/autoscaling.v2.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";
import { validateAutoscaler } from "./horizontal-pod-autoscaler.ts";
import { targetsText } from "./horizontal-pod-autoscaler.ts";

export type HorizontalPodAutoscalerV1 = v1.HorizontalPodAutoscaler;

const annotation = (what: string) => `autoscaling.alpha.kubernetes.io/${what}`;
const carried = ["metrics", "current-metrics", "conditions", "behavior"].map(annotation);

const isPlainCpu = (metric: { type: string; resource?: { name: string } }) =>
  metric.type === "Resource" && metric.resource?.name === "cpu";

/** The v1 view of a stored v2 object. */
function toV1(stored: v2.HorizontalPodAutoscaler): v1.HorizontalPodAutoscaler {
  const { spec, status } = stored;
  const annotations = { ...stored.metadata.annotations };
  const cpuTarget = spec?.metrics?.find(
    (metric) => isPlainCpu(metric) && metric.resource?.target.averageUtilization !== undefined,
  );
  const cpuNow = status?.currentMetrics?.find(
    (metric) => isPlainCpu(metric) && metric.resource?.current.averageUtilization !== undefined,
  );
  const carry = (what: string, value: unknown) => {
    if (value !== undefined && !(Array.isArray(value) && value.length === 0))
      annotations[annotation(what)] = JSON.stringify(value);
  };
  carry(
    "metrics",
    spec?.metrics?.filter((metric) => metric !== cpuTarget),
  );
  carry(
    "current-metrics",
    status?.currentMetrics?.filter((metric) => metric !== cpuNow),
  );
  carry("conditions", status?.conditions);
  carry("behavior", spec?.behavior);
  const metadata = { ...stored.metadata };
  if (Object.keys(annotations).length > 0) metadata.annotations = annotations;
  const { metrics: _metrics, behavior: _behavior, ...restOfSpec } = spec ?? {};
  const target = cpuTarget?.resource?.target.averageUtilization;
  const out: v1.HorizontalPodAutoscaler = {
    apiVersion: "autoscaling/v1",
    kind: "HorizontalPodAutoscaler",
    metadata,
    spec: {
      ...restOfSpec,
      ...(target === undefined ? {} : { targetCPUUtilizationPercentage: target }),
    } as v1.HorizontalPodAutoscalerSpec,
  };
  if (status) {
    const { currentMetrics: _currentMetrics, conditions: _conditions, ...rest } = status;
    out.status = { ...rest, currentReplicas: status.currentReplicas ?? 0 };
    const now = cpuNow?.resource?.current.averageUtilization;
    if (now !== undefined) out.status.currentCPUUtilizationPercentage = now;
  }
  return out;
}

function parsed<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}

/** The v2 object to store for a v1 one. */
function toV2(object: v1.HorizontalPodAutoscaler): v2.HorizontalPodAutoscaler {
  const annotations = object.metadata.annotations ?? {};
  const metadata = { ...object.metadata };
  const kept = Object.entries(annotations).filter(([key]) => !carried.includes(key));
  if (kept.length > 0) metadata.annotations = Object.fromEntries(kept);
  else delete metadata.annotations;
  const { targetCPUUtilizationPercentage: wanted, ...restOfSpec } = object.spec ?? {};
  const metrics = parsed<v2.MetricSpec[]>(annotations[annotation("metrics")]) ?? [];
  if (wanted !== undefined) {
    metrics.unshift({
      type: "Resource",
      resource: { name: "cpu", target: { type: "Utilization", averageUtilization: wanted } },
    });
  }
  const behavior = parsed<v2.HorizontalPodAutoscalerBehavior>(annotations[annotation("behavior")]);
  const out: v2.HorizontalPodAutoscaler = {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata,
    spec: {
      ...restOfSpec,
      ...(metrics.length > 0 ? { metrics } : {}),
      ...(behavior ? { behavior } : {}),
    } as v2.HorizontalPodAutoscalerSpec,
  };
  if (object.status) {
    const { currentCPUUtilizationPercentage: percentage, ...rest } = object.status;
    const currentMetrics = parsed<v2.MetricStatus[]>(annotations[annotation("current-metrics")]) ?? [];
    if (percentage !== undefined) {
      currentMetrics.unshift({
        type: "Resource",
        resource: { name: "cpu", current: { averageUtilization: percentage } },
      });
    }
    const conditions = parsed<v2.HorizontalPodAutoscalerCondition[]>(annotations[annotation("conditions")]);
    out.status = {
      ...rest,
      ...(currentMetrics.length > 0 ? { currentMetrics } : {}),
      ...(conditions ? { conditions } : {}),
    } as v2.HorizontalPodAutoscalerStatus;
  }
  return out;
}

export const HorizontalPodAutoscalerV1 = defineKind<HorizontalPodAutoscalerV1>(
  "autoscaling/v1",
  "HorizontalPodAutoscaler",
  {
    shortNames: ["hpa"],
    categories: ["all"],
    subresources: { status: true },
    columns: [
      nameColumn,
      column("Reference", ({ spec }) => `${spec?.scaleTargetRef?.kind ?? ""}/${spec?.scaleTargetRef?.name ?? ""}`),
      column("Targets", (object) => targetsText(toV2(object))),
      column("MinPods", ({ spec }) => String(spec?.minReplicas ?? "<unset>")),
      column("MaxPods", ({ spec }) => spec?.maxReplicas ?? 0),
      column("Replicas", ({ status }) => status?.currentReplicas ?? 0),
      ageColumn,
    ],
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
