// Generates src/kinds/generated/ from the interface facts of Kubernetes 1.36: names, types, list and patch keys and
// protobuf numbers. Usage: npm run generate -- SWAGGER.json PROTOBUF-FIELDS.json. Descriptions are left out on purpose.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface SwaggerProperty {
  type?: string;
  format?: string;
  $ref?: string;
  items?: SwaggerProperty;
  additionalProperties?: SwaggerProperty;
  [extension: `x-kubernetes-${string}`]: unknown;
}
interface SwaggerDefinition extends SwaggerProperty {
  properties?: Record<string, SwaggerProperty>;
  required?: string[];
  "x-kubernetes-group-version-kind"?: { group: string; version: string; kind: string }[];
}

const [swaggerPath, protobufPath] = process.argv.slice(2);
if (!swaggerPath || !protobufPath) throw new Error("usage: npm run generate -- SWAGGER.json PROTOBUF-FIELDS.json");
const swagger = JSON.parse(readFileSync(swaggerPath, "utf8")) as { definitions: Record<string, SwaggerDefinition> };
const protobuf = JSON.parse(readFileSync(protobufPath, "utf8")) as Record<
  string,
  Record<string, [number, string, string][]>
>;
const target = join(import.meta.dirname, "../src/kinds/generated");

/** Definition families that Knarr serves: stable versions only, and the shared machinery. */
const served =
  /^io\.k8s\.(api\.[a-z]+\.(v1|v2)\.|apimachinery\.pkg\.(apis\.meta\.v1|util\.intstr|api\.resource|runtime|version)\.|apiextensions-apiserver\.pkg\.apis\.apiextensions\.v1\.|kube-aggregator\.pkg\.apis\.apiregistration\.v1\.)/;

/** `io.k8s.api.core.v1.Pod` → module `core.v1`, name `Pod`. */
function split(definition: string): { module: string; name: string } {
  const parts = definition.split(".");
  const name = parts.pop()!;
  const version = parts.pop()!;
  return { module: `${parts.pop()!}.${version}`, name };
}

const shortName = (definition: string) => {
  const { module, name } = split(definition);
  return `${module}.${name}`;
};

const scalars: Record<string, string> = {
  "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
  "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intOrString",
  "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
  "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "microTime",
  "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
  "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "any",
  "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "any",
  "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": "any",
  "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": "any",
  "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": "any",
};

/** Metadata that every stored object has; objects on their way in are typed as `NewObject`. */
const alwaysSet = ["name", "uid", "resourceVersion", "creationTimestamp"];

type Fact = Record<string, unknown>;

function fact(property: SwaggerProperty): Fact {
  const out: Fact = {};
  if (property.$ref) {
    const definition = property.$ref.slice("#/definitions/".length);
    // Any JSON value at all, where "any" otherwise is an object of whatever fields.
    if (scalars[definition] === "any" && definition.includes(".apiextensions.v1.JSON")) out.untyped = true;
    if (scalars[definition]) out.type = scalars[definition];
    else Object.assign(out, { type: "ref", ref: shortName(definition) });
  } else if (property.type === "array") {
    Object.assign(out, { type: "array", items: fact(property.items!) });
  } else if (property.type === "object") {
    if (property.additionalProperties) Object.assign(out, { type: "map", items: fact(property.additionalProperties) });
    else out.type = "any";
  } else if (property.type === "string" && property.format === "byte") {
    out.type = "bytes";
  } else {
    out.type = property.type ?? "any";
    if (property.format) out.format = property.format;
  }
  const extension = (name: string) => property[`x-kubernetes-${name}`];
  if (extension("list-type")) out.listType = extension("list-type");
  if (extension("list-map-keys")) out.listMapKeys = extension("list-map-keys");
  if (extension("map-type")) out.mapType = extension("map-type");
  if (extension("patch-merge-key")) out.patchMergeKey = extension("patch-merge-key");
  if (extension("patch-strategy")) out.patchStrategy = String(extension("patch-strategy")).split(",");
  return out;
}

