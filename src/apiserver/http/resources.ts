// The generic verbs over HTTP: one function per verb, the same for every kind.
import type { PatchType } from "../../client/client.ts";
import { collectionOf } from "../../kinds/kind.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { badRequest, methodNotSupported, notAcceptable, textOf, unsupportedMediaType } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Entry } from "../../store/store.ts";
import { checkType } from "../core/decode.ts";
import { prepareViews } from "../core/entries.ts";
import type { RequestContext } from "../types.ts";
import { decodeBody, decodeJson, decodeYaml, mediaType, type DecodedBody, type SchemaLookup } from "./body.ts";
import { encodingOf, entryResponse, listResponse, objectResponse } from "./encode.ts";
import { typedResponse, type EdgeRequest, type EdgeResponse } from "./exchange.ts";
import { deleteParameters, integer, listParameters, watchParameters, writeParameters } from "./query.ts";
import type { ResourceRequest } from "./request-info.ts";
import type { Decode } from "../audit/auditor.ts";
import { after, type Awaitable } from "../../machinery/turn.ts";
import type { EdgeServices } from "./services.ts";
import { watchResponse } from "./watch.ts";
import { prefersYaml } from "./yaml.ts";
import { bodySchemaOf } from "../protobuf/fields.ts";

/** Everything a verb needs to answer one request on one kind. */
export interface ResourceCall {
  readonly services: EdgeServices;
  readonly request: EdgeRequest;
  readonly info: ResourceRequest;
  readonly kind: AnyKind;
  readonly context: RequestContext;
}

const patchTypes: Readonly<Record<string, PatchType>> = {
  "application/json-patch+json": "json",
  "application/merge-patch+json": "merge",
  "application/strategic-merge-patch+json": "strategic",
  "application/apply-patch+yaml": "apply",
};

/** Answers a request on objects. Throws StatusError. */
export function answerResource(call: ResourceCall): EdgeResponse | Promise<EdgeResponse> {
  const { info, kind } = call;
  if (isSpecial(call)) return special(call);
  const verb = verbRows[info.verb];
  const needsName = info.verb === "update" || info.verb === "patch";
  const needsNamespace = info.verb === "create" && kind.namespaced && !info.namespace && !kind.virtual;
  if (!verb || (needsName && !info.name) || needsNamespace)
    throw methodNotSupported({ group: kind.group, resource: kind.plural }, info.verb);
  const before = beforeRead(call);
  return before ? before.then(() => verb(call)) : verb(call);
}

const listVerbs: ReadonlySet<string> = new Set(["list", "watch"]);

/** What a read must wait for, if anything. */
function beforeRead(call: ResourceCall): Promise<void> | undefined {
  const { info, kind, request, services } = call;
  const lists = listVerbs.has(info.verb);
  const isAhead =
    lists && request.search !== "" && Number(request.query.get("resourceVersion")) > services.store.revision;
  const foreign = kind.storage?.foreign !== undefined && (lists || info.verb === "get");
  if (!isAhead) return foreign ? prepareReads(call) : undefined;
  return caughtUp(call).then(() => (foreign ? prepareReads(call) : undefined));
}

/** How long the server may be behind what a client has seen elsewhere. */
const catchUpMs = 3000;

async function caughtUp({ services: { store, clock }, request }: ResourceCall): Promise<void> {
  const late = new AbortController();
  const cancel = clock.after(catchUpMs, () => late.abort());
  const revision = Number(request.query.get("resourceVersion"));
  await store.waitFor(revision, AbortSignal.any([late.signal, request.signal])).catch(() => {});
  cancel();
}

/** Objects that another party converts are converted before they are read. */
async function prepareReads({ services, kind, info }: ResourceCall): Promise<void> {
  const { entries } = services.store.list(
    collectionOf(kind),
    kind.namespaced ? info.namespace || undefined : undefined,
  );
  await prepareViews(kind, info.name ? entries.filter(({ key }) => key.name === info.name) : entries);
}

const verbRows: Readonly<Record<string, (call: ResourceCall) => EdgeResponse | Promise<EdgeResponse>>> = {
  get: (call) => {
    const { services, context, kind, info } = call;
    return entryResponse(kind, services.api.get(context, kind, targetOf(info), info.subresource), encoding(call));
  },
  list: (call) => {
    const { services, context, kind, info, request } = call;
    const wanted = encoding(call);
    return listResponse(
      kind,
      services.api.list(context, kind, listParameters(request.query, spaceOf(call, info))),
      wanted,
    );
  },
  watch,
  create,
  update,
  patch,
  delete: remove,
  deletecollection: removeAll,
};

