// The CEL types of OpenAPI schemas, with the bounds that cost estimates need.
// Follows kubernetes v1.36 apiserver/pkg/cel (escaping.go) and common/schemas.go (types and sizes of schema nodes).
import { listOf, mapOf, structOf, types, type Field, type Type } from "./type.ts";

/** As much of an OpenAPI schema as types need. */
export interface CelSchema {
  readonly type?: string;
  readonly format?: string;
  readonly nullable?: boolean;
  readonly properties?: Readonly<Record<string, CelSchema>>;
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly additionalProperties?: any;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly items?: any;
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-embedded-resource"?: boolean;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
  readonly "x-kubernetes-list-type"?: string;
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
}

/** Bytes of the largest object that a client can send. */
const maxRequest = 3 * 1024 * 1024;

const keywords = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while".split(
    " ",
  ),
);

/** A field name as rules write it; undefined when they cannot. */
export function escapedName(name: string): string | undefined {
  if (keywords.has(name)) return `__${name}__`;
  const escaped = name
    .replaceAll("__", "__underscores__")
    .replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__")
    .replaceAll("/", "__slash__");
  return /^[A-Za-z_]\w*$/.test(escaped) ? escaped : undefined;
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

/** The type of a schema. `path` names objects in messages; the root and embedded resources have the fields of every object. */
export function schemaType(schema: CelSchema, path: string, isRoot = false): Type {
  const type = exactType(schema, path, isRoot);
  return schema.nullable ? { ...type, nullable: true } : type;
}

function exactType(schema: CelSchema, path: string, isRoot: boolean): Type {
  if (schema["x-kubernetes-int-or-string"]) return { ...types.dyn, max: (schema.maxLength ?? maxRequest / 4) * 4 };
  switch (schema.type) {
    case "integer":
      return types.int;
    case "number":
      return types.double;
    case "boolean":
      return types.bool;
    case "string":
      return stringType(schema);
    case "array":
      return arrayType(schema, path);
    case "object":
      return objectType(schema, path, isRoot);
    default:
      return types.dyn;
  }
}

function arrayType(schema: CelSchema, path: string): Type {
  const items = (schema.items ?? {}) as CelSchema;
  const keys = schema["x-kubernetes-list-map-keys"];
  const listType = schema["x-kubernetes-list-type"];
  return {
    ...listOf(schemaType(items, `${path}.items`)),
    max: schema.maxItems ?? mostElements(items),
    ...(listType === "set" ? { setKeys: "set" as const } : listType === "map" && keys ? { setKeys: keys } : {}),
  };
}

/** How many of them a request can hold. */
const mostElements = (items: CelSchema) => Math.floor((maxRequest - 2) / (minBytes(items) + 1));
const mostEntries = (values: CelSchema) => Math.floor((maxRequest - 2) / (minBytes(values) + 6));

/** How many values of a schema a request can hold, wherever they are. */
export const mostInRequest = (schema: CelSchema): number => Math.floor(maxRequest / (minBytes(schema) + 1));

/** Bytes of the shortest JSON of the schema. */
function minBytes(schema: CelSchema): number {
  switch (schema.type) {
    case "boolean":
      return 4;
    case "string":
    case "array":
      return 2;
    case "object": {
      const required = (schema.required ?? []).filter((name) => schema.properties?.[name]?.default === undefined);
      return required.reduce((sum, name) => sum + name.length + 4 + minBytes(schema.properties?.[name] ?? {}), 2);
    }
    default:
      return 1;
  }
}

function stringType({ format, maxLength, enum: values }: CelSchema): Type {
  switch (format) {
    case "date":
    case "date-time":
      return types.timestamp;
    case "duration":
      return types.duration;
    case "byte":
      return { ...types.bytes, max: maxLength ?? maxRequest - 2 };
    default: {
      const longest = values && Math.max(...values.map((value) => String(value).length));
      // Each character may take four bytes.
      return { ...types.string, max: maxLength === undefined ? (longest ?? maxRequest - 2) : maxLength * 4 };
    }
  }
}

/** Keys have no bound of their own in a schema; upstream takes them for free. */
const keyType: Type = { ...types.string, max: 0 };

function objectType(schema: CelSchema, path: string, isRoot: boolean): Type {
  const properties =
    isRoot || schema["x-kubernetes-embedded-resource"] ? { ...schema.properties, ...systemFields } : schema.properties;
  if (properties) return structOf(path, fieldsOf(properties, path));
  const values = schema.additionalProperties as CelSchema | boolean | undefined;
  if (typeof values === "object") {
    const elem = schemaType(values, `${path}.additionalProperties`);
    return { ...mapOf(keyType, elem), max: schema.maxProperties ?? mostEntries(values) };
  }
  return schema["x-kubernetes-preserve-unknown-fields"] ? types.dyn : structOf(path, new Map());
}

function fieldsOf(properties: Readonly<Record<string, CelSchema>>, path: string): Map<string, Field> {
  const fields = new Map<string, Field>();
  for (const [name, property] of Object.entries(properties)) {
    const escaped = escapedName(name);
    if (escaped) fields.set(escaped, { type: schemaType(property, `${path}.${name}`), json: name });
  }
  return fields;
}
