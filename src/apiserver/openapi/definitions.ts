// JSON schemas of all types, from the facts table: what OpenAPI v2 and v3 share. Descriptions are given, or else made from
// the names.
import { apiVersionOf } from "../../kinds/kind.ts";
import { schemaOf, type FieldFacts } from "../../kinds/schema.ts";
import { inTurns } from "../../machinery/turn.ts";
import { fieldDescription, type Descriptions } from "./descriptions.ts";

export type Schema = Record<string, unknown>;

/** How the two OpenAPI versions differ in a schema. */
export interface Flavor {
  readonly version: 2 | 3;
  /** `#/definitions/` or `#/components/schemas/`. */
  readonly prefix: string;
}

export const v2: Flavor = { version: 2, prefix: "#/definitions/" };
export const v3: Flavor = { version: 3, prefix: "#/components/schemas/" };

const meta = "io.k8s.apimachinery.pkg.apis.meta.v1";
const modules: Readonly<Record<string, string>> = {
  "meta.v1": meta,
  "pkg.version": "io.k8s.apimachinery.pkg.version",
  "apiextensions.v1": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
  "apiregistration.v1": "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1",
};

/** `core.v1.Pod` → `io.k8s.api.core.v1.Pod`, the name that clients know. */
export function definitionName(typeName: string): string {
  const dot = typeName.lastIndexOf(".");
  const module = typeName.slice(0, dot);
  return `${modules[module] ?? `io.k8s.api.${module}`}${typeName.slice(dot)}`;
}

/** Scalars that are definitions of their own. */
const scalarDefinitions: Readonly<Record<string, { name: string; schema: (flavor: Flavor) => Schema }>> = {
  quantity: {
    name: "io.k8s.apimachinery.pkg.api.resource.Quantity",
    schema: ({ version }) => (version === 2 ? { type: "string" } : { oneOf: [{ type: "string" }, { type: "number" }] }),
  },
  intOrString: {
    name: "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    schema: ({ version }) =>
      version === 2
        ? { type: "string", format: "int-or-string" }
        : { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] },
  },
  time: { name: `${meta}.Time`, schema: () => ({ type: "string", format: "date-time" }) },
  microTime: { name: `${meta}.MicroTime`, schema: () => ({ type: "string", format: "date-time" }) },
};

/** Words of a camel-case name: `podIPs` → `pod IPs`. */
export function wordsOf(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/([A-Z])([A-Z][a-z])/g, "$1 $2");
  return words
    .split(" ")
    .map((word) => (/^[A-Z][a-z]/.test(word) ? word.toLowerCase() : word))
    .join(" ");
}

function titleOf(name: string): string {
  const words = wordsOf(name);
  return `${words[0]!.toUpperCase()}${words.slice(1)}`;
}

const sentence = (name: string, facts: FieldFacts): string => {
  const text = `${titleOf(name)}.`;
  return facts.listMapKeys ? `${text} Items are told apart by ${facts.listMapKeys.join(" and ")}.` : text;
};

const extensions: readonly [keyof FieldFacts, string][] = [
  ["listType", "x-kubernetes-list-type"],
  ["listMapKeys", "x-kubernetes-list-map-keys"],
  ["mapType", "x-kubernetes-map-type"],
  ["patchMergeKey", "x-kubernetes-patch-merge-key"],
];

function fieldSchema(facts: FieldFacts, flavor: Flavor): Schema {
  const out: Schema = {};
  const refer = (name: string) => ({ $ref: `${flavor.prefix}${name}` });
  if (facts.type === "ref") Object.assign(out, refer(definitionName(facts.ref!)));
  else if (scalarDefinitions[facts.type]) Object.assign(out, refer(scalarDefinitions[facts.type]!.name));
  else if (facts.type === "array") Object.assign(out, { type: "array", items: fieldSchema(facts.items!, flavor) });
  else if (facts.type === "map") {
    Object.assign(out, { type: "object", additionalProperties: fieldSchema(facts.items!, flavor) });
  } else if (facts.type === "bytes") Object.assign(out, { type: "string", format: "byte" });
  else if (facts.type === "any") Object.assign(out, facts.untyped ? {} : { type: "object" });
  else Object.assign(out, { type: facts.type, ...(facts.format ? { format: facts.format } : {}) });
  for (const [fact, extension] of extensions) if (facts[fact] !== undefined) out[extension] = facts[fact];
  if (facts.patchStrategy) out["x-kubernetes-patch-strategy"] = facts.patchStrategy.join(",");
  return out;
}

/** OpenAPI 3.0 ignores what stands beside a $ref, so that goes into an allOf. */
export function described(schema: Schema, description: string, flavor: Flavor): Schema {
  const { $ref, ...rest } = schema;
  if ($ref === undefined || flavor.version === 2) return { description, ...schema };
  return { description, allOf: [{ $ref }], ...rest };
}

/** The definition of one type of the facts table; undefined when there is no such type. */
function definitionOf(typeName: string, flavor: Flavor, descriptions?: Descriptions): Schema | undefined {
  const scalar = scalarDefinitions[typeName];
  if (scalar) return scalar.schema(flavor);
  const facts = schemaOf(typeName);
  if (!facts) return undefined;
  const told = descriptions?.get(typeName);
  const properties: Record<string, Schema> = {};
  const required: string[] = [];
  for (const [field, fieldFacts] of Object.entries(facts.fields)) {
    const description = fieldDescription(told, field) ?? sentence(field, fieldFacts);
    properties[field] = described(fieldSchema(fieldFacts, flavor), description, flavor);
    if (fieldFacts.required) required.push(field);
  }
  const short = typeName.slice(typeName.lastIndexOf(".") + 1);
  return {
    description: told?.type ?? (facts.gvk ? `${titleOf(short)} of ${apiVersionOf(facts.gvk)}.` : `${titleOf(short)}.`),
    type: "object",
    ...(Object.keys(properties).length > 0 ? { properties } : {}),
    ...(required.length > 0 ? { required } : {}),
    ...(facts.mapType ? { "x-kubernetes-map-type": facts.mapType } : {}),
    ...(facts.gvk ? { "x-kubernetes-group-version-kind": [facts.gvk] } : {}),
  };
}

/** The type that a field, or the elements of it, are of, when that is a definition of its own. */
function referenceOf(facts: FieldFacts): string | undefined {
  if (facts.type === "ref") return facts.ref;
  if (scalarDefinitions[facts.type]) return facts.type;
  return facts.items && referenceOf(facts.items);
}

/** Names of some types and of everything that they refer to, at any depth. */
export function typesFrom(roots: Iterable<string>): string[] {
  const queue = [...roots];
  const visited = new Set<string>();
  for (let typeName = queue.pop(); typeName !== undefined; typeName = queue.pop()) {
    if (visited.has(typeName)) continue;
    visited.add(typeName);
    const references = Object.values(schemaOf(typeName)?.fields ?? {}).map(referenceOf);
    queue.push(...references.filter((reference) => reference !== undefined));
  }
  return [...visited];
}

/** The definitions of some types and of everything that they refer to, by name. */
export async function closureOf(
  roots: Iterable<string>,
  flavor: Flavor,
  descriptions?: Descriptions,
): Promise<Record<string, Schema>> {
  const found = await inTurns(typesFrom(roots), (typeName): [string, Schema][] => {
    const schema = definitionOf(typeName, flavor, descriptions);
    return schema ? [[scalarDefinitions[typeName]?.name ?? definitionName(typeName), schema]] : [];
  });
  return Object.fromEntries(found.flat().toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
