// HorizontalPodAutoscaler: scales a workload by its load.
// Follows kubernetes v1.36 pkg/apis/autoscaling/v2/defaults.go, validation/validation.go and pkg/printers/internalversion (targets).
import type * as autoscaling from "../generated/autoscaling.v2.ts";
import type {
  CrossVersionObjectReference,
  HPAScalingRules,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
} from "../generated/autoscaling.v2.ts";
import { forbiddenField, invalidValue, path, required } from "../../machinery/field.ts";
import { pathSegmentErrors } from "../../machinery/names.ts";
import { parseQuantity } from "../../machinery/quantity.ts";
import { labelSelectorErrors } from "../../machinery/selector.ts";
import {
  all,
  among,
  each,
  type Errors,
  fields,
  type Found,
  named,
  oneOf,
  optionallyAmong,
  positive,
  present,
  quantityNotNegative,
} from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { type Column, defineKind, statusAtFirst } from "../kind.ts";

const longestWindowSeconds = 3600;
const longestPeriodSeconds = 1800;

const referenceErrors = (reference: CrossVersionObjectReference | undefined, at: string): Errors => [
  ...named(path(at, "kind"), reference?.kind, pathSegmentErrors),
  ...named(path(at, "name"), reference?.name, pathSegmentErrors),
];

const positiveQuantity = (field: string, value: string | undefined): Found =>
  value !== undefined && parseQuantity(value).nanos <= 0n && invalidValue(field, value, "must be positive");

const targetErrors = (target: MetricTarget | undefined, at: string): Errors =>
  fields(at, target, {
    type: among(["Utilization", "Value", "AverageValue"]),
    value: positiveQuantity,
    averageValue: positiveQuantity,
    averageUtilization: positive,
  });

const identifierErrors = (metric: MetricIdentifier | undefined, at: string): Errors => [
  ...named(path(at, "name"), metric?.name, pathSegmentErrors),
  ...labelSelectorErrors(metric?.selector, path(at, "selector")),
];

function resourceErrors(source: { name: string; target: MetricTarget }, at: string): Errors {
  const { averageUtilization: utilization, averageValue: value } = source.target ?? {};
  const here = path(at, "target");
  const neither = "must set either a target raw value or a target utilization";
  const both = "may not set both a target raw value and a target utilization";
  return all(
    present(path(at, "name"), source.name),
    targetErrors(source.target, here),
    utilization === undefined && value === undefined && required(path(here, "averageUtilization"), neither),
    utilization !== undefined && value !== undefined && forbiddenField(path(here, "averageValue"), both),
  );
}

const sourceOf: Readonly<Record<string, keyof MetricSpec>> = {
  Object: "object",
  Pods: "pods",
  Resource: "resource",
  External: "external",
  ContainerResource: "containerResource",
};

function metricErrors(metric: MetricSpec, at: string): Errors {
  const wanted = sourceOf[metric.type];
  const { resource, containerResource } = metric;
  return all(
    oneOf(path(at, "type"), metric.type, Object.keys(sourceOf)),
    wanted && [
      ...Object.values(sourceOf).flatMap((source) => {
        if ((source === wanted) === Boolean(metric[source])) return [];
        return source === wanted
          ? required(path(at, source), "must populate information for the given metric source")
          : forbiddenField(path(at, source), "must populate the given metric source only");
      }),
      ...(resource ? resourceErrors(resource, path(at, "resource")) : []),
      ...(containerResource ? present(path(at, "containerResource", "container"), containerResource.container) : []),
      ...(containerResource ? resourceErrors(containerResource, path(at, "containerResource")) : []),
      ...(["object", "pods", "external"] as const).flatMap((field) => customErrors(metric, field, path(at, field))),
      ...(metric.object ? referenceErrors(metric.object.describedObject, path(at, "object", "describedObject")) : []),
    ],
  );
}

