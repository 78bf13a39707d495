// HorizontalPodAutoscaler: scales a workload by its load.
// Follows kubernetes v1.36 pkg/apis/autoscaling/v2/defaults.go and pkg/printers/internalversion (targets).
import type * as autoscaling from "../generated/autoscaling.v2.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";
import { validateAutoscaler } from "./horizontal-pod-autoscaler-validation.ts";

export type HorizontalPodAutoscaler = autoscaling.HorizontalPodAutoscaler;

const policy = (type: string, value: number, periodSeconds: number) => ({ type, value, periodSeconds });

/** Fills one direction of the behaviour when any behaviour is given. */
function filledRules(
  rules: autoscaling.HPAScalingRules | undefined,
  usual: Required<Pick<autoscaling.HPAScalingRules, "policies">> & autoscaling.HPAScalingRules,
): autoscaling.HPAScalingRules {
  return { ...usual, selectPolicy: "Max", ...rules };
}

function defaultAutoscaler({ spec }: HorizontalPodAutoscaler): void {
  if (!spec) return;
  spec.minReplicas ??= 1;
  if (!spec.metrics?.length) {
    const target = { type: "Utilization", averageUtilization: 80 };
    spec.metrics = [{ type: "Resource", resource: { name: "cpu", target } }];
  }
  if (!spec.behavior) return;
  spec.behavior.scaleUp = filledRules(spec.behavior.scaleUp, {
    stabilizationWindowSeconds: 0,
    policies: [policy("Pods", 4, 15), policy("Percent", 100, 15)],
  });
  spec.behavior.scaleDown = filledRules(spec.behavior.scaleDown, { policies: [policy("Percent", 100, 15)] });
}

type Target = autoscaling.MetricTarget;
type Current = autoscaling.MetricValueStatus | undefined;

const unknown = "<unknown>";

function averageOrUtilization(name: string, target: Target, current: Current): string {
  if (target.averageValue !== undefined) return `${name}: ${current?.averageValue ?? unknown}/${target.averageValue}`;
  const now = current?.averageUtilization === undefined ? unknown : `${current.averageUtilization}%`;
  const wanted = target.averageUtilization === undefined ? "<auto>" : `${target.averageUtilization}%`;
  return `${name}: ${now}/${wanted}`;
}

function valueOrAverage(target: Target, current: Current): string {
  if (target.averageValue !== undefined) return `${current?.averageValue ?? unknown}/${target.averageValue} (avg)`;
  return `${current?.value ?? unknown}/${target.value ?? unknown}`;
}

function metricText(spec: autoscaling.MetricSpec, status: autoscaling.MetricStatus | undefined): string {
  if (spec.resource) return averageOrUtilization(spec.resource.name, spec.resource.target, status?.resource?.current);
  if (spec.containerResource) {
    const { name, target } = spec.containerResource;
    return averageOrUtilization(name, target, status?.containerResource?.current);
  }
  if (spec.external) return valueOrAverage(spec.external.target, status?.external?.current);
  if (spec.object) return valueOrAverage(spec.object.target, status?.object?.current);
  if (spec.pods) return `${status?.pods?.current.averageValue ?? unknown}/${spec.pods.target.averageValue ?? unknown}`;
  return "<unknown type>";
}

const shownMetrics = 2;

/** What `kubectl get hpa` shows as targets: current and wanted value of each metric. */
export function targetsText({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec?.metrics ?? [];
  if (metrics.length === 0) return "<none>";
  const texts = metrics.map((metric, i) => metricText(metric, status?.currentMetrics?.[i]));
  const rest = texts.length - shownMetrics;
  return rest > 0 ? `${texts.slice(0, shownMetrics).join(", ")} + ${rest} more...` : texts.join(", ");
}

export const HorizontalPodAutoscaler = defineKind<HorizontalPodAutoscaler>(
  "autoscaling/v2",
  "HorizontalPodAutoscaler",
  {
    shortNames: ["hpa"],
    categories: ["all"],
    subresources: { status: true },
    columns: [
      nameColumn,
      column("Reference", ({ spec }) => `${spec?.scaleTargetRef?.kind ?? ""}/${spec?.scaleTargetRef?.name ?? ""}`),
      column("Targets", targetsText),
      column("MinPods", ({ spec }) => String(spec?.minReplicas ?? "<unset>")),
      column("MaxPods", ({ spec }) => spec?.maxReplicas ?? 0),
      column("Replicas", ({ status }) => status?.currentReplicas ?? 0),
      ageColumn,
    ],
    defaults: defaultAutoscaler,
    prepareForCreate: statusAtFirst({ desiredReplicas: 0 }),
    validate: validateAutoscaler,
  },
);
