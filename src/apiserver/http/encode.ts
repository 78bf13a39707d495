// From entries to bytes in the representation that the client negotiated. Whole objects go out as the store's cached
// bytes; only Tables, metadata and pretty printing encode anew.
import { apiVersionOf } from "../../kinds/kind.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { badRequest, notAcceptable, type Status } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Entry, StoreEvent } from "../../store/store.ts";
import type { ListResult } from "../types.ts";
import { hasProtobuf } from "../protobuf/encode.ts";
import { chunked, type BodyPart } from "./chunks.ts";
import type { EdgeRequest, EdgeResponse } from "./exchange.ts";
import { jsonType } from "./exchange.ts";
import { negotiate, type Representation } from "./negotiate.ts";
import {
  entryProtobufResponse,
  protobufEventFrame,
  protobufFrameOf,
  protobufList,
  protobufResponse,
  protobufWatchType,
  type Typed,
} from "./protobuf.ts";
import { isTrue } from "./request-info.ts";
import { columnDefinitions, partialObject, tableOf, tableRow, type IncludeObject } from "./table.ts";

export interface Encoding {
  readonly representation: Representation;
  readonly include: IncludeObject;
  readonly pretty: boolean;
  /** Epoch milliseconds, for the ages in tables. */
  readonly now: number;
}

/** Reads what the client wants of a kind. Throws NotAcceptable, or BadRequest for a bad includeObject. */
export function encodingOf(
  kind: AnyKind,
  { headers: { accept }, search, query, upgrade }: Pick<EdgeRequest, "headers" | "search" | "query" | "upgrade">,
  now: number,
): Encoding {
  const include = (search && query.get("includeObject")) || "Metadata";
  if (include !== "None" && include !== "Metadata" && include !== "Object") {
    throw badRequest(`unrecognized includeObject value: ${JSON.stringify(include)}`);
  }
  // Over a socket every message is a line of JSON.
  const representation = negotiate(accept, () => upgrade === undefined && hasProtobuf(kind.schema));
  if (kind.virtual && representation.as !== "object") {
    throw notAcceptable(`${kind.plural} have no metadata, so they cannot be shown as a ${representation.as}`);
  }
  return { representation, include, pretty: search !== "" && isTrue(query.get("pretty")), now };
}

const stringify = (value: unknown, pretty: boolean): Buffer =>
  Buffer.from(`${JSON.stringify(value, undefined, pretty ? 2 : undefined)}\n`);

/** The response for one stored object. */
export function entryResponse(kind: AnyKind, entry: Entry, encoding: Encoding, status = 200): EdgeResponse {
  const { representation } = encoding;
  if (representation.protobuf) return entryProtobufResponse(kind, entry, representation, status);
  const plain = representation.as === "object" && !encoding.pretty;
  return {
    status,
    headers: { "content-type": jsonType },
    compressible: true,
    body: plain ? entry.json() : objectBytes(kind, entry.object, encoding),
  };
}

/** The response for an object that is not stored: a scale, a review, a Status. */
export function objectResponse(kind: AnyKind, object: KubeObject, encoding: Encoding, status = 200): EdgeResponse {
  const inProtobuf = encoding.representation.protobuf && protobufResponse(object, status, kind);
  const headers = { "content-type": jsonType };
  return inProtobuf || { status, headers, compressible: true, body: objectBytes(kind, object, encoding) };
}

function objectBytes(kind: AnyKind, object: KubeObject, { representation, include, pretty, now }: Encoding): Buffer {
  if (representation.as === "object") return stringify(object, pretty);
  const { version } = representation;
  if (representation.as === "PartialObjectMetadata") return stringify(partialObject(object, version), pretty);
  const rows = [tableRow(kind, object, include, now, version)];
  const metadata = { resourceVersion: object.metadata?.resourceVersion };
  return stringify(tableOf(kind, rows, { version, metadata, withColumns: true }), pretty);
}

/** A list without its items, and how each of those is shown. */
interface ListFrame {
  readonly list: object;
  readonly member: "items" | "rows";
  readonly item: (entry: Entry) => unknown;
}

const metadataOf = (result: ListResult) => ({
  resourceVersion: String(result.revision),
  ...(result.continue ? { continue: result.continue } : {}),
  ...(result.remainingItemCount !== undefined ? { remainingItemCount: result.remainingItemCount } : {}),
});

function listFrame(kind: AnyKind, result: ListResult, encoding: Encoding): ListFrame {
  const metadata = metadataOf(result);
  const { representation, include, now } = encoding;
  if (representation.as === "object") {
    const list = { kind: `${kind.kind}List`, apiVersion: apiVersionOf(kind), metadata };
    return { list, member: "items", item: ({ object }) => object };
  }
  const { version } = representation;
  const apiVersion = `meta.k8s.io/${version}`;
  if (representation.as === "PartialObjectMetadata") {
    const list = { kind: "PartialObjectMetadataList", apiVersion, metadata };
    return { list, member: "items", item: ({ object }) => partialObject(object, version) };
  }
  const list = { kind: "Table", apiVersion, metadata, columnDefinitions: columnDefinitions(kind) };
  return { list, member: "rows", item: ({ object }) => tableRow(kind, object, include, now, version) };
}

