// Fills the defaults of a structural schema in, and takes nulls away that the schema does not allow.
// Follows kubernetes v1.36 apiextensions-apiserver/pkg/apiserver/schema/defaulting (algorithm.go, prune.go).
import type { JSONSchemaProps } from "../generated/apiextensions.v1.ts";
import { isObject, itemsOf, memberOf, type Json } from "./schema.ts";

/** The value with defaults in it: itself when nothing was missing. The input is not written to. */
export function withDefaults(value: unknown, schema: JSONSchemaProps): unknown {
  if (Array.isArray(value)) {
    const items = itemsOf(schema);
    if (!items) return value;
    let list: unknown[] | undefined;
    value.forEach((before, i) => {
      const after = before === null ? filled(before, items) : withDefaults(before, items);
      if (after === undefined || after === before) return;
      list ??= [...value];
      list[i] = after;
    });
    return list ?? value;
  }
  return isObject(value) ? objectWithDefaults(value, schema) : value;
}

function objectWithDefaults(object: Json, schema: JSONSchemaProps): Json {
  let out: Json | undefined;
  const set = (name: string, after: unknown) => {
    if (after === object[name]) return;
    out ??= { ...object };
    if (after === undefined) delete out[name];
    else out[name] = after;
  };
  for (const name in schema.properties) {
    if (object[name] === undefined) set(name, filled(undefined, schema.properties[name]!));
  }
  for (const name of Object.keys(object)) {
    const member = memberOf(schema, name);
    if (member) set(name, object[name] === null ? filled(null, member) : withDefaults(object[name], member));
  }
  return out ?? object;
}

/** What stands in place of something absent or null: the default, an allowed null, or nothing. */
function filled(value: null | undefined, schema: JSONSchemaProps): unknown {
  if (value === null && (schema.nullable || untyped(schema))) return null;
  return schema.default === undefined ? undefined : withDefaults(structuredClone(schema.default), schema);
}

/** Nothing is said about the value, so that null is as good as any. */
const untyped = (schema: JSONSchemaProps) => !schema.type && !schema["x-kubernetes-int-or-string"];
