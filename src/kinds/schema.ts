// The facts table of all API types, and the decoding of JSON values by it: unknown fields go, values take their
// canonical form, wrong types are reported. Follows kubernetes v1.36 apimachinery/pkg/runtime/serializer/json (outcomes).
import { readFileSync } from "node:fs";
import { formatTime } from "../machinery/clock.ts";
import { canonicalQuantity } from "../machinery/quantity.ts";

export type FieldType =
  | "any"
  | "array"
  | "boolean"
  | "bytes"
  | "integer"
  | "intOrString"
  | "map"
  | "microTime"
  | "number"
  | "quantity"
  | "ref"
  | "string"
  | "time";

/** What is known about one field, or about the elements of a list or map. */
export interface FieldFacts {
  readonly type: FieldType;
  /** `int32`, `int64` or `double`. */
  readonly format?: string;
  /** Elements of an array, values of a map. */
  readonly items?: FieldFacts;
  /** Name of the type of a "ref". */
  readonly ref?: string;
  readonly required?: boolean;
  /** Of "any": any JSON value, not only an object. */
  readonly untyped?: boolean;
  readonly listType?: "atomic" | "map" | "set";
  readonly listMapKeys?: readonly string[];
  readonly mapType?: "atomic" | "granular";
  readonly patchMergeKey?: string;
  readonly patchStrategy?: readonly string[];
  /** Protobuf field number and type. */
  readonly number?: number;
  readonly wire?: string;
}

export interface TypeFacts {
  readonly fields: Readonly<Record<string, FieldFacts>>;
  readonly mapType?: "atomic" | "granular";
  readonly gvk?: { readonly group: string; readonly version: string; readonly kind: string };
}

let table: Readonly<Record<string, TypeFacts>> | undefined;

/** The whole table, type name (`core.v1.Pod`) to facts; read once, when first asked for. */
export function schemaTable(): Readonly<Record<string, TypeFacts>> {
  table ??= JSON.parse(readFileSync(new URL("generated/schema.json", import.meta.url), "utf8")) as Record<
    string,
    TypeFacts
  >;
  return table;
}

/** Facts of a type such as `core.v1.Pod`; undefined when there is no such type. */
export function schemaOf(typeName: string): TypeFacts | undefined {
  const types = schemaTable();
  return Object.hasOwn(types, typeName) ? types[typeName] : undefined;
}

/** Facts of a field of a type, undefined when the type has no such field. */
export function fieldOf(type: TypeFacts, field: string): FieldFacts | undefined {
  return Object.hasOwn(type.fields, field) ? type.fields[field] : undefined;
}

export interface Decoded {
  /** The value without unknown fields and nulls, in canonical form; the input itself when nothing had to change. */
  readonly object: unknown;
  /** What does not fit its type, as a Go client would word it; not empty means the request is bad. */
  readonly errors: readonly string[];
  /** Paths of fields that the type does not have, for example `spec.containers[0].imagge`; empty unless collected. */
  readonly unknownFields: readonly string[];
}

/**
 * Checks and normalises a JSON value against a type. The input is not written to. Parts that `known`, an object decoded
 * before, has at the same place are left alone. Throws when the type is unknown.
 */
export function decodeObject(
  value: unknown,
  typeName: string,
  { unknown, known }: { readonly unknown: "ignore" | "collect"; readonly known?: unknown },
): Decoded {
  const facts = schemaOf(typeName);
  if (!facts) throw new Error(`no type ${typeName} in the schema`);
  const walk: Walk = { path: [], structs: [], errors: [], unknownFields: [], collect: unknown === "collect" };
  const object = decodeStruct(value, typeName, facts, walk, known);
  return { object, errors: walk.errors, unknownFields: walk.unknownFields };
}

interface Walk {
  /** Field names, map keys (each after `keyFollows`) and list indexes from the root to here. */
  readonly path: (string | number)[];
  readonly structs: string[];
  readonly errors: string[];
  readonly unknownFields: string[];
  readonly collect: boolean;
}

const keyFollows = -1;

type JsonObject = Record<string, unknown>;

const shortName = (typeName: string) => typeName.slice(typeName.lastIndexOf(".") + 1);

