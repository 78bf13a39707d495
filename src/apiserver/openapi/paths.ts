// Paths and operations of the kinds: as much as clients look up (kinds behind a path, parameters that it takes).
import { apiVersionOf, type Verb } from "../../kinds/kind.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { subresourcesOf } from "../http/discovery.ts";
import { bodySchemaOf } from "../protobuf/fields.ts";
import { wordsOf, type Flavor, type Schema } from "./definitions.ts";
import { kindDefinitionName } from "./kinds.ts";

type Parameters = readonly (readonly [name: string, type: "string" | "integer" | "boolean"])[];

const writeQuery: Parameters = [
  ["dryRun", "string"],
  ["fieldManager", "string"],
  ["fieldValidation", "string"],
];
const listQuery: Parameters = [
  ["allowWatchBookmarks", "boolean"],
  ["continue", "string"],
  ["fieldSelector", "string"],
  ["labelSelector", "string"],
  ["limit", "integer"],
  ["resourceVersion", "string"],
  ["resourceVersionMatch", "string"],
  ["sendInitialEvents", "boolean"],
  ["timeoutSeconds", "integer"],
  ["watch", "boolean"],
];
const deleteQuery: Parameters = [
  ["dryRun", "string"],
  ["gracePeriodSeconds", "integer"],
  ["orphanDependents", "boolean"],
  ["propagationPolicy", "string"],
];

interface Operation {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  readonly action: string;
  readonly query: Parameters;
  readonly consumes?: readonly string[];
  readonly list?: boolean;
}

const json = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const patches = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
];

const customPatches = patches.filter((type) => !type.includes("strategic"));

type Operations = Readonly<Record<string, Operation>>;

const collectionOperations: Operations = {
  list: { method: "get", action: "list", query: listQuery, list: true },
  create: { method: "post", action: "post", query: writeQuery, consumes: json },
  deletecollection: { method: "delete", action: "deletecollection", query: [...listQuery, ...deleteQuery] },
};
const itemOperations: Operations = {
  get: { method: "get", action: "get", query: [] },
  update: { method: "put", action: "put", query: writeQuery, consumes: json },
  patch: { method: "patch", action: "patch", query: [...writeQuery, ["force", "boolean"]], consumes: patches },
  delete: { method: "delete", action: "delete", query: deleteQuery, consumes: json },
};

/** A subresource as a kind: what is sent and answered there. Streams are none. */
function subresourceKinds(kind: AnyKind): (AnyKind & { readonly under: string })[] {
  return subresourcesOf(kind).flatMap(({ name, kind: answered, verbs }) => {
    const isOwn = answered.kind === kind.kind;
    const schema = isOwn ? kind.schema : bodySchemaOf(apiVersionOf(answered), answered.kind);
    if (schema === undefined || name === "log") return [];
    return [{ ...kind, ...answered, schema, verbs: verbs as Verb[], plural: `${kind.plural}/${name}`, under: name }];
  });
}

/** Types of the facts table that a kind's subresources refer to. */
export const subresourceTypes = (kind: AnyKind): string[] =>
  subresourceKinds(kind).flatMap(({ schema }) => (schema === kind.schema ? [] : [schema]));

/** Path → path item of one kind and of its subresources. */
export function pathsOf(kind: AnyKind, flavor: Flavor): Record<string, Schema> {
  const root = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`;
  const space = kind.namespaced ? "/namespaces/{namespace}" : "";
  const collection = `${root}${space}/${kind.plural}`;
  const pathParameters = (names: readonly string[]) => names.map((name) => parameter(flavor, "path", name, "string"));
  const inSpace = kind.namespaced ? ["namespace"] : [];
  const paths: Record<string, Schema> = {};
  const add = (path: string, operations: Operations, names: readonly string[], of: AnyKind = kind) => {
    const item: Schema = {};
    for (const [verb, operation] of Object.entries(operations)) {
      if (of.verbs.includes(verb as never)) item[operation.method] = operationOf(of, operation, path, flavor);
    }
    if (Object.keys(item).length > 0) paths[path] = { ...item, parameters: pathParameters(names) };
  };
  add(collection, collectionOperations, inSpace);
  add(`${collection}/{name}`, itemOperations, ["name", ...inSpace]);
  if (kind.namespaced) add(`${root}/${kind.plural}`, { list: collectionOperations.list! }, []);
  const { create } = collectionOperations as { create: Operation };
  for (const one of subresourceKinds(kind)) {
    add(`${collection}/{name}/${one.under}`, { ...itemOperations, create }, ["name", ...inSpace], one);
  }
  return paths;
}

function parameter(flavor: Flavor, place: "path" | "query", name: string, type: string): Schema {
  const common = { name, in: place, ...(place === "path" ? { required: true } : {}), description: `${wordsOf(name)}.` };
  return flavor.version === 2
    ? { ...common, type, uniqueItems: true }
    : { ...common, schema: { type, uniqueItems: true } };
}

function operationOf(kind: AnyKind, operation: Operation, path: string, flavor: Flavor): Schema {
  const { method, action, query, list } = operation;
  // Clients choose how to patch by this list.
  const consumes = kind.custom && method === "patch" ? customPatches : operation.consumes;
  const reference = (name: string) => ({ $ref: `${flavor.prefix}${name}` });
  const own = kindDefinitionName(kind);
  const isPatch = method === "patch";
  const sends = isPatch ? "io.k8s.apimachinery.pkg.apis.meta.v1.Patch" : method === "delete" ? deleteOptions : own;
  const parameters = query.map(([name, type]) => parameter(flavor, "query", name, type));
  const answer = reference(list ? `${own}List` : method === "delete" ? status : own);
  // Kinds of subresources belong to several resources.
  const place = kind.plural.includes("/")
    ? path
    : `${kind.group}${kind.version}${kind.kind}${path.match(/\{\w+\}/g)?.join("") ?? ""}`;
  const id = `${action}${place.replace(/\W/g, "")}`;
  const common = {
    description: `${action} ${kind.plural}`,
    operationId: id,
    tags: [`${kind.group || "core"}_${kind.version}`],
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { group: kind.group, version: kind.version, kind: kind.kind },
  };
  if (flavor.version === 2) {
    const body = consumes ? [{ name: "body", in: "body", required: true, schema: reference(sends) }] : [];
    return {
      ...common,
      ...(consumes ? { consumes } : {}),
      produces: ["application/json"],
      parameters: [...body, ...parameters],
      responses: { "200": { description: "OK", schema: answer } },
    };
  }
  const content = (types: readonly string[], schema: Schema) =>
    Object.fromEntries(types.map((type) => [type, { schema }]));
  return {
    ...common,
    parameters,
    ...(consumes
      ? { requestBody: { content: content(isPatch ? consumes : ["application/json"], reference(sends)) } }
      : {}),
    responses: { "200": { description: "OK", content: content(["application/json"], answer) } },
  };
}

const deleteOptions = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const status = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
/** Types that operations refer to besides the kinds. */
export const operationTypes = ["meta.v1.DeleteOptions", "meta.v1.Status", "meta.v1.Patch"];
