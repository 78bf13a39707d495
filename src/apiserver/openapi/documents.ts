// /openapi/v2 and /openapi/v3: documents made when first asked for, kept as bytes until the kinds change.
import { createHash } from "node:crypto";
import { apiVersionOf } from "../../kinds/kind.ts";
import type { AnyKind, KindRegistry } from "../../kinds/registry.ts";
import { notAcceptable, serviceUnavailable } from "../../machinery/errors.ts";
import { inTurns } from "../../machinery/turn.ts";
import type { Store } from "../../store/store.ts";
import type { Aggregation } from "../aggregation/aggregation.ts";
import { jsonResponse, jsonType, type EdgeRequest, type EdgeResponse } from "../http/exchange.ts";
import { acceptsJson, parseAccept } from "../http/negotiate.ts";
import { closureOf, typesFrom, v2, v3, type Flavor, type Schema } from "./definitions.ts";
import { descriptionSource, readDescriptions } from "./descriptions.ts";
import { customDefinitions, isBuiltIn, rootsOf } from "./kinds.ts";
import { operationTypes, pathsOf, subresourceTypes } from "./paths.ts";
import { mergeV2, remoteDocumentsV2, remoteDocumentV3 } from "./remote.ts";

export interface OpenApiOptions {
  readonly kinds: KindRegistry;
  readonly store: Pick<Store, "get">;
  /** Shown as the version of the documents, and part of their hashes. */
  readonly version: string;
  readonly aggregation?: Aggregation | undefined;
}

const source = descriptionSource();

/** What clients ask for; as a Content-Type it is not valid to strict parsers, so answers carry the other spelling. */
const protobufV2Asked = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const protobufV2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/** The `documents` handler of the router: undefined for other paths. */
export function createOpenApi(
  options: OpenApiOptions,
): (request: EdgeRequest) => Promise<EdgeResponse | undefined> | undefined {
  let generation = -1;
  const slots = new Map<string, { readonly key: string; readonly document: Promise<Document> }>();
  const cached: Cached = (slot, key, make) => {
    if (generation !== options.kinds.generation) slots.clear();
    generation = options.kinds.generation;
    const known = slots.get(slot);
    if (known?.key === key) return known.document;
    const document = make().then(documentOf);
    slots.set(slot, { key, document });
    return document;
  };
  return (request) => {
    const path = request.path.replace(/\/$/, "");
    if (path === "/openapi/v2") return answerV2(options, request, cached);
    if (path === "/openapi/v3") return indexV3(options).then((index) => jsonResponse(index));
    if (path.startsWith("/openapi/v3/")) return answerV3(options, request, path.slice("/openapi/v3/".length), cached);
    return undefined;
  };
}

interface Document {
  readonly bytes: Buffer;
  readonly etag: string;
}

const documentOf = (bytes: Buffer): Document => ({ bytes, etag: `"${digest(bytes)}"` });

/** The newest document of a slot; made anew when the key differs. */
type Cached = (slot: string, key: string, make: () => Promise<Buffer>) => Promise<Document>;

async function answerV2(options: OpenApiOptions, request: EdgeRequest, cached: Cached): Promise<EdgeResponse> {
  const remotes = await remoteDocumentsV2(options.aggregation);
  const key = remotes.map(({ bytes }) => digest(bytes)).join(" ");
  const document = async () => mergeV2(await documentV2(options), remotes);
  const json = () => cached("v2", key, async () => textOf(await document()));
  for (const { type } of parseAccept(request.headers.accept ?? "*/*")) {
    if (acceptsJson(type)) return tagged(request, await json(), jsonType);
    if (type !== protobufV2 && type !== protobufV2Asked) continue;
    const encoded = cached("v2 protobuf", key, async () => {
      const { encodeDocument } = await import("./protobuf.ts");
      return encodeDocument(await document());
    });
    return tagged(request, await encoded, protobufV2);
  }
  throw notAcceptable(`only the following media types are accepted: ${jsonType}, ${protobufV2}`);
}

async function answerV3(
  options: OpenApiOptions,
  request: EdgeRequest,
  groupVersion: string,
  cached: Cached,
): Promise<EdgeResponse | undefined> {
  const remote = remoteOf(options, groupVersion);
  const members = remote ? [] : byGroupVersion(options.kinds).get(groupVersion);
  if (!members) return undefined;
  if (!parseAccept(request.headers.accept ?? "*/*").some(({ type }) => acceptsJson(type))) {
    throw notAcceptable(`only the following media types are accepted: ${jsonType}`);
  }
  if (remote) {
    const document = await remoteDocumentV3(remote);
    if (!document) throw serviceUnavailable("service unavailable");
    return tagged(request, documentOf(document), jsonType);
  }
  const own = cached(groupVersion, hashOf(options, members), async () => textOf(await documentV3(options, members)));
  return tagged(request, await own, jsonType);
}