function customErrors(metric: MetricSpec, source: "object" | "pods" | "external", at: string): Errors {
  const found = metric[source];
  if (!found) return [];
  const { value, averageValue } = found.target ?? {};
  const ofPods = source === "pods";
  const text = ofPods
    ? "must specify a positive target averageValue"
    : "must set either a target value or averageValue";
  const isGiven = averageValue !== undefined || (!ofPods && value !== undefined);
  return all(
    identifierErrors(found.metric, path(at, "metric")),
    targetErrors(found.target, path(at, "target")),
    !isGiven && required(path(at, "target", "averageValue"), text),
  );
}

function rulesErrors(rules: HPAScalingRules | undefined, at: string): Errors {
  if (!rules) return [];
  const above =
    (most: number) =>
    (field: string, value = 0) =>
      value > most && invalidValue(field, value, `must be less than or equal to ${most}`);
  const positiveField = (field: string, value: number | undefined) =>
    !(value! > 0) && invalidValue(field, value, "must be greater than zero");
  return fields(at, rules, {
    selectPolicy: optionallyAmong(["Max", "Min", "Disabled"]),
    stabilizationWindowSeconds: (field, window = 0) =>
      window < 0
        ? invalidValue(field, window, "must be greater than or equal to zero")
        : above(longestWindowSeconds)(field, window),
    tolerance: (field, tolerance) => tolerance !== undefined && quantityNotNegative(field, tolerance),
    policies: (field, policies) =>
      policies?.length
        ? each(field, policies, (here, policy) =>
            fields(here, policy, {
              type: among(["Pods", "Percent"]),
              value: positiveField,
              periodSeconds: (there, seconds) =>
                all(positiveField(there, seconds), above(longestPeriodSeconds)(there, seconds)),
            }),
          )
        : required(field, "must specify at least one Policy"),
  });
}

/** An autoscaler, new or changed. */
export function validateAutoscaler({ spec }: HorizontalPodAutoscaler): Errors {
  if (!spec) return [required("spec.scaleTargetRef"), required("spec.maxReplicas")];
  const { minReplicas: min = 1, maxReplicas: max = 0 } = spec;
  return all(
    min < 1 && invalidValue("spec.minReplicas", min, "must be greater than or equal to 1"),
    max < 1 && invalidValue("spec.maxReplicas", max, "must be greater than 0"),
    max < min && invalidValue("spec.maxReplicas", max, "must be greater than or equal to `minReplicas`"),
    referenceErrors(spec.scaleTargetRef, "spec.scaleTargetRef"),
    each("spec.metrics", spec.metrics, (at, metric) => metricErrors(metric, at)),
    rulesErrors(spec.behavior?.scaleUp, "spec.behavior.scaleUp"),
    rulesErrors(spec.behavior?.scaleDown, "spec.behavior.scaleDown"),
  );
}

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
function targetsText({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec?.metrics ?? [];
  if (metrics.length === 0) return "<none>";
  const texts = metrics.map((metric, i) => metricText(metric, status?.currentMetrics?.[i]));
  const rest = texts.length - shownMetrics;
  return rest > 0 ? `${texts.slice(0, shownMetrics).join(", ")} + ${rest} more...` : texts.join(", ");
}

export const autoscalerColumns: readonly Column<HorizontalPodAutoscaler>[] = [
  nameColumn,
  column("Reference", ({ spec }) => `${spec?.scaleTargetRef?.kind ?? ""}/${spec?.scaleTargetRef?.name ?? ""}`),
  column("Targets", targetsText),
  column("MinPods", ({ spec }) => String(spec?.minReplicas ?? "<unset>")),
  column("MaxPods", ({ spec }) => spec?.maxReplicas ?? 0),
  column("Replicas", ({ status }) => status?.currentReplicas ?? 0),
  ageColumn,
];

export const HorizontalPodAutoscaler = defineKind<HorizontalPodAutoscaler>(
  "autoscaling/v2",
  "HorizontalPodAutoscaler",
  {
    shortNames: ["hpa"],
    categories: ["all"],
    subresources: { status: true },
    columns: autoscalerColumns,
    defaults: defaultAutoscaler,
    prepareForCreate: statusAtFirst({ desiredReplicas: 0 }),
    validate: validateAutoscaler,
  },
);
