// Small checks that validations of many kinds are made of. Each returns complaints, none when all is well.
import { deepEqual } from "../machinery/equal.ts";
import type { FieldError } from "../machinery/errors.ts";
import { forbiddenField, invalidValue, keyed, notSupported, path, required } from "../machinery/field.ts";
import { portNumberErrors, rangeComplaint } from "../machinery/names.ts";
import { parseQuantity } from "../machinery/quantity.ts";

export type Errors = FieldError[];

/** One error per complaint of a name validator. */
export const complaints = (field: string, value: unknown, texts: readonly string[]): Errors =>
  texts.map((text) => invalidValue(field, value, text));

/** Required, then judged by a name validator. */
export const named = (field: string, value: string | undefined, judge: (text: string) => readonly string[]): Errors =>
  value ? complaints(field, value, judge(value)) : [required(field)];

/** Judged by a name validator when given. */
export const optionallyNamed = (
  field: string,
  value: string | undefined,
  judge: (text: string) => readonly string[],
): Errors => (value ? complaints(field, value, judge(value)) : []);

export const present = (field: string, value: unknown, detail = ""): Errors =>
  value === undefined || value === null || value === "" ? [required(field, detail)] : [];

/** Required and one of `allowed`. */
export const oneOf = (field: string, value: string | undefined, allowed: readonly string[]): Errors => {
  if (!value) return [required(field)];
  return allowed.includes(value) ? [] : [notSupported(field, value, allowed)];
};

/** One of `allowed` when given. */
export const optionallyOneOf = (field: string, value: string | undefined, allowed: readonly string[]): Errors =>
  value ? oneOf(field, value, allowed) : [];

export const notNegative = (field: string, value: number | undefined): Errors =>
  value !== undefined && value < 0 ? [invalidValue(field, value, "must be greater than or equal to 0")] : [];

export const positive = (field: string, value: number | undefined): Errors =>
  value !== undefined && value <= 0 ? [invalidValue(field, value, "must be greater than 0")] : [];

export const within = (field: string, value: number | undefined, low: number, high: number): Errors =>
  value !== undefined && (value < low || value > high) ? [invalidValue(field, value, rangeComplaint(low, high))] : [];

export const portNumber = (field: string, value: number | undefined): Errors =>
  complaints(field, value ?? 0, portNumberErrors(value ?? 0));

export const quantityNotNegative = (field: string, value: string): Errors =>
  parseQuantity(value).nanos < 0n ? [invalidValue(field, value, "must be greater than or equal to 0")] : [];

/** The field may not change. */
export const unchanged = (field: string, value: unknown, old: unknown): Errors =>
  deepEqual(value, old) ? [] : [invalidValue(field, value ?? null, "field is immutable")];

/** Every entry of a map, under `field[key]`. */
export function eachEntry<T>(
  field: string,
  map: Readonly<Record<string, T>> | undefined,
  judge: (at: string, value: T, key: string) => Errors,
): Errors {
  const errors: Errors = [];
  for (const key in map) append(errors, judge(keyed(field, key), map[key]!, key));
  return errors;
}

/** Every element of a list, under `field[index]`. */
export function each<T>(
  field: string,
  list: readonly T[] | undefined,
  judge: (at: string, value: T, index: number) => Errors,
): Errors {
  const errors: Errors = [];
  if (list) for (let i = 0; i < list.length; i++) append(errors, judge(`${field}[${i}]`, list[i]!, i));
  return errors;
}

function append(errors: Errors, more: Errors): void {
  for (const error of more) errors.push(error);
}

/** Why a path could leave the directory that it starts in. */
export function backstepErrors(field: string, text: string): Errors {
  return text.split("/").includes("..") ? [invalidValue(field, text, "must not contain '..'")] : [];
}

/** A path that must stay below where it starts. */
export function relativePathErrors(field: string, text: string): Errors {
  if (text.startsWith("/")) return [invalidValue(field, text, "must be a relative path")];
  return backstepErrors(field, text);
}

/** At most one of the named members may be set and, unless `optional`, one must be. */
export function exactlyOne(
  field: string,
  set: readonly string[],
  texts: { readonly none?: string; readonly many?: string } = {},
): Errors {
  if (set.length === 0) return texts.none === undefined ? [] : [required(field, texts.none)];
  return set.slice(1).map((name) => forbiddenField(path(field, name), texts.many ?? "may not specify more than 1"));
}
