// Field paths and the complaints about them. Follows kubernetes v1.36 apimachinery/pkg/util/validation/field (message forms).
import type { FieldError } from "./errors.ts";

/** `path("spec", "containers", 0, "name")` → `spec.containers[0].name`; a string after a map goes through `keyed`. */
export function path(parent: string, ...steps: (string | number)[]): string {
  let out = parent;
  for (const step of steps) out += typeof step === "number" ? `[${step}]` : out ? `.${step}` : step;
  return out;
}

/** A map entry: `keyed("metadata.labels", "app")` → `metadata.labels[app]`. */
export const keyed = (parent: string, key: string) => `${parent}[${key}]`;

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value === undefined || value === null) return "null";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export const required = (field: string, detail = ""): FieldError => ({
  type: "FieldValueRequired",
  field,
  message: `Required value${detail ? `: ${detail}` : ""}`,
});

export const invalidValue = (field: string, value: unknown, detail: string): FieldError => ({
  type: "FieldValueInvalid",
  field,
  message: `Invalid value: ${show(value)}: ${detail}`,
});

export const duplicate = (field: string, value: unknown): FieldError => ({
  type: "FieldValueDuplicate",
  field,
  message: `Duplicate value: ${show(value)}`,
});

export const notFoundValue = (field: string, value: unknown): FieldError => ({
  type: "FieldValueNotFound",
  field,
  message: `Not found: ${show(value)}`,
});

export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldError => ({
  type: "FieldValueNotSupported",
  field,
  message: `Unsupported value: ${show(value)}: supported values: ${supported.map((s) => JSON.stringify(s)).join(", ")}`,
});

export const forbiddenField = (field: string, detail: string): FieldError => ({
  type: "FieldValueForbidden",
  field,
  message: `Forbidden: ${detail}`,
});

export const tooLong = (field: string, maxLength: number): FieldError => ({
  type: "FieldValueTooLong",
  field,
  message: `Too long: may not be more than ${maxLength} bytes`,
});

export const tooMany = (field: string, count: number, max: number): FieldError => ({
  type: "FieldValueTooMany",
  field,
  message: `Too many: ${count}: must have at most ${max} items`,
});

export const typeInvalid = (field: string, value: unknown, detail: string): FieldError => ({
  type: "FieldValueTypeInvalid",
  field,
  message: `Invalid value: ${show(value)}: ${detail}`,
});
