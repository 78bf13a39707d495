// What ConfigMap and Secret have in common: a bound on their size, and data that can be frozen.
import { deepEqual } from "../../machinery/equal.ts";
import { forbiddenField } from "../../machinery/field.ts";
import type { Errors } from "../checks.ts";

/** Most bytes of all values together. */
export const maxDataBytes = 1024 * 1024;

const frozenText = "field is immutable when `immutable` is set";

/** Changes of an object whose `immutable` is set already. */
export function immutableDataErrors<T extends { immutable?: boolean }>(
  next: T,
  old: T,
  fields: readonly (keyof T & string)[],
): Errors {
  if (!old.immutable) return [];
  const errors: Errors = next.immutable ? [] : [forbiddenField("immutable", frozenText)];
  for (const field of fields) {
    if (!deepEqual(next[field], old[field])) errors.push(forbiddenField(field, frozenText));
  }
  return errors;
}
