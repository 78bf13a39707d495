// Takes away what a structural schema does not declare.
// Follows kubernetes v1.36 apiextensions-apiserver/pkg/apiserver/schema/pruning/algorithm.go (outcomes).
import type { JSONSchemaProps } from "../generated/apiextensions.v1.ts";
import { decodeObject } from "../schema.ts";
import { isObject, itemsOf, preservesUnknown, propertyOf, systemFields, valuesOf, type Json } from "./schema.ts";

export interface Pruned {
  /** The value itself when nothing had to go. */
  readonly value: unknown;
  /** Paths of what went, for example `spec.colour`. */
  readonly unknownFields: readonly string[];
  /** What is wrong with the metadata of embedded objects. */
  readonly errors: readonly string[];
}

interface Walk {
  readonly unknownFields: string[];
  readonly errors: string[];
}

/** Prunes a whole object; its own apiVersion, kind and metadata stay. The input is not written to. */
export function pruneObject(object: unknown, schema: JSONSchemaProps): Pruned {
  const walk: Walk = { unknownFields: [], errors: [] };
  const value = isObject(object) ? pruneMembers(object, schema, "", walk, "root") : object;
  return { value, ...walk };
}

const below = (at: string, name: string) => (at ? `${at}.${name}` : name);

function pruneValue(value: unknown, schema: JSONSchemaProps, at: string, walk: Walk): unknown {
  if (Array.isArray(value)) return pruneList(value, itemsOf(schema), schema, at, walk);
  if (!isObject(value)) return value;
  return pruneMembers(value, schema, at, walk, schema["x-kubernetes-embedded-resource"] ? "embedded" : "plain");
}

function pruneList(
  list: readonly unknown[],
  items: JSONSchemaProps | undefined,
  schema: JSONSchemaProps,
  at: string,
  walk: Walk,
): unknown {
  if (!items && preservesUnknown(schema)) return list;
  let out: unknown[] | undefined;
  list.forEach((before, i) => {
    const after = pruneValue(before, items ?? {}, `${at}[${i}]`, walk);
    if (after === before) return;
    out ??= [...list];
    out[i] = after;
  });
  return out ?? list;
}

function pruneMembers(
  object: Json,
  schema: JSONSchemaProps,
  at: string,
  walk: Walk,
  place: "root" | "embedded" | "plain",
): Json {
  const keepsUnknown = preservesUnknown(schema);
  const values = valuesOf(schema) ?? (schema.additionalProperties === true ? {} : undefined);
  let out: Json | undefined;
  for (const name of Object.keys(object)) {
    const before = object[name];
    let after: unknown;
    if (place !== "plain" && systemFields.has(name)) {
      after = place === "embedded" && name === "metadata" ? embeddedMetadata(before, below(at, name), walk) : before;
    } else {
      const declared = propertyOf(schema, name) ?? values;
      if (declared) after = pruneValue(before, declared, below(at, name), walk);
      else if (keepsUnknown) after = before;
      else walk.unknownFields.push(below(at, name));
    }
    if (after === before && after !== undefined) continue;
    out ??= { ...object };
    if (after === undefined) delete out[name];
    else out[name] = after;
  }
  return out ?? object;
}

function embeddedMetadata(metadata: unknown, at: string, walk: Walk): unknown {
  const { object, errors, unknownFields } = decodeObject(metadata, "meta.v1.ObjectMeta", { unknown: "collect" });
  walk.errors.push(...errors.map((error) => `${at}: ${error}`));
  walk.unknownFields.push(...unknownFields.map((field) => `${at}.${field}`));
  return object;
}