/** Protobuf messages of one definition, found by package suffix and message name. */
function messageOf(definition: string): [number, string, string][] | undefined {
  const path = definition.replace(/^io\.k8s\.api\./, "k8s.io.api.").replace(/^io\.k8s\./, "k8s.io.");
  const name = path.slice(path.lastIndexOf(".") + 1);
  return protobuf[path.slice(0, path.lastIndexOf("."))]?.[name];
}

const tsScalar: Record<string, string> = {
  quantity: "string",
  intOrString: "number | string",
  time: "string",
  microTime: "string",
  bytes: "string",
  integer: "number",
  number: "number",
  string: "string",
  boolean: "boolean",
  any: "any",
};

function tsType(f: Fact, module: string, imports: Map<string, Set<string>>): string {
  if (f.type === "array") return `${wrap(tsType(f.items as Fact, module, imports))}[]`;
  if (f.type === "map") return `Record<string, ${tsType(f.items as Fact, module, imports)}>`;
  if (f.type === "ref") {
    const ref = f.ref as string;
    const name = ref.slice(ref.lastIndexOf(".") + 1);
    const from = ref.slice(0, ref.lastIndexOf("."));
    if (ref === "meta.v1.ObjectMeta" || ref === "meta.v1.ListMeta") {
      if (module !== "meta.v1") imports.set("meta.v1", (imports.get("meta.v1") ?? new Set()).add(name));
      return name;
    }
    if (from !== module) {
      imports.set(from, (imports.get(from) ?? new Set()).add(name));
    }
    return name;
  }
  return tsScalar[f.type as string] ?? "unknown";
}
const wrap = (type: string) => (type.includes("|") ? `(${type})` : type);

const schema: Record<string, Fact> = {};
const modules = new Map<string, { imports: Map<string, Set<string>>; body: string[] }>();
for (const [definition, shape] of Object.entries(swagger.definitions)) {
  if (!served.test(definition) || scalars[definition]) continue;
  const { module, name } = split(definition);
  const numbers = new Map((messageOf(definition) ?? []).map(([number, field, type]) => [field, { number, type }]));
  const gvk = shape["x-kubernetes-group-version-kind"]?.[0];
  const required = new Set(shape.required ?? []);
  const isObject = gvk !== undefined && shape.properties?.apiVersion !== undefined;
  const fields: Record<string, Fact> = {};
  const file = modules.get(module) ?? { imports: new Map<string, Set<string>>(), body: [] as string[] };
  modules.set(module, file);
  const lines: string[] = [];
  for (const [field, property] of Object.entries(shape.properties ?? {})) {
    const f = fact(property);
    if (required.has(field)) f.required = true;
    const wire = numbers.get(field);
    if (wire) Object.assign(f, { number: wire.number, wire: wire.type });
    fields[field] = f;
    const must =
      required.has(field) ||
      (isObject && ["apiVersion", "kind", "metadata"].includes(field)) ||
      (name === "ObjectMeta" && alwaysSet.includes(field));
    const type = tsType(f, module, file.imports);
    const shown = type === "ObjectMeta" && !isObject ? "Partial<ObjectMeta>" : type;
    lines.push(`  ${/^[\w$]+$/.test(field) ? field : `"${field}"`}${must ? "" : "?"}: ${shown};`);
  }
  const entry: Fact = { fields };
  if (shape["x-kubernetes-map-type"]) entry.mapType = shape["x-kubernetes-map-type"];
  if (gvk && isObject) entry.gvk = gvk;
  schema[`${module}.${name}`] = entry;
  file.body.push(`export interface ${name} {\n${lines.join("\n")}\n}`);
}

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const banner = "// Generated by scripts/generate.ts from the Kubernetes 1.36 interface facts. Do not edit.\n";
for (const [module, { imports, body }] of modules) {
  const lines = [...imports].map(
    ([from, names]) => `import type { ${[...names].sort().join(", ")} } from "./${from}.ts";`,
  );
  writeFileSync(join(target, `${module}.ts`), `${banner}${lines.join("\n")}\n\n${body.join("\n\n")}\n`);
}
const rows = Object.entries(schema).map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`);
writeFileSync(join(target, "schema.json"), `{\n${rows.join(",\n")}\n}\n`);
console.log(`${rows.length} types in ${modules.size} modules`);
