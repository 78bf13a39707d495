// LimitRange: bounds and defaults for the resources of single objects in a namespace.
// Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (ValidateLimitRange).
import type * as core from "../generated/core.v1.ts";
import { forbiddenField, invalidValue, keyed, path, required } from "../../machinery/field.ts";
import { qualifiedNameErrors } from "../../machinery/names.ts";
import { compareQuantities, quantityToNumber } from "../../machinery/quantity.ts";
import type { LimitRangeItem } from "../generated/core.v1.ts";
import { complaints, eachUnique, type Errors, named } from "../checks.ts";
import { column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";

type Bound = "min" | "defaultRequest" | "default" | "max";

/** The bounds of one resource must not decrease in this order. */
const order: readonly Bound[] = ["min", "defaultRequest", "default", "max"];

function orderErrors(at: string, item: LimitRangeItem, name: string): Errors {
  const errors: Errors = [];
  order.forEach((low, i) => {
    for (const high of order.slice(i + 1)) {
      const less = item[low]?.[name];
      const more = item[high]?.[name];
      if (less === undefined || more === undefined || compareQuantities(less, more) <= 0) continue;
      const words: Record<Bound, string> = {
        min: "min",
        max: "max",
        default: "default",
        defaultRequest: "default request",
      };
      const detail = `${words[low]} value ${less} is greater than ${words[high]} value ${more}`;
      errors.push(invalidValue(keyed(path(at, low), name), less, detail));
    }
  });
  return errors;
}

function ratioErrors(at: string, item: LimitRangeItem, name: string): Errors {
  const ratio = item.maxLimitRequestRatio?.[name];
  if (ratio === undefined) return [];
  const here = keyed(path(at, "maxLimitRequestRatio"), name);
  const value = quantityToNumber(ratio);
  if (value < 1) return [invalidValue(here, ratio, `ratio ${ratio} is less than 1`)];
  const [min, max] = [item.min?.[name], item.max?.[name]];
  if (min === undefined || max === undefined) return [];
  const largest = quantityToNumber(max) / quantityToNumber(min);
  return value > largest
    ? [invalidValue(here, ratio, `ratio ${ratio} is greater than max/min = ${largest.toFixed(6)}`)]
    : [];
}

function validateItem(at: string, item: LimitRangeItem): Errors {
  const errors = named(path(at, "type"), item.type, (type) =>
    ["Container", "Pod", "PersistentVolumeClaim"].includes(type) ? [] : qualifiedNameErrors(type),
  );
  if (item.type === "Pod") {
    const text = "may not be specified when `type` is 'Pod'";
    if (item.default) errors.push(forbiddenField(path(at, "default"), text));
    if (item.defaultRequest) errors.push(forbiddenField(path(at, "defaultRequest"), text));
  }
  if (item.type === "PersistentVolumeClaim" && !item.min?.storage && !item.max?.storage) {
    errors.push(
      required(path(at, "limits"), "either minimum or maximum storage value is required, but neither was provided"),
    );
  }
  const names = new Set([...order, "maxLimitRequestRatio" as const].flatMap((bound) => Object.keys(item[bound] ?? {})));
  for (const name of names) {
    for (const bound of order) {
      if (item[bound]?.[name] !== undefined)
        errors.push(...complaints(keyed(path(at, bound), name), name, qualifiedNameErrors(name)));
    }
    errors.push(...orderErrors(at, item, name), ...ratioErrors(at, item, name));
  }
  return errors;
}

export type LimitRange = core.LimitRange;

export const LimitRange = defineKind<LimitRange>("v1", "LimitRange", {
  shortNames: ["limits"],
  columns: [nameColumn, column("Created At", (range) => range.metadata.creationTimestamp, { type: "date" })],
  defaults: (draft) => {
    for (const item of draft.spec?.limits ?? []) {
      if (item.type !== "Container") continue;
      const limits = { ...item.max, ...item.default };
      const requests = { ...item.min, ...limits, ...item.defaultRequest };
      if (Object.keys(limits).length > 0) item.default = limits;
      if (Object.keys(requests).length > 0) item.defaultRequest = requests;
    }
  },
  validate: ({ spec }) => eachUnique("spec.limits", spec?.limits, "type", validateItem),
});