function goType(facts: FieldFacts): string {
  switch (facts.type) {
    case "array":
      return `[]${goType(facts.items!)}`;
    case "map":
      return `map[string]${goType(facts.items!)}`;
    case "ref":
      return facts.ref!.split(".").slice(-2).join(".");
    case "boolean":
      return "bool";
    case "integer":
      return facts.format ?? "int64";
    case "number":
      return "float64";
    case "bytes":
      return "[]uint8";
    default:
      return facts.type;
  }
}

const jsonType = (value: unknown): string =>
  Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value;

function mismatch(walk: Walk, found: string, expected: string): void {
  const fields = walk.path.filter((step, i) => typeof step === "string" && walk.path[i - 1] !== keyFollows);
  const where = fields.length
    ? `struct field ${shortName(walk.structs.at(-1)!)}.${fields.join(".")} of type ${expected}`
    : `value of type ${expected}`;
  walk.errors.push(`json: cannot unmarshal ${found} into Go ${where}`);
}

function wrongType(walk: Walk, value: unknown, facts: FieldFacts): undefined {
  const shown = typeof value === "number" && facts.type === "integer" ? `number ${value}` : jsonType(value);
  mismatch(walk, shown, goType(facts));
  return undefined;
}

function refuse(walk: Walk, message: string): undefined {
  walk.errors.push(`${pathText(walk)}: ${message}`);
  return undefined;
}

function pathText(walk: Walk, last?: string): string {
  let out = "";
  for (const step of last === undefined ? walk.path : [...walk.path, last]) {
    if (step === keyFollows) continue;
    if (typeof step === "number") out += `[${step}]`;
    else out += out ? `.${step}` : step;
  }
  return out;
}

const isEmpty = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.length === 0;
  for (const _ in value as object) return false;
  return true;
};

/** Go leaves these out when it writes an object again: absent and empty are one for optional lists and maps. */
function isOmitted(value: unknown, facts: FieldFacts, inMetadata: boolean): boolean {
  if (value === null || value === undefined) return true;
  if (facts.type === "array" || facts.type === "map") {
    return !facts.required && typeof value === "object" && isEmpty(value);
  }
  return inMetadata && value === "";
}

const noParts: JsonObject = {};

const partsOf = (known: unknown): JsonObject =>
  typeof known === "object" && known !== null ? (known as JsonObject) : noParts;

/** Strings, booleans and numbers, as most values are: `typeof` calls them as the table does. */
const isAsDeclared = (value: unknown, { type }: FieldFacts): boolean => typeof value === type;

function decodeStruct(value: unknown, typeName: string, type: TypeFacts, walk: Walk, known: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    mismatch(walk, value === null ? "null" : jsonType(value), typeName.split(".").slice(-2).join("."));
    return undefined;
  }
  const input = value as JsonObject;
  const before = partsOf(known);
  const inMetadata = typeName === "meta.v1.ObjectMeta";
  let out: JsonObject | undefined;
  walk.structs.push(typeName);
  for (const key in input) {
    const part = input[key];
    if (typeof part === "object" && part !== null && part === before[key]) continue;
    const facts = fieldOf(type, key);
    if (!facts) {
      if (walk.collect) walk.unknownFields.push(pathText(walk, key));
      out ??= { ...input };
      delete out[key];
      continue;
    }
    if (isAsDeclared(part, facts) && (part !== "" || !inMetadata)) continue;
    walk.path.push(key);
    const after = isOmitted(part, facts, inMetadata) ? undefined : decodeValue(part, facts, walk, before[key]);
    walk.path.pop();
    if (after === part && after !== undefined) continue;
    out ??= { ...input };
    if (after === undefined || isOmitted(after, facts, inMetadata)) delete out[key];
    else out[key] = after;
  }
  walk.structs.pop();
  return out ?? value;
}

function decodeValue(value: unknown, facts: FieldFacts, walk: Walk, known: unknown): unknown {
  switch (facts.type) {
    case "ref":
      return decodeStruct(value, facts.ref!, schemaTable()[facts.ref!]!, walk, known);
    case "array":
      return Array.isArray(value) ? decodeArray(value, facts.items!, walk, known) : wrongType(walk, value, facts);
    case "map":
      return typeof value === "object" && !Array.isArray(value)
        ? decodeMap(value as JsonObject, facts.items!, walk, known)
        : wrongType(walk, value, facts);
    default:
      return decodeScalar(value, facts, walk);
  }
}