/** JSON of a document, whose large parts are one and two levels below it. */
async function textOf(document: object): Promise<Buffer> {
  const member = ([name, value]: [string, unknown]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`;
  const nested = async (value: unknown, depth: number): Promise<string> => {
    if (typeof value !== "object" || value === null) return JSON.stringify(value);
    if (depth === 0) return `{${(await inTurns(Object.entries(value), member)).join(",")}}`;
    const members: string[] = [];
    for (const [name, inner] of Object.entries(value)) {
      members.push(`${JSON.stringify(name)}:${await nested(inner, depth - 1)}`);
    }
    return `{${members.join(",")}}`;
  };
  return Buffer.from(await nested(document, 2));
}

function tagged(request: EdgeRequest, { bytes: body, etag }: Document, contentType: string): EdgeResponse {
  const headers = {
    etag,
    vary: "Accept",
    "cache-control": request.query.has("hash") ? "public, immutable" : "no-cache",
  };
  if (request.headers["if-none-match"] === etag) return { status: 304, headers };
  return { status: 200, headers: { ...headers, "content-type": contentType }, body, compressible: true };
}

const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex").toUpperCase();

/** `apis/metrics.k8s.io/v1beta1` → who answers it, when that is another server. */
const remoteOf = ({ aggregation }: OpenApiOptions, groupVersion: string) => aggregation?.find(`/${groupVersion}`);

/** `api/v1`, `apis/apps/v1` → its kinds. */
function byGroupVersion(kinds: KindRegistry): Map<string, AnyKind[]> {
  const found = new Map<string, AnyKind[]>();
  for (const kind of kinds.all()) {
    const path = `${kind.group ? "apis" : "api"}/${apiVersionOf(kind)}`;
    found.set(path, [...(found.get(path) ?? []), kind]);
  }
  return found;
}

/** Changes whenever the document would, without making the document. */
function hashOf({ version, store }: OpenApiOptions, members: readonly AnyKind[]): string {
  const hash = createHash("sha256").update(`${version} ${source ?? ""}`);
  for (const kind of members) {
    hash.update(`${kind.schema} ${kind.plural} ${Object.keys(kind.subresources ?? {}).join()} `);
    if (!isBuiltIn(kind)) hash.update(customDigest(kind, store));
  }
  return hash.digest("hex").toUpperCase();
}

/** A custom kind is another object whenever its definition has changed. */
const customDigests = new WeakMap<AnyKind, string>();

function customDigest(kind: AnyKind, store: OpenApiOptions["store"]): string {
  let known = customDigests.get(kind);
  if (!known) {
    known = digest(Buffer.from(JSON.stringify(customDefinitions(kind, store, v3))));
    customDigests.set(kind, known);
  }
  return known;
}

async function indexV3(options: OpenApiOptions): Promise<object> {
  const hashes = new Map<string, string>();
  for (const [path, members] of byGroupVersion(options.kinds)) {
    if (!remoteOf(options, path)) hashes.set(path, hashOf(options, members));
  }
  const remotes = (options.aggregation?.remotes() ?? []).map(async (remote) => {
    const document = await remoteDocumentV3(remote);
    if (document) hashes.set(`apis/${remote.group}/${remote.version}`, digest(document));
  });
  await Promise.all(remotes);
  const sorted = [...hashes].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const paths = sorted.map(([path, hash]) => [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }]);
  return { paths: Object.fromEntries(paths) };
}

const title = (version: string) => ({ title: "Kubernetes", version });

async function definitionsOf(
  options: OpenApiOptions,
  kinds: readonly AnyKind[],
  flavor: Flavor,
): Promise<Record<string, Schema>> {
  const roots = [...kinds.flatMap((kind) => [...rootsOf(kind), ...subresourceTypes(kind)]), ...operationTypes];
  const descriptions = source === undefined ? undefined : await readDescriptions(typesFrom(roots), source);
  const definitions = await closureOf(roots, flavor, descriptions);
  for (const kind of kinds) Object.assign(definitions, customDefinitions(kind, options.store, flavor, descriptions));
  return definitions;
}

async function documentV3(options: OpenApiOptions, members: readonly AnyKind[]): Promise<object> {
  return {
    openapi: "3.0.0",
    info: title(options.version),
    paths: Object.assign({}, ...(await inTurns(members, (kind) => pathsOf(kind, v3)))),
    components: { schemas: await definitionsOf(options, members, v3) },
  };
}

export interface DocumentV2 {
  readonly swagger: "2.0";
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Record<string, Schema>;
  readonly definitions: Record<string, Schema>;
}

/** The whole API in one document. */
async function documentV2(options: OpenApiOptions): Promise<DocumentV2> {
  const kinds = options.kinds.all();
  const paths = Object.assign({}, ...(await inTurns(kinds, (kind) => pathsOf(kind, v2)))) as DocumentV2["paths"];
  return { swagger: "2.0", info: title(options.version), paths, definitions: await definitionsOf(options, kinds, v2) };
}