const targetOf = (info: ResourceRequest) => ({ namespace: info.namespace, name: info.name });
const spaceOf = ({ kind }: ResourceCall, info: ResourceRequest) => (kind.namespaced ? info.namespace : "");
const encoding = ({ request, services, kind }: ResourceCall) => encodingOf(kind, request, services.clock.now());

function watch(call: ResourceCall): EdgeResponse {
  const { services, context, kind, info, request } = call;
  if (prefersYaml(request.headers.accept)) throw notAcceptable("a watch cannot be had in YAML");
  const asked = integer(request.query, "timeoutSeconds");
  // Spread, so that the watches of many clients that started together do not end together.
  const timeoutSeconds = asked && asked > 0 ? asked : 1800 + Math.floor(services.random() * 1800);
  return watchResponse({
    api: services.api,
    context,
    kind,
    parameters: watchParameters(request.query, spaceOf(call, info), info.name),
    encoding: encoding(call),
    clock: services.clock,
    timeoutSeconds,
    currentRevision: () => services.store.revision,
    onClosing: (callback) => services.lifecycle.onClosing(callback),
  });
}

async function create(call: ResourceCall): Promise<EdgeResponse> {
  const { services, context, kind, info, request } = call;
  const wanted = encoding(call);
  const body = decodedBody(call);
  const decoded = body instanceof Promise ? await body : body;
  const parameters = { ...writeParameters(request.query, "CreateOptions"), duplicateFields: decoded.duplicates };
  const draft = objectOf(call, decoded);
  if (info.name) throw methodNotSupported({ group: kind.group, resource: kind.plural }, "create");
  return entryResponse(
    kind,
    await services.api.create(context, kind, spaceOf(call, info), draft, parameters),
    wanted,
    201,
  );
}

async function update(call: ResourceCall): Promise<EdgeResponse> {
  const { services, context, kind, info, request } = call;
  const wanted = encoding(call);
  const decoded = await decodedBody(call);
  const options = writeParameters(request.query, "UpdateOptions", { subresource: info.subresource });
  const parameters = { ...options, duplicateFields: decoded.duplicates };
  const draft = objectOf(call, decoded);
  const name = draft.metadata?.name;
  if (name && name !== info.name) {
    throw badRequest(`the name of the object (${textOf(name)}) does not match the name on the URL (${info.name})`);
  }
  const { entry, created } = await services.api.update(context, kind, targetOf(info), draft, parameters);
  return entryResponse(kind, entry, wanted, created ? 201 : 200);
}

async function patch(call: ResourceCall): Promise<EdgeResponse> {
  const { services, context, kind, info, request } = call;
  const wanted = encoding(call);
  const type = patchTypeOf(request);
  const parameters = writeParameters(request.query, "PatchOptions", {
    subresource: info.subresource,
    isApply: type === "apply",
  });
  const { value, duplicates } = await patchBody(call, type);
  const { entry, created } = await services.api.patch(context, kind, targetOf(info), type, value, {
    ...parameters,
    duplicateFields: duplicates,
  });
  return entryResponse(kind, entry, wanted, created ? 201 : 200);
}

function patchTypeOf(request: EdgeRequest): PatchType {
  const type = patchTypes[mediaType(request.headers["content-type"])];
  if (type) return type;
  throw unsupportedMediaType(
    `the body of the request was in an unknown format - accepted media types include: ${Object.keys(patchTypes).join(", ")}`,
  );
}

async function patchBody(call: ResourceCall, type: PatchType): Promise<DecodedBody> {
  const bytes = await call.request.body.whole();
  const decoded = type === "apply" ? await decodeYaml(bytes) : decodeJson(bytes);
  const { value } = decoded;
  call.context.onBody?.(value);
  if (type === "json" ? !Array.isArray(value) : value === null || typeof value !== "object" || Array.isArray(value)) {
    throw badRequest(`the body of a ${type} patch must be ${type === "json" ? "a list of operations" : "an object"}`);
  }
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown };
  if (type === "apply" && (!apiVersion || !kind))
    throw badRequest("an applied configuration needs apiVersion and kind");
  return decoded;
}

async function remove(call: ResourceCall): Promise<EdgeResponse> {
  const { services, context, kind, info } = call;
  const wanted = encoding(call);
  const parameters = deleteParameters(call.request.query, await optionalBody(call));
  const { entry, deleted } = await services.api.delete(context, kind, targetOf(info), parameters);
  const waits = !deleted && parameters.orphanDependents === false;
  if (!deleted || returnsDeleted.has(kind.plural)) return entryResponse(kind, entry, wanted, waits ? 202 : 200);
  return typedResponse(deletedStatus(kind, entry), 200, call.request.headers.accept);
}