/** A list, whole when it is small and in chunks with pauses for other requests when it is not. */
export function listResponse(kind: AnyKind, result: ListResult, encoding: Encoding): EdgeResponse {
  const { representation, pretty } = encoding;
  const { entries } = result;
  if (representation.protobuf) return protobufList(kind, representation, metadataOf(result), entries);
  const frame = listFrame(kind, result, encoding);
  const parts = pretty ? prettyParts(frame, entries) : listParts(frame, entries, representation.as === "object");
  return { status: 200, headers: { "content-type": jsonType }, compressible: true, body: chunked(parts) };
}

function* listParts({ list, member, item }: ListFrame, entries: readonly Entry[], whole: boolean): Generator<BodyPart> {
  yield `${JSON.stringify(list).slice(0, -1)},"${member}":[`;
  for (let i = 0; i < entries.length; i++) {
    if (i > 0) yield ",";
    const entry = entries[i]!;
    if (whole) yield* entry.jsonParts();
    else yield JSON.stringify(item(entry));
  }
  yield "]}\n";
}

function* prettyParts({ list, member, item }: ListFrame, entries: readonly Entry[]): Generator<BodyPart> {
  yield `${JSON.stringify(list, undefined, 2).slice(0, -2)},\n  "${member}": [`;
  for (let i = 0; i < entries.length; i++) {
    const text = JSON.stringify(item(entries[i]!), undefined, 2).replaceAll("\n", "\n    ");
    yield `${i > 0 ? "," : ""}\n    ${text}`;
  }
  yield entries.length > 0 ? "\n  ]\n}\n" : "]\n}\n";
}

/** Turns watch events into frames: lines of JSON, or protobuf messages with their length in front. */
export type EventEncoder = (event: StoreEvent) => Buffer;

const newline = Buffer.from("}\n");
const openings = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
};

/** Frames shared by all watchers of whole objects, newest kept: the same bytes go to a thousand of them. */
class FrameCache {
  readonly #encode: (kind: AnyKind, event: StoreEvent) => Buffer;
  readonly #frames = new Map<Entry, Partial<Record<StoreEvent["type"], Buffer>>>();

  constructor(encode: (kind: AnyKind, event: StoreEvent) => Buffer) {
    this.#encode = encode;
  }

  frame(kind: AnyKind, event: StoreEvent): Buffer {
    const { type, entry } = event;
    let known = this.#frames.get(entry);
    if (!known) {
      if (this.#frames.size >= 256) this.#frames.delete(this.#frames.keys().next().value!);
      this.#frames.set(entry, (known = {}));
    }
    return (known[type] ??= this.#encode(kind, event));
  }
}

const wholeObject = { as: "object" } as const;
const sharedFrames = new FrameCache((_, { type, entry }) => Buffer.concat([openings[type], entry.json(), newline]));
const sharedProtobufFrames = new FrameCache((kind, event) => protobufEventFrame(kind, event, wholeObject));

/** The content type of a watch. */
export const watchType = ({ representation }: Encoding): string =>
  representation.protobuf ? protobufWatchType : jsonType;

export function eventEncoder(kind: AnyKind, encoding: Encoding, now: () => number): EventEncoder {
  const { representation, include } = encoding;
  if (representation.as === "object") {
    const shared = representation.protobuf ? sharedProtobufFrames : sharedFrames;
    return (event) => shared.frame(kind, event);
  }
  if (representation.protobuf) return (event) => protobufEventFrame(kind, event, representation);
  const { version } = representation;
  let first = true;
  return ({ type, entry: { object } }) => {
    if (representation.as === "PartialObjectMetadata") return frameOf(type, partialObject(object, version));
    const rows = [tableRow(kind, object, include, now(), version)];
    const metadata = { resourceVersion: object.metadata.resourceVersion };
    const table = tableOf(kind, rows, { version, metadata, withColumns: first });
    first = false;
    return frameOf(type, table);
  };
}

const frameOf = (type: string, object: unknown): Buffer => Buffer.from(`${JSON.stringify({ type, object })}\n`);

/** The last frame of a watch that failed. */
export const errorFrame = (kind: AnyKind, { representation }: Encoding, status: Status): Buffer =>
  representation.protobuf ? protobufFrameOf("ERROR", status, kind) : frameOf("ERROR", status);

/** A bookmark in the representation of its watch. */
export function bookmarkFrame(
  kind: AnyKind,
  { representation }: Encoding,
  revision: number,
  annotations?: Record<string, string>,
): Buffer {
  const metadata = {
    resourceVersion: String(revision),
    ...(annotations ? { annotations } : {}),
  };
  const frame = representation.protobuf
    ? (object: Typed) => protobufFrameOf("BOOKMARK", object, kind)
    : (object: Typed) => frameOf("BOOKMARK", object);
  if (representation.as === "object") return frame({ kind: kind.kind, apiVersion: apiVersionOf(kind), metadata });
  const partial = { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${representation.version}`, metadata };
  if (representation.as === "PartialObjectMetadata") return frame(partial);
  const rows = [{ cells: [], object: partial }];
  const { version } = representation;
  return frameOf(
    "BOOKMARK",
    tableOf(kind, rows, { version, metadata: { resourceVersion: String(revision) }, withColumns: false }),
  );
}
