// Which autoscalers are refused. Follows kubernetes v1.36 pkg/apis/autoscaling/validation/validation.go.
import type {
  CrossVersionObjectReference,
  HorizontalPodAutoscaler,
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