/** Kinds whose deletion answers with the object even when it is gone at once, as upstream has it. */
const returnsDeleted = new Set([
  "pods",
  "services",
  "serviceaccounts",
  "persistentvolumes",
  "persistentvolumeclaims",
  "podtemplates",
  "resourcequotas",
  "limitranges",
  "storageclasses",
  "volumeattachments",
  "csinodes",
  "csidrivers",
  "resourceslices",
  "resourceclaims",
  "deviceclasses",
]);

const deletedStatus = (kind: AnyKind, { object }: Entry) => ({
  kind: "Status",
  apiVersion: "v1",
  metadata: {},
  status: "Success",
  details: {
    name: object.metadata.name,
    ...(kind.group ? { group: kind.group } : {}),
    kind: kind.plural,
    uid: object.metadata.uid,
  },
});

async function removeAll(call: ResourceCall): Promise<EdgeResponse> {
  const { services, context, kind, info, request } = call;
  const wanted = encoding(call);
  const list = listParameters(request.query, spaceOf(call, info));
  const parameters = deleteParameters(request.query, await optionalBody(call));
  const entries = await services.api.deleteCollection(context, kind, list, parameters);
  return listResponse(kind, { revision: services.store.revision, entries }, wanted);
}

function isSpecial({ info, kind }: ResourceCall): boolean {
  const { subresource } = info;
  if (subresource === "") return false;
  if (subresource === "status" && kind.subresources?.status) return false;
  return true;
}

async function special(call: ResourceCall): Promise<EdgeResponse> {
  const { services, context, kind, info, request } = call;
  const wanted = encoding(call);
  const method = request.method === "HEAD" ? "GET" : request.method;
  if (method !== "GET" && method !== "POST" && method !== "PUT" && method !== "PATCH") {
    throw methodNotSupported({ group: kind.group, resource: `${kind.plural}/${info.subresource}` }, info.verb);
  }
  const patchType = method === "PATCH" ? patchTypeOf(request) : undefined;
  const optionsKind = method === "POST" ? "CreateOptions" : method === "PUT" ? "UpdateOptions" : "PatchOptions";
  const parameters =
    method === "GET"
      ? {}
      : writeParameters(request.query, optionsKind, { subresource: info.subresource, isApply: patchType === "apply" });
  const body = method === "GET" ? undefined : await (patchType ? patchBody(call, patchType) : decodedBody(call));
  const answer = await services.api.special(context, kind, targetOf(info), info.subresource, method, body?.value, {
    ...(patchType ? { patchType } : {}),
    parameters: body ? { ...parameters, duplicateFields: body.duplicates } : parameters,
  });
  return objectResponse(kind, answer, wanted, method === "POST" ? 201 : 200);
}

function decodedBody({ request, services, context }: ResourceCall): Awaitable<DecodedBody> {
  const noted = (decoded: DecodedBody) => {
    context.onBody?.(decoded.value);
    return decoded;
  };
  const type = request.headers["content-type"];
  const decodedFrom = (bytes: Buffer) => after(decodeBody(bytes, type, schemaLookup(services)), noted);
  return after(request.body.whole(), decodedFrom);
}

/** Protobuf bodies name their type: a kind, or one of the messages that only requests carry. */
const schemaLookup =
  ({ kinds }: EdgeServices): SchemaLookup =>
  (apiVersion, kind) =>
    kinds.byApiVersion(apiVersion, kind)?.schema ?? bodySchemaOf(apiVersion, kind);

async function optionalBody({ request, services, context }: ResourceCall): Promise<unknown> {
  const bytes = await request.body.whole();
  if (bytes.length === 0) return undefined;
  const { value } = await decodeBody(bytes, request.headers["content-type"], schemaLookup(services));
  context.onBody?.(value);
  return value;
}

/** Reads an answer of this server back, whatever its encoding. */
export const bodyDecoder = (services: EdgeServices): Decode => {
  const single = schemaLookup(services);
  const lookup: SchemaLookup = (apiVersion, kind) => {
    const item = kind.endsWith("List") ? single(apiVersion, kind.slice(0, -4)) : undefined;
    return single(apiVersion, kind) ?? (item && `${item}List`);
  };
  return async (bytes, contentType) => (await decodeBody(bytes, contentType, lookup)).value;
};

/** The body as an object of the kind; its apiVersion and kind may be absent but not others. */
function objectOf({ kind }: ResourceCall, { value }: DecodedBody): KubeObject {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw badRequest(`the object provided is unrecognized: it must be a ${kind.kind}`);
  }
  const object = value as KubeObject;
  const apiVersion = checkType(kind, object);
  return { ...object, apiVersion, kind: kind.kind, metadata: object.metadata ?? {} };
}
