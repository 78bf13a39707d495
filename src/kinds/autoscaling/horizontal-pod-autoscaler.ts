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
import { each, type Errors, named, oneOf, optionallyOneOf, positive, present } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

const longestWindowSeconds = 3600;
const longestPeriodSeconds = 1800;

const referenceErrors = (reference: CrossVersionObjectReference | undefined, at: string): Errors => [
  ...named(path(at, "kind"), reference?.kind, pathSegmentErrors),
  ...named(path(at, "name"), reference?.name, pathSegmentErrors),
];

function targetErrors(target: MetricTarget | undefined, at: string): Errors {
  const errors = oneOf(path(at, "type"), target?.type, ["Utilization", "Value", "AverageValue"]);
  for (const field of ["value", "averageValue"] as const) {
    const value = target?.[field];
    if (value !== undefined && parseQuantity(value).nanos <= 0n) {
      errors.push(invalidValue(path(at, field), value, "must be positive"));
    }
  }
  return [...errors, ...positive(path(at, "averageUtilization"), target?.averageUtilization)];
}

const identifierErrors = (metric: MetricIdentifier | undefined, at: string): Errors => [
  ...named(path(at, "name"), metric?.name, pathSegmentErrors),
  ...labelSelectorErrors(metric?.selector, path(at, "selector")),
];

function resourceErrors(source: { name: string; target: MetricTarget }, at: string): Errors {
  const errors = [...present(path(at, "name"), source.name), ...targetErrors(source.target, path(at, "target"))];
  const { averageUtilization, averageValue } = source.target ?? {};
  const field = path(at, "target", "averageUtilization");
  if (averageUtilization === undefined && averageValue === undefined) {
    errors.push(required(field, "must set either a target raw value or a target utilization"));
  }
  if (averageUtilization !== undefined && averageValue !== undefined) {
    errors.push(
      forbiddenField(
        path(at, "target", "averageValue"),
        "may not set both a target raw value and a target utilization",
      ),
    );
  }
  return errors;
}

const sourceOf: Readonly<Record<string, keyof MetricSpec>> = {
  Object: "object",
  Pods: "pods",
  Resource: "resource",
  External: "external",
  ContainerResource: "containerResource",
};

function metricErrors(metric: MetricSpec, at: string): Errors {
  const errors = oneOf(path(at, "type"), metric.type, Object.keys(sourceOf));
  const wanted = sourceOf[metric.type];
  if (!wanted) return errors;
  for (const source of Object.values(sourceOf)) {
    if (source === wanted && !metric[source]) {
      errors.push(required(path(at, source), "must populate information for the given metric source"));
    } else if (source !== wanted && metric[source]) {
      errors.push(forbiddenField(path(at, source), "must populate the given metric source only"));
    }
  }
  if (metric.resource) errors.push(...resourceErrors(metric.resource, path(at, "resource")));
  if (metric.containerResource) {
    const here = path(at, "containerResource");
    errors.push(...present(path(here, "container"), metric.containerResource.container));
    errors.push(...resourceErrors(metric.containerResource, here));
  }
  for (const field of ["object", "pods", "external"] as const) {
    const source = metric[field];
    if (!source) continue;
    errors.push(...identifierErrors(source.metric, path(at, field, "metric")));
    errors.push(...targetErrors(source.target, path(at, field, "target")));
    if (field === "pods" && source.target?.averageValue === undefined) {
      errors.push(required(path(at, field, "target", "averageValue"), "must specify a positive target averageValue"));
    } else if (field !== "pods" && source.target?.averageValue === undefined && source.target?.value === undefined) {
      const text = "must set either a target value or averageValue";
      errors.push(required(path(at, field, "target", "averageValue"), text));
    }
  }
  if (metric.object)
    errors.push(...referenceErrors(metric.object.describedObject, path(at, "object", "describedObject")));
  return errors;
}

function rulesErrors(rules: HPAScalingRules | undefined, at: string): Errors {
  if (!rules) return [];
  const errors = optionallyOneOf(path(at, "selectPolicy"), rules.selectPolicy, ["Max", "Min", "Disabled"]);
  const window = rules.stabilizationWindowSeconds;
  const field = path(at, "stabilizationWindowSeconds");
  if (window !== undefined && window < 0)
    errors.push(invalidValue(field, window, "must be greater than or equal to zero"));
  if (window !== undefined && window > longestWindowSeconds) {
    errors.push(invalidValue(field, window, `must be less than or equal to ${longestWindowSeconds}`));
  }
  if (rules.tolerance !== undefined && parseQuantity(rules.tolerance).nanos < 0n) {
    errors.push(invalidValue(path(at, "tolerance"), rules.tolerance, "must be greater than or equal to 0"));
  }
  if (!rules.policies?.length) {
    return [...errors, required(path(at, "policies"), "must specify at least one Policy")];
  }
  const positiveField = (here: string, value: number) =>
    value > 0 ? [] : [invalidValue(here, value, "must be greater than zero")];
  return [
    ...errors,
    ...each(path(at, "policies"), rules.policies, (here, { type, value, periodSeconds }) => [
      ...oneOf(path(here, "type"), type, ["Pods", "Percent"]),
      ...positiveField(path(here, "value"), value),
      ...positiveField(path(here, "periodSeconds"), periodSeconds),
      ...(periodSeconds > longestPeriodSeconds
        ? [
            invalidValue(
              path(here, "periodSeconds"),
              periodSeconds,
              `must be less than or equal to ${longestPeriodSeconds}`,
            ),
          ]
        : []),
    ]),
  ];
}

/** An autoscaler, new or changed. */
export function validateAutoscaler({ spec }: HorizontalPodAutoscaler): Errors {
  if (!spec) return [required("spec.scaleTargetRef"), required("spec.maxReplicas")];
  const { minReplicas = 1, maxReplicas = 0 } = spec;
  const errors: Errors = [];
  if (minReplicas < 1) {
    errors.push(invalidValue("spec.minReplicas", minReplicas, "must be greater than or equal to 1"));
  }
  if (maxReplicas < 1) errors.push(invalidValue("spec.maxReplicas", maxReplicas, "must be greater than 0"));
  if (maxReplicas < minReplicas) {
    errors.push(invalidValue("spec.maxReplicas", maxReplicas, "must be greater than or equal to `minReplicas`"));
  }
  return [
    ...errors,
    ...referenceErrors(spec.scaleTargetRef, "spec.scaleTargetRef"),
    ...each("spec.metrics", spec.metrics, (at, metric) => metricErrors(metric, at)),
    ...rulesErrors(spec.behavior?.scaleUp, "spec.behavior.scaleUp"),
    ...rulesErrors(spec.behavior?.scaleDown, "spec.behavior.scaleDown"),
  ];
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
