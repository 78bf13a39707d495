// Small checks that validations of many kinds are made of. Each returns complaints, none when all is well.
import { deepEqual } from "../machinery/equal.ts";
import type { FieldError } from "../machinery/errors.ts";
import { duplicate, forbiddenField, invalidValue, keyed, notSupported, path, required } from "../machinery/field.ts";
import { portNumberErrors, rangeComplaint } from "../machinery/names.ts";
import { parseQuantity } from "../machinery/quantity.ts";

export type Errors = FieldError[];

/** What a check found: a complaint, several, or nothing. */
export type Found = FieldError | readonly FieldError[] | false | null | undefined | "" | 0;

/** All that was found, in order: `all(named(…), size > 3 && invalidValue(…))`. */
export function all(...found: readonly Found[]): Errors {
  const errors: Errors = [];
  for (const part of found) add(errors, part);
  return errors;
}

function add(errors: Errors, found: Found): void {
  if (!found) return;
  if ("field" in found) errors.push(found);
  else for (const error of found) errors.push(error);
}

/**
 * Checks fields of the object at `at` in the order of the table: `fields("spec", spec, { replicas: notNegative })`. Of an
 * absent object all fields are absent.
 */
export function fields<T extends object>(
  at: string,
  object: T | undefined,
  checks: { readonly [F in keyof T]?: (field: string, value: T[F] | undefined) => Found },
): Errors {
  const errors: Errors = [];
  for (const name in checks) add(errors, checks[name]!(at ? `${at}.${name}` : name, object?.[name]));
  return errors;
}

/** Tells of each key whether it came before. */
export function repeats(): (key: unknown) => boolean {
  const seen = new Set<unknown>();
  return (key) => seen.size === seen.add(key).size;
}

/** One error per complaint of a name validator. */
export const complaints = (field: string, value: unknown, texts: readonly string[]): Errors =>
  texts.map((text) => invalidValue(field, value, text));

/** Required, then judged by a name validator. */
export const named = (field: string, value: string | undefined, judge: (text: string) => readonly string[]): Errors =>
  value ? complaints(field, value, judge(value)) : [required(field)];

type Judge = (text: string) => readonly string[];

// The same as checks of `fields`.
export const must = (judge: Judge) => (field: string, value: string | undefined) => named(field, value, judge);
export const may = (judge: Judge) => (field: string, value: string | undefined) => optionallyNamed(field, value, judge);
export const among = (allowed: readonly string[]) => (field: string, value: string | undefined) =>
  oneOf(field, value, allowed);
export const optionallyAmong = (allowed: readonly string[]) => (field: string, value: string | undefined) =>
  optionallyOneOf(field, value, allowed);
export const list =
  <T>(judge: (at: string, value: T, index: number) => Found) =>
  (field: string, value: readonly T[] | undefined) =>
    each(field, value, judge);

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

/** None of the fields of the object at `at` may change. */
export const allUnchanged = <T extends object>(
  at: string,
  next: T | undefined,
  old: T | undefined,
  names: readonly (keyof T & string)[],
): Errors => names.flatMap((name) => unchanged(path(at, name), next?.[name], old?.[name]));

/** Every entry of a map, under `field[key]`. */
export function eachEntry<T>(
  field: string,
  map: Readonly<Record<string, T>> | undefined,
  judge: (at: string, value: T, key: string) => Found,
): Errors {
  const errors: Errors = [];
  for (const key in map) add(errors, judge(keyed(field, key), map[key]!, key));
  return errors;
}

/** Every element of a list, under `field[index]`. */
export function each<T>(
  field: string,
  list: readonly T[] | undefined,
  judge: (at: string, value: T, index: number) => Found,
): Errors {
  const errors: Errors = [];
  if (list) for (let i = 0; i < list.length; i++) add(errors, judge(`${field}[${i}]`, list[i]!, i));
  return errors;
}

/** The same, and no two elements may agree in the field `key`, which is complained about first. */
export function eachUnique<T extends object>(
  field: string,
  list: readonly T[] | undefined,
  key: keyof T & string,
  judge: (at: string, value: T, index: number) => Found,
): Errors {
  const again = repeats();
  return each(field, list, (at, value, i) =>
    all(again(value[key]) && duplicate(path(at, key), value[key]), judge(at, value, i)),
  );
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
