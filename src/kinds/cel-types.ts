// The CEL types of kinds: of built-in ones from the facts table, of others from their schemas.
import { escapedName, schemaType } from "../machinery/cel/schema.ts";
import { listOf, mapOf, structOf, types, type Field, type Type } from "../machinery/cel/type.ts";
import type { AnyKind } from "./registry.ts";
import { schemaOf, type FieldFacts } from "./schema.ts";

/** The type of a kind's objects; undefined when nothing is known of them. */
export function celTypeOf(kind: AnyKind): Type | undefined {
  return kind.custom ? schemaType(kind.custom.schema, "object", true) : structFor(kind.schema);
}

const structs = new Map<string, Type>();

/** Types may contain themselves, so a type is known before its fields are. */
function structFor(name: string): Type | undefined {
  const known = structs.get(name);
  if (known) return known;
  const facts = schemaOf(name);
  if (!facts) return undefined;
  const fields = new Map<string, Field>();
  const type = structOf(name, fields);
  structs.set(name, type);
  for (const [json, field] of Object.entries(facts.fields)) {
    const escaped = escapedName(json);
    if (escaped) fields.set(escaped, { type: fieldType(field), json });
  }
  return type;
}

function fieldType({ type, items, ref }: FieldFacts): Type {
  switch (type) {
    case "array":
      return listOf(fieldType(items!));
    case "map":
      return mapOf(types.string, fieldType(items!));
    case "ref":
      return structFor(ref!) ?? types.dyn;
    case "boolean":
      return types.bool;
    case "bytes":
      return types.bytes;
    case "integer":
      return types.int;
    case "number":
      return types.double;
    case "string":
      return types.string;
    case "time":
    case "microTime":
      return types.timestamp;
    default:
      return types.dyn;
  }
}
