// JSON values as CEL sees them through a schema: typed objects, 64-bit integers, times and durations.
// Follows kubernetes v1.36 apiserver/pkg/cel (escaping.go) and common/schemas.go (types of schema nodes).
import type { Environment } from "@marcbachmann/cel-js";
import { celLibrary } from "./library.ts";

/** As much of an OpenAPI schema as types need. */
export interface CelSchema {
  readonly type?: string;
  readonly format?: string;
  readonly nullable?: boolean;
  readonly properties?: Readonly<Record<string, CelSchema>>;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly additionalProperties?: any;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly items?: any;
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-embedded-resource"?: boolean;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
}

/** A type that an environment knows by `name`, and how JSON becomes a value of it. */
export interface CelType {
  readonly name: string;
  readonly from: (value: unknown) => unknown;
}

const keywords = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while".split(
    " ",
  ),
);

/** A field name as rules write it; undefined when they cannot. */
function escapedName(name: string): string | undefined {
  if (keywords.has(name)) return `__${name}__`;
  const escaped = name
    .replaceAll("__", "__underscores__")
    .replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__")
    .replaceAll("/", "__slash__");
  return /^[A-Za-z_]\w*$/.test(escaped) ? escaped : undefined;
}

const anything: CelType = { name: "dyn", from: fromJson };

/** A JSON value of which nothing is known. */
function fromJson(value: unknown): unknown {
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value !== "object" || value === null) return value;
  return new Map(Object.entries(value).map(([key, inner]) => [key, fromJson(inner)]));
}

const objectMeta: CelSchema = {
  type: "object",
  properties: { name: { type: "string" }, generateName: { type: "string" } },
};
const systemFields: Readonly<Record<string, CelSchema>> = {
  apiVersion: { type: "string" },
  kind: { type: "string" },
  metadata: objectMeta,
};

/** Declares the type of a schema and all below it in an environment. `path` names it in messages. */
export function declareType(environment: Environment, schema: CelSchema, path: string, isRoot = false): CelType {
  const type = declareExactly(environment, schema, path, isRoot);
  // A null has a type of its own, so what may be null is checked only when a rule runs.
  return schema.nullable ? { name: "dyn", from: (value) => (value === null ? null : type.from(value)) } : type;
}

function declareExactly(environment: Environment, schema: CelSchema, path: string, isRoot: boolean): CelType {
  if (schema["x-kubernetes-int-or-string"]) return anything;
  switch (schema.type) {
    case "integer":
      return { name: "int", from: (value) => (Number.isInteger(value) ? BigInt(value as number) : value) };
    case "number":
      return { name: "double", from: (value) => value };
    case "boolean":
      return { name: "bool", from: (value) => value };
    case "string":
      return stringType(schema.format);
    case "array": {
      const items = declareType(environment, schema.items ?? {}, `${path}.items`);
      return {
        name: `list<${items.name}>`,
        from: (value) => (Array.isArray(value) ? value.map(items.from) : value),
      };
    }
    case "object":
      return objectType(environment, schema, path, isRoot);
    default:
      return anything;
  }
}

function stringType(format: string | undefined): CelType {
  const { Duration } = celLibrary();
  switch (format) {
    case "date":
    case "date-time":
      return { name: "google.protobuf.Timestamp", from: (value) => new Date(value as string) };
    case "duration":
      return { name: "google.protobuf.Duration", from: (value) => new Duration(...secondsOf(value as string)) };
    case "byte":
      return { name: "bytes", from: (value) => Buffer.from(value as string, "base64") };
    default:
      return { name: "string", from: (value) => value };
  }
}

const unitNanos: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Seconds and nanoseconds of a text such as `-1h30m`. */
function secondsOf(text: string): [bigint, number] {
  let nanos = 0n;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) {
    nanos += BigInt(Math.round(Number(amount) * unitNanos[unit!]!));
  }
  if (text.startsWith("-")) nanos = -nanos;
  return [nanos / 1_000_000_000n, Number(nanos % 1_000_000_000n)];
}

function objectType(environment: Environment, schema: CelSchema, path: string, isRoot: boolean): CelType {
  const properties =
    isRoot || schema["x-kubernetes-embedded-resource"] ? { ...schema.properties, ...systemFields } : schema.properties;
  if (properties) return structType(environment, properties, path);
  const values = schema.additionalProperties as CelSchema | boolean | undefined;
  if (typeof values === "object") {
    const { name, from } = declareType(environment, values, `${path}.additionalProperties`);
    const entries = (value: object) => Object.entries(value).map(([key, inner]) => [key, from(inner)] as const);
    return { name: `map<string, ${name}>`, from: (value) => new Map(entries(value as object)) };
  }
  if (schema["x-kubernetes-preserve-unknown-fields"]) return anything;
  return structType(environment, {}, path);
}

function structType(environment: Environment, properties: Readonly<Record<string, CelSchema>>, path: string): CelType {
  const fields: Record<string, string> = {};
  const members = new Map<string, { readonly escaped: string; readonly from: (value: unknown) => unknown }>();
  for (const [name, property] of Object.entries(properties)) {
    const escaped = escapedName(name);
    if (escaped === undefined) continue;
    const type = declareType(environment, property, `${path}.${name}`);
    fields[escaped] = type.name;
    members.set(name, { escaped, from: type.from });
  }
  class Struct {}
  const name = path.replaceAll(/[^\w.]/g, "_");
  environment.registerType(name, { ctor: Struct, fields });
  environment.registerOperator(`${name} == ${name}`, celEqual);
  return {
    name,
    from(value) {
      if (typeof value !== "object" || value === null) return value;
      const struct: Record<string, unknown> = new Struct() as Record<string, unknown>;
      for (const [key, inner] of Object.entries(value)) {
        const member = members.get(key);
        if (member) struct[member.escaped] = member.from(inner);
      }
      return struct;
    },
  };
}

/** Equality of CEL values of one type. */
export function celEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => celEqual(item, b[i]));
  if (a instanceof Map) {
    return b instanceof Map && a.size === b.size && [...a].every(([key, value]) => celEqual(value, b.get(key)));
  }
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  const own = Object.keys(a);
  if (own.length === 0 && typeof a.valueOf() !== "object") return a.valueOf() === b.valueOf();
  if (own.length !== Object.keys(b).length) return false;
  return own.every((key) => celEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]));
}