/** What Go makes of a null list element or map value. */
function zeroOf(facts: FieldFacts): unknown {
  switch (facts.type) {
    case "array":
      return [];
    case "map":
    case "ref":
      return {};
    case "boolean":
      return false;
    case "integer":
    case "intOrString":
    case "number":
      return 0;
    case "quantity":
      return "0";
    case "any":
      return null;
    default:
      return "";
  }
}

function decodeArray(value: readonly unknown[], items: FieldFacts, walk: Walk, known: unknown): unknown {
  const parts = Array.isArray(known) ? known : [];
  let out: unknown[] | undefined;
  for (let i = 0; i < value.length; i++) {
    const before = value[i];
    if (typeof before === "object" && before !== null && before === parts[i]) continue;
    if (isAsDeclared(before, items)) continue;
    walk.path.push(i);
    const after = before === null ? zeroOf(items) : decodeValue(before, items, walk, parts[i]);
    walk.path.pop();
    if (after === before) continue;
    out ??= [...value];
    out[i] = after;
  }
  return out ?? value;
}

function decodeMap(value: JsonObject, items: FieldFacts, walk: Walk, known: unknown): unknown {
  const parts = partsOf(known);
  let out: JsonObject | undefined;
  for (const key in value) {
    const before = value[key];
    if (key === "__proto__") {
      refuse(walk, "the key __proto__ is not supported");
      continue;
    }
    if (isAsDeclared(before, items)) continue;
    walk.path.push(keyFollows, key);
    const after = before === null ? zeroOf(items) : decodeValue(before, items, walk, parts[key]);
    walk.path.length -= 2;
    if (after === before) continue;
    out ??= { ...value };
    out[key] = after;
  }
  return out ?? value;
}

const base64Text = /^[A-Za-z0-9+/]*={0,2}$/;
const isBase64 = (text: string) => text.length % 4 === 0 && base64Text.test(text);
const seconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const microseconds = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

function decodeScalar(value: unknown, facts: FieldFacts, walk: Walk): unknown {
  switch (facts.type) {
    case "string":
      return typeof value === "string" ? value : wrongType(walk, value, facts);
    case "boolean":
      return typeof value === "boolean" ? value : wrongType(walk, value, facts);
    case "number":
      return typeof value === "number" ? value : wrongType(walk, value, facts);
    case "integer":
      if (!isInteger(value, facts.format)) return wrongType(walk, value, facts);
      return Number.isSafeInteger(value) ? value : refuse(walk, inexactInteger);
    case "intOrString":
      return typeof value === "string" || isInteger(value, "int32")
        ? value
        : wrongType(walk, value, { type: "integer", format: "int32" });
    case "quantity":
      return decodeQuantity(value, walk);
    case "bytes":
      return decodeBytes(value, facts, walk);
    case "time":
    case "microTime":
      return decodeTime(value, facts, walk);
    default:
      return value;
  }
}

/** What is wrong with integers that JSON parsing has changed. */
export const inexactInteger = `an integer must be within ±${Number.MAX_SAFE_INTEGER}`;

function isInteger(value: unknown, format: string | undefined): boolean {
  if (!Number.isInteger(value)) return false;
  const limit = format === "int32" ? 2 ** 31 : 2 ** 63;
  return (value as number) >= -limit && (value as number) < limit;
}

function decodeQuantity(value: unknown, walk: Walk): unknown {
  if (typeof value !== "string" && typeof value !== "number") return wrongType(walk, value, { type: "quantity" });
  try {
    return canonicalQuantity(String(value));
  } catch (error) {
    return refuse(walk, (error as Error).message);
  }
}

function decodeBytes(value: unknown, facts: FieldFacts, walk: Walk): unknown {
  if (typeof value !== "string") return wrongType(walk, value, facts);
  if (isBase64(value)) return value;
  const unwrapped = value.replaceAll(/[\r\n]/g, "");
  return isBase64(unwrapped) ? unwrapped : refuse(walk, "illegal base64 data");
}

function decodeTime(value: unknown, facts: FieldFacts, walk: Walk): unknown {
  if (typeof value !== "string") return wrongType(walk, value, facts);
  const micro = facts.type === "microTime";
  const match = rfc3339.exec(value);
  const at = match ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) return refuse(walk, `parsing time ${JSON.stringify(value)}: it must be RFC 3339`);
  if ((micro ? microseconds : seconds).test(value)) return value;
  const fraction = (match![1] ?? ".").padEnd(7, "0").slice(0, 7);
  return micro ? `${formatTime(at).slice(0, 19)}${fraction}Z` : formatTime(at);
}
