// PriorityClass: names a pod priority. Follows kubernetes v1.36 pkg/apis/scheduling/validation/validation.go.
import type * as scheduling from "../generated/scheduling.v1.ts";
import { forbiddenField } from "../../machinery/field.ts";
import { type Errors, oneOf } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";

export type PriorityClass = scheduling.PriorityClass;

const highestUserPriority = 1_000_000_000;

/** The classes that the system makes for itself. */
const systemPriorities: Readonly<Record<string, number>> = {
  "system-cluster-critical": 2_000_000_000,
  "system-node-critical": 2_000_001_000,
};

function validate({ metadata: { name }, value = 0, preemptionPolicy }: PriorityClass): Errors {
  const errors = oneOf("preemptionPolicy", preemptionPolicy, ["Never", "PreemptLowerPriority"]);
  if (systemPriorities[name] === value) return errors;
  if (name.startsWith("system-")) {
    const text = "priority class names with 'system-' prefix are reserved for system use only";
    errors.push(forbiddenField("metadata.name", text));
  }
  if (value > highestUserPriority) {
    const text = `maximum allowed value of a user defined priority is ${highestUserPriority}`;
    errors.push(forbiddenField("value", text));
  }
  return errors;
}

export const PriorityClass = defineKind<PriorityClass>("scheduling.k8s.io/v1", "PriorityClass", {
  namespaced: false,
  shortNames: ["pc"],
  hasGeneration: true,
  columns: [
    nameColumn,
    column("Value", ({ value }) => value ?? 0, { type: "integer" }),
    column("Global-Default", ({ globalDefault }) => globalDefault ?? false, { type: "boolean" }),
    ageColumn,
    column("PreemptionPolicy", ({ preemptionPolicy }) => preemptionPolicy ?? ""),
  ],
  defaults: (draft) => {
    draft.value ??= 0;
    draft.preemptionPolicy ??= "PreemptLowerPriority";
  },
  validate,
  validateUpdate: (next, old) =>
    (["value", "preemptionPolicy"] as const)
      .filter((field) => next[field] !== old[field])
      .map((field) => forbiddenField(field, "may not be changed in an update.")),
});
