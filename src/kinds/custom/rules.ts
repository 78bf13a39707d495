// placeholder
import type { FieldError } from "../../machinery/errors.ts";
import type { JSONSchemaProps } from "../generated/apiextensions.v1.ts";
export type Rules = (object: unknown, old: unknown, errors: readonly FieldError[]) => readonly FieldError[];
export function compileRules(_schema: JSONSchemaProps): Rules | undefined {
  return undefined;
}
