// The schema table as strategic merge patch sees it.
import type { PatchField, PatchSchema } from "../machinery/patch/strategic.ts";
import { type FieldFacts, fieldOf, schemaOf } from "./schema.ts";

const known = new Map<string, PatchSchema>();

/** Merge keys and strategies of a type such as `core.v1.Pod`; undefined when the table has no such type. */
export function patchSchemaOf(typeName: string): PatchSchema | undefined {
  let schema = known.get(typeName);
  if (schema) return schema;
  const type = schemaOf(typeName);
  if (!type) return undefined;
  const fields = new Map<string, PatchField | undefined>();
  schema = {
    field(name) {
      if (!fields.has(name)) {
        const facts = fieldOf(type, name);
        if (!facts) return undefined;
        fields.set(name, patchField(facts));
      }
      return fields.get(name);
    },
  };
  known.set(typeName, schema);
  return schema;
}

function patchField(facts: FieldFacts): PatchField {
  return {
    ...(facts.patchMergeKey ? { patchMergeKey: facts.patchMergeKey } : {}),
    ...(facts.patchStrategy ? { patchStrategy: facts.patchStrategy } : {}),
    ...(facts.type === "array" ? optional("items", facts.items && objectSchema(facts.items)) : {}),
    ...optional("object", objectSchema(facts)),
  };
}

const optional = (key: "items" | "object", schema: PatchSchema | undefined) => (schema ? { [key]: schema } : {});

function objectSchema(facts: FieldFacts): PatchSchema | undefined {
  if (facts.type === "ref") return patchSchemaOf(facts.ref!);
  if (facts.type !== "map") return undefined;
  const value = patchField(facts.items!);
  return { field: () => value };
}
