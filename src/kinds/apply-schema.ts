// The schema table, and the schemas of CustomResourceDefinitions, as server-side apply sees them.
import { deducedSchema, leafSchema, type TypedSchema } from "../machinery/apply/typed.ts";
import type { JSONSchemaProps } from "./generated/apiextensions.v1.ts";
import { type FieldFacts, fieldOf, schemaOf } from "./schema.ts";

const known = new Map<string, TypedSchema>();

/** How a type such as `apps.v1.Deployment` is merged and tracked; undefined when the table has no such type. */
export function applySchemaOf(typeName: string): TypedSchema | undefined {
  const made = known.get(typeName);
  if (made) return made;
  const type = schemaOf(typeName);
  if (!type) return undefined;
  const fields = new Map<string, TypedSchema | undefined>();
  const schema: TypedSchema = {
    type: "struct",
    field(name) {
      if (!fields.has(name)) {
        const facts = fieldOf(type, name);
        if (!facts) return undefined;
        fields.set(name, fieldSchema(facts));
      }
      return fields.get(name);
    },
  };
  const result = type.mapType === "atomic" ? leafSchema : schema;
  known.set(typeName, result);
  return result;
}

function fieldSchema(facts: FieldFacts): TypedSchema {
  if (facts.mapType === "atomic") return leafSchema;
  if (facts.type === "ref") return applySchemaOf(facts.ref!) ?? leafSchema;
  if (facts.type === "map") return { type: "map", items: fieldSchema(facts.items!) };
  if (facts.type !== "array") return leafSchema;
  if (facts.listType === "set") return { type: "set" };
  if (facts.listType === "map") return listMap(facts.listMapKeys ?? [], fieldSchema(facts.items!));
  return leafSchema;
}

/** Ports are told apart by protocol too, which is TCP unless said otherwise. */
const listMap = (keys: readonly string[], items: TypedSchema): TypedSchema => ({
  type: "listMap",
  keys: keys.toSorted(),
  ...(keys.includes("protocol") ? { defaults: { protocol: "TCP" } } : {}),
  items,
});

/** How objects with this OpenAPI schema (of a CustomResourceDefinition version) are merged and tracked. */
export function applySchemaOfCustomResource(schema: JSONSchemaProps | undefined): TypedSchema {
  const body = schema ? customSchema(schema) : deducedSchema;
  const metadata = applySchemaOf("meta.v1.ObjectMeta")!;
  return {
    type: "struct",
    field: (name) =>
      name === "metadata" ? metadata : body.type === "struct" ? (body.field(name) ?? deducedSchema) : deducedSchema,
  };
}

type Keyword = "x-kubernetes-list-type" | "x-kubernetes-list-map-keys" | "x-kubernetes-map-type";

function customSchema(schema: JSONSchemaProps): TypedSchema {
  const extension = (keyword: Keyword): unknown => (schema as Record<string, unknown>)[keyword];
  if (schema.type === "array") return customList(schema, extension);
  if (schema.type !== "object" && !schema.properties && !schema.additionalProperties) {
    return (schema as Record<string, unknown>)["x-kubernetes-preserve-unknown-fields"] ? deducedSchema : leafSchema;
  }
  if (extension("x-kubernetes-map-type") === "atomic") return leafSchema;
  if (typeof schema.additionalProperties === "object") {
    return { type: "map", items: customSchema(schema.additionalProperties as JSONSchemaProps) };
  }
  const properties = schema.properties;
  if (!properties) return deducedSchema;
  const made = new Map<string, TypedSchema>();
  return {
    type: "struct",
    field(name) {
      if (!Object.hasOwn(properties, name)) return deducedSchema;
      let below = made.get(name);
      if (!below) made.set(name, (below = customSchema(properties[name]!)));
      return below;
    },
  };
}

function customList(schema: JSONSchemaProps, extension: (keyword: Keyword) => unknown): TypedSchema {
  const listType = extension("x-kubernetes-list-type");
  if (listType === "set") return { type: "set" };
  if (listType !== "map") return leafSchema;
  const items = schema.items as JSONSchemaProps;
  const keys = (extension("x-kubernetes-list-map-keys") ?? []) as string[];
  const defaults = Object.fromEntries(
    keys.flatMap((key) =>
      items.properties?.[key]?.default === undefined ? [] : [[key, items.properties[key].default]],
    ),
  );
  return { type: "listMap", keys: keys.toSorted(), defaults, items: customSchema(items) };
}
