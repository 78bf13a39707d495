// Judges a custom resource by its OpenAPI schema. Parts that an update leaves as they were are not judged again.
// Follows kubernetes v1.36 apiextensions-apiserver/pkg/apiserver/validation (messages, ratcheting) and schema/listtype.
import { deepEqual } from "../../machinery/equal.ts";
import type { FieldError } from "../../machinery/errors.ts";
import {
  duplicate,
  invalidValue,
  notSupported,
  path,
  required,
  tooLong,
  tooMany,
  typeInvalid,
} from "../../machinery/field.ts";
import { compileRe2 } from "../../machinery/re2.ts";
import type { JSONSchemaProps } from "../generated/apiextensions.v1.ts";
import { inexactInteger } from "../schema.ts";
import { hasFormat } from "./formats.ts";
import { isObject, itemsOf, memberOf, systemFields, type Json } from "./schema.ts";

type Errors = FieldError[];

const noPath = "<nil>";

/** Everything wrong with an object; `old` is what it replaces. Its own apiVersion, kind and metadata are not judged, but by the schema's restrictions. */
export const schemaErrors = (object: unknown, schema: JSONSchemaProps, old?: unknown): Errors =>
  valueErrors(object, schema, "", old, true);

/** The same for any value below `at`. */
export function valueErrors(
  value: unknown,
  schema: JSONSchemaProps,
  at: string,
  old?: unknown,
  isRoot = false,
): Errors {
  if (old !== undefined && deepEqual(value, old)) return [];
  if (value === null && schema.nullable) return [];
  const wrongType = typeError(value, schema, at);
  if (wrongType) return [wrongType];
  const errors: Errors = enumErrors(value, schema, at);
  if (typeof value === "string") errors.push(...stringErrors(value, schema, at));
  else if (typeof value === "number") errors.push(...numberErrors(value, schema, at));
  else if (Array.isArray(value)) errors.push(...listErrors(value, schema, at, old));
  else if (isObject(value)) errors.push(...objectErrors(value, schema, at, isObject(old) ? old : undefined, isRoot));
  return [...errors, ...junctorErrors(value, schema, at)];
}

const shown = (at: string) => at || noPath;
const inBody = (at: string, what: string) => `${at} in body ${what}`;
const refuse = (at: string, value: unknown, what: string) => invalidValue(shown(at), value, inBody(at, what));

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value === "number" ? (Number.isInteger(value) ? "integer" : "number") : typeof value;
}

function typeError(value: unknown, schema: JSONSchemaProps, at: string): FieldError | undefined {
  const found = typeName(value);
  const wrong = (wanted: string) =>
    typeInvalid(shown(at), found, inBody(at, `must be of type ${wanted}: ${JSON.stringify(found)}`));
  if (schema["x-kubernetes-int-or-string"]) {
    return found === "integer" || found === "string" ? undefined : wrong("integer,string");
  }
  if (!schema.type || schema.type === found || (schema.type === "number" && found === "integer")) return undefined;
  return wrong(schema.type);
}

function enumErrors(value: unknown, schema: JSONSchemaProps, at: string): Errors {
  if (!schema.enum || schema.enum.some((allowed) => deepEqual(allowed, value))) return [];
  const supported = schema.enum.map((allowed) => (typeof allowed === "string" ? allowed : JSON.stringify(allowed)));
  return [notSupported(shown(at), value, supported)];
}

function stringErrors(text: string, schema: JSONSchemaProps, at: string): Errors {
  const errors: Errors = [];
  const { minLength, maxLength, pattern, format } = schema;
  if (maxLength !== undefined || minLength !== undefined) {
    const length =
      text.length <= (minLength ?? 0) * 2 || text.length > (maxLength ?? Infinity) ? [...text].length : text.length;
    if (maxLength !== undefined && length > maxLength) errors.push(tooLong(shown(at), maxLength));
    if (minLength !== undefined && length < minLength) {
      errors.push(refuse(at, text, `should be at least ${minLength} chars long`));
    }
  }
  if (pattern !== undefined && !matcherOf(pattern)(text)) errors.push(refuse(at, text, `should match '${pattern}'`));
  if (format !== undefined && !hasFormat(text, format)) {
    errors.push(refuse(at, text, `must be of type ${format}: ${JSON.stringify(text)}`));
  }
  return errors;
}

const matchers = new Map<string, (text: string) => boolean>();
const maxMatchers = 1000;

/** Patterns are compiled once; a bounded number of them is kept. */
function matcherOf(pattern: string): (text: string) => boolean {
  let matcher = matchers.get(pattern);
  if (!matcher) {
    const compiled = compileRe2(pattern);
    matcher = (text) => compiled.matcher(text).find();
    if (matchers.size >= maxMatchers) matchers.clear();
    matchers.set(pattern, matcher);
  }
  return matcher;
}

const int32Limit = 2 ** 31;

function numberErrors(value: number, schema: JSONSchemaProps, at: string): Errors {
  const errors: Errors = [];
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, format = "" } = schema;
  if (schema.type === "integer" && format === "int32" && (value < -int32Limit || value >= int32Limit)) {
    errors.push(refuse(at, value, `must be of type ${format}: ${JSON.stringify(String(value))}`));
  } else if (schema.type === "integer" && !Number.isSafeInteger(value)) errors.push(refuse(at, value, inexactInteger));
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum)) {
    errors.push(refuse(at, value, `should be less than ${exclusiveMaximum ? "" : "or equal to "}${maximum}`));
  }
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum)) {
    errors.push(refuse(at, value, `should be greater than ${exclusiveMinimum ? "" : "or equal to "}${minimum}`));
  }
  if (multipleOf && !isMultiple(value, multipleOf)) {
    errors.push(refuse(at, value, `should be a multiple of ${multipleOf}`));
  }
  return errors;
}

