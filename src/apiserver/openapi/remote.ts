// What extension API servers say of their types, and how it becomes part of this server's documents.
// Follows kubernetes v1.36 kube-aggregator/pkg/controllers/openapi and openapiv3.
import type { Aggregation } from "../aggregation/aggregation.ts";
import type { Remote } from "../aggregation/remotes.ts";
import type { DocumentV2 } from "./documents.ts";
import { v2, v3, type Schema } from "./definitions.ts";

interface RemoteDocument {
  readonly remote: Remote;
  readonly bytes: Buffer;
}

/** The OpenAPI v2 documents of all servers that answer. */
export async function remoteDocumentsV2(aggregation: Aggregation | undefined): Promise<RemoteDocument[]> {
  const available = (aggregation?.remotes() ?? []).filter((remote) => remote.available);
  const documents = available.map(async (remote) => ({ remote, bytes: await remote.document("/openapi/v2") }));
  return (await Promise.all(documents)).filter((one): one is RemoteDocument => one.bytes !== undefined);
}

/** The OpenAPI v3 document of a group version; from that of v2 when the server has no other. Undefined when it has none. */
export async function remoteDocumentV3(remote: Remote): Promise<Buffer | undefined> {
  if (!remote.available) return undefined;
  const document = await remote.document(`/openapi/v3/apis/${remote.group}/${remote.version}`);
  if (document) return document;
  const bytes = await remote.document("/openapi/v2");
  const own = bytes && partOf({ remote, bytes });
  return own && Buffer.from(JSON.stringify(toV3(own)));
}

type Part = Pick<DocumentV2, "info" | "paths" | "definitions">;

/** Paths of the group version, and the definitions that they or its objects need. Undefined for what is no document. */
function partOf({ remote: { group, version }, bytes }: RemoteDocument): Part | undefined {
  let document: DocumentV2;
  try {
    document = JSON.parse(bytes.toString("utf8")) as DocumentV2;
  } catch {
    return undefined;
  }
  const root = `/apis/${group}/${version}/`;
  const paths = Object.fromEntries(Object.entries(document.paths ?? {}).filter(([path]) => path.startsWith(root)));
  const all = document.definitions ?? {};
  const isOwn = (schema: Schema) =>
    ((schema["x-kubernetes-group-version-kind"] ?? []) as { group?: string; version?: string }[]).some(
      (one) => one.group === group && one.version === version,
    );
  const definitions: Record<string, Schema> = {};
  const queue = [...referencesIn(paths), ...Object.keys(all).filter((name) => isOwn(all[name]!))];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const definition = all[name];
    if (definitions[name] || !definition) continue;
    definitions[name] = definition;
    queue.push(...referencesIn(definition));
  }
  return { info: document.info, paths, definitions };
}

/** Names that the value refers to by `$ref`. */
const referencesIn = (value: unknown): string[] =>
  [...JSON.stringify(value).matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g)].map(([, name]) => name!);

/** One document of all; a definition of this server stands for one of the same name from elsewhere. */
export function mergeV2(own: DocumentV2, remotes: readonly RemoteDocument[]): DocumentV2 {
  const parts = remotes.flatMap((remote) => partOf(remote) ?? []);
  if (parts.length === 0) return own;
  return {
    ...own,
    paths: Object.assign({}, ...parts.map(({ paths }) => paths), own.paths),
    definitions: Object.assign({}, ...parts.map(({ definitions }) => definitions), own.definitions),
  };
}

/** What operations of both versions spell alike. */
const sharedKeys = /^(?:description|operationId|tags|x-.*)$/;
const methods = new Set(["get", "put", "post", "patch", "delete"]);

/** As much of a v3 document as clients look up: schemas, and which kind each path answers with. */
function toV3({ info, paths, definitions }: Part): object {
  const operation = (v2Operation: Schema) => ({
    ...Object.fromEntries(Object.entries(v2Operation).filter(([key]) => sharedKeys.test(key))),
    responses: { "200": { description: "OK" } },
  });
  const itemOf = (item: Schema) =>
    Object.fromEntries(
      Object.entries(item).flatMap(([method, value]) =>
        methods.has(method) ? [[method, operation(value as Schema)]] : [],
      ),
    );
  const text = JSON.stringify(definitions).replaceAll(`"$ref":"${v2.prefix}`, `"$ref":"${v3.prefix}`);
  return {
    openapi: "3.0.0",
    info,
    paths: Object.fromEntries(Object.entries(paths).map(([path, item]) => [path, itemOf(item)])),
    components: { schemas: JSON.parse(text) as unknown },
  };
}
