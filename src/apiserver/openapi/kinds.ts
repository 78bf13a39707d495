// The schema of a kind for OpenAPI: from the facts table, or from its CustomResourceDefinition.
import { apiVersionOf } from "../../kinds/kind.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { schemaOf } from "../../kinds/schema.ts";
import type { Store } from "../../store/store.ts";
import { definitionName, described, type Flavor, type Schema } from "./definitions.ts";
import { fieldDescription, type Descriptions } from "./descriptions.ts";

const objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

export const isBuiltIn = (kind: AnyKind): boolean => schemaOf(kind.schema) !== undefined;

/** `stable.example.com/v1 CronTab` → `com.example.stable.v1.CronTab`; built-in kinds have their own names. */
export function kindDefinitionName(kind: AnyKind): string {
  if (isBuiltIn(kind)) return definitionName(kind.schema);
  return `${kind.group.split(".").toReversed().join(".")}.${kind.version}.${kind.kind}`;
}

/** Types of the facts table that the documents of a kind start from. */
export const rootsOf = (kind: AnyKind): string[] =>
  isBuiltIn(kind)
    ? [kind.schema, ...(schemaOf(`${kind.schema}List`) ? [`${kind.schema}List`] : [])]
    : ["meta.v1.ObjectMeta", "meta.v1.ListMeta"];

interface StoredDefinition {
  readonly spec?: {
    readonly preserveUnknownFields?: boolean;
    readonly versions?: readonly { readonly name: string; readonly schema?: { readonly openAPIV3Schema?: Schema } }[];
  };
}

/** Definitions of a kind that is not built in, by name: the object and its list. Empty for built-in kinds. */
export function customDefinitions(
  kind: AnyKind,
  store: Pick<Store, "get">,
  flavor: Flavor,
  descriptions?: Descriptions,
): Record<string, Schema> {
  if (isBuiltIn(kind)) return {};
  const key = {
    collection: "apiextensions.k8s.io/customresourcedefinitions",
    namespace: "",
    name: `${kind.plural}.${kind.group}`,
  };
  const definition = store.get(key)?.object as StoredDefinition | undefined;
  const declared = definition?.spec?.versions?.find(({ name }) => name === kind.version)?.schema?.openAPIV3Schema ?? {};
  const isOpen = definition?.spec?.preserveUnknownFields || declared["x-kubernetes-preserve-unknown-fields"] === true;
  const structural = flavor.version === 3 ? declared : (withoutV3Parts(declared) as Schema);
  const name = kindDefinitionName(kind);
  const gvk = { group: kind.group, version: kind.version, kind: kind.kind };
  // Every type says the same of these two fields.
  const told = descriptions?.get("meta.v1.Status");
  const text = (field: string, value: string) => fieldDescription(told, field) ?? `Always ${value}.`;
  const common = {
    apiVersion: { type: "string", description: text("apiVersion", apiVersionOf(kind)) },
    kind: { type: "string", description: text("kind", kind.kind) },
  };
  const reference = (target: string) => ({ $ref: `${flavor.prefix}${target}` });
  // Clients of v2 refuse fields beyond those named, so an object that may have any names none.
  const contents =
    isOpen && flavor.version === 2
      ? {}
      : {
          ...structural,
          properties: {
            ...(structural.properties as Schema | undefined),
            ...common,
            metadata: described(reference(objectMeta), "Standard object's metadata.", flavor),
          },
        };
  return {
    [name]: { ...contents, type: "object", "x-kubernetes-group-version-kind": [gvk] },
    [`${name}List`]: {
      description: `List of ${kind.plural}.`,
      type: "object",
      required: ["items"],
      properties: {
        ...common,
        items: { type: "array", items: reference(name) },
        metadata: reference("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"),
      },
      "x-kubernetes-group-version-kind": [{ ...gvk, kind: `${kind.kind}List` }],
    },
  };
}

const v3Only = new Set(["oneOf", "anyOf", "not", "nullable", "allOf"]);

/** Clients of v2 take what these name for all that there may be. */
const narrowing = new Set(["properties", "items"]);

/** OpenAPI v2 lacks some keywords; a schema is wider without them, never narrower. */
function withoutV3Parts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutV3Parts);
  if (value === null || typeof value !== "object") return value;
  const record = value as Schema;
  const allowsMore = record["x-kubernetes-preserve-unknown-fields"] === true || record.nullable === true;
  const isOpen = allowsMore || record["x-kubernetes-int-or-string"] === true;
  const entries = Object.entries(record).filter(
    ([key]) => !v3Only.has(key) && !(isOpen && key === "type") && !(allowsMore && narrowing.has(key)),
  );
  return Object.fromEntries(
    entries.map(([key, inner]) => {
      // Names of properties are data, not keywords.
      if (key !== "properties" || inner === null || typeof inner !== "object") return [key, withoutV3Parts(inner)];
      const properties = Object.entries(inner as Schema).map(([name, schema]) => [name, withoutV3Parts(schema)]);
      return [key, Object.fromEntries(properties)];
    }),
  );
}