function isMultiple(value: number, factor: number): boolean {
  const quotient = value / factor;
  return Math.abs(quotient - Math.round(quotient)) < 1e-9;
}

function listErrors(list: readonly unknown[], schema: JSONSchemaProps, at: string, old: unknown): Errors {
  const errors: Errors = [];
  const { minItems, maxItems } = schema;
  if (maxItems !== undefined && list.length > maxItems) errors.push(tooMany(shown(at), list.length, maxItems));
  if (minItems !== undefined && list.length < minItems) {
    errors.push(refuse(at, list.length, `should have at least ${minItems} items`));
  }
  const items = itemsOf(schema);
  if (items) {
    const correlate = correlation(schema, old);
    list.forEach((item, i) => errors.push(...valueErrors(item, items, path(at, i), correlate(item))));
  }
  return [...errors, ...duplicateErrors(list, schema, at)];
}

/** Finds the element that an element of a list map replaces; lists of other types have no such thing. */
export function correlation(schema: JSONSchemaProps, old: unknown): (item: unknown) => unknown {
  const keys = schema["x-kubernetes-list-map-keys"];
  if (schema["x-kubernetes-list-type"] !== "map" || !keys || !Array.isArray(old)) return () => undefined;
  const known = new Map(old.map((item) => [keyText(item, keys), item]));
  return (item) => known.get(keyText(item, keys));
}

const keyText = (item: unknown, keys: readonly string[]) =>
  JSON.stringify(keys.map((key) => (isObject(item) ? (item[key] ?? null) : null)));

/** Canonical text, the same for equal values. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value).toSorted();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join()}}`;
}

function duplicateErrors(list: readonly unknown[], schema: JSONSchemaProps, at: string): Errors {
  const listType = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  if (listType !== "set" && listType !== "map") return [];
  const seen = new Set<string>();
  return list.flatMap((item, i) => {
    const text = listType === "set" ? canonical(item) : keyText(item, keys);
    if (!seen.has(text)) {
      seen.add(text);
      return [];
    }
    const present = keys.filter((key) => isObject(item) && item[key] !== undefined);
    const value = listType === "set" ? item : Object.fromEntries(present.map((key) => [key, (item as Json)[key]]));
    return [duplicate(path(at, i), value)];
  });
}

function objectErrors(
  object: Json,
  schema: JSONSchemaProps,
  at: string,
  old: Json | undefined,
  isRoot: boolean,
): Errors {
  const errors: Errors = [];
  const count = Object.keys(object).length;
  const { minProperties, maxProperties } = schema;
  if (maxProperties !== undefined && count > maxProperties) errors.push(tooMany(shown(at), count, maxProperties));
  if (minProperties !== undefined && count < minProperties) {
    errors.push(refuse(at, count, `should have at least ${minProperties} properties`));
  }
  for (const name of schema.required ?? []) {
    if (object[name] === undefined) errors.push(required(path(at, name)));
  }
  if (schema["x-kubernetes-embedded-resource"] && !isRoot) errors.push(...embeddedErrors(object, at));
  for (const name of Object.keys(object)) {
    const member = memberOf(schema, name);
    if (!member || (isRoot && systemFields.has(name) && name !== "metadata")) continue;
    errors.push(...valueErrors(object[name], member, path(at, name), old?.[name]));
  }
  return errors;
}

/** An object in an object says what it is. */
function embeddedErrors(object: Json, at: string): Errors {
  return ["apiVersion", "kind"].flatMap((name) => {
    const value = object[name];
    return typeof value === "string" && value !== "" ? [] : [required(path(at, name), "must not be empty")];
  });
}

function junctorErrors(value: unknown, schema: JSONSchemaProps, at: string): Errors {
  const errors: Errors = [];
  const say = (what: string) => errors.push(invalidValue(shown(at), "", `${JSON.stringify(at)} ${what}`));
  const results = (schemas: readonly JSONSchemaProps[]) => schemas.map((one) => valueErrors(value, one, at));
  if (schema.allOf) {
    const failed = results(schema.allOf).filter((result) => result.length > 0);
    if (failed.length > 0) {
      errors.push(...failed.flat());
      say("must validate all the schemas (allOf)");
    }
  }
  if (schema.anyOf) {
    const all = results(schema.anyOf);
    if (all.length > 0 && all.every((result) => result.length > 0)) {
      say("must validate at least one schema (anyOf)");
      errors.push(...fewest(all));
    }
  }
  if (schema.oneOf) {
    const all = results(schema.oneOf);
    const valid = all.filter((result) => result.length === 0).length;
    if (all.length > 0 && valid === 0) {
      say("must validate one and only one schema (oneOf). Found none valid");
      errors.push(...fewest(all));
    } else if (valid > 1) say(`must validate one and only one schema (oneOf). Found ${valid} valid alternatives`);
  }
  if (schema.not && valueErrors(value, schema.not, at).length === 0) say("must not validate the schema (not)");
  return errors;
}

const fewest = (results: readonly Errors[]): Errors => results.reduce((a, b) => (b.length < a.length ? b : a));
