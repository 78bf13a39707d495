// PodDisruptionBudget: how many pods may be evicted at a time. Follows kubernetes v1.36 pkg/apis/policy/validation/validation.go.
import type * as policy from "../generated/policy.v1.ts";
import { invalidValue } from "../../machinery/field.ts";
import { labelSelectorErrors } from "../../machinery/selector.ts";
import { type Errors, notNegative, optionallyOneOf } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { shareErrors } from "../int-or-percent.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

export type PodDisruptionBudget = policy.PodDisruptionBudget;

function validate({ spec }: PodDisruptionBudget): Errors {
  if (!spec) return [];
  const errors: Errors = [];
  if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined) {
    errors.push(invalidValue("spec", spec, "minAvailable and maxUnavailable cannot be both set"));
  }
  return [
    ...errors,
    ...shareErrors("spec.minAvailable", spec.minAvailable),
    ...shareErrors("spec.maxUnavailable", spec.maxUnavailable),
    ...labelSelectorErrors(spec.selector, "spec.selector"),
    ...optionallyOneOf("spec.unhealthyPodEvictionPolicy", spec.unhealthyPodEvictionPolicy, [
      "AlwaysAllow",
      "IfHealthyBudget",
    ]),
  ];
}

const counters = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] as const;

export const PodDisruptionBudget = defineKind<PodDisruptionBudget>("policy/v1", "PodDisruptionBudget", {
  nameRule: "pathSegment",
  shortNames: ["pdb"],
  hasGeneration: true,
  subresources: { status: true },
  columns: [
    nameColumn,
    column("Min Available", ({ spec }) => String(spec?.minAvailable ?? "N/A")),
    column("Max Unavailable", ({ spec }) => String(spec?.maxUnavailable ?? "N/A")),
    column("Allowed Disruptions", ({ status }) => status?.disruptionsAllowed ?? 0, { type: "integer" }),
    ageColumn,
  ],
  prepareForCreate: statusAtFirst({ disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }),
  validate,
  validateStatusUpdate: ({ status }) => counters.flatMap((field) => notNegative(`status.${field}`, status?.[field])),
});
