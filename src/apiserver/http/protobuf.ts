// Responses in Kubernetes' protobuf encoding: the message of an entry is made once and shared by gets, lists and watches.
import { setImmediate } from "node:timers/promises";
import { apiVersionOf } from "../../kinds/kind.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { TurnCache } from "../../store/entry.ts";
import type { Entry, StoreEvent } from "../../store/store.ts";
import { protobufType } from "../protobuf/decode.ts";
import {
  encodeMessage,
  encodeProtobuf,
  envelopeHead,
  hasProtobuf,
  itemHead,
  listMetadata,
  watchFrame,
} from "../protobuf/encode.ts";
import { bodySchemaOf } from "../protobuf/fields.ts";
import { chunked } from "./chunks.ts";
import type { EdgeResponse } from "./exchange.ts";
import type { Representation } from "./negotiate.ts";
import { partialObject } from "./table.ts";

/** What every body says of itself. */
export interface Typed {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: unknown;
}

const headers = { "content-type": protobufType };
const messages = new TurnCache<Buffer>(8 << 20);

function messageOf(kind: AnyKind, entry: Entry): Buffer {
  let message = messages.get(entry);
  if (!message) {
    message = encodeMessage(kind.schema, entry.object);
    messages.offer(entry, message, message.length);
  }
  return message;
}

const partialSchema = "meta.v1.PartialObjectMetadata";

/** The object, or its metadata when that is wanted, in an envelope. */
function protobufEntry(kind: AnyKind, entry: Entry, { as }: Representation): Buffer {
  if (as !== "object") return encodeProtobuf(partialSchema, partialObject(entry.object, "v1"));
  const message = messageOf(kind, entry);
  return Buffer.concat([envelopeHead(apiVersionOf(kind), kind.kind, message.length), message]);
}

/** An object that is not stored; undefined when its type has no protobuf form. */
function protobufObject(object: Typed, kind?: AnyKind): Buffer | undefined {
  const isKind = kind?.kind === object.kind && apiVersionOf(kind) === object.apiVersion;
  const schema = isKind ? kind.schema : bodySchemaOf(object.apiVersion, object.kind);
  return schema && hasProtobuf(schema) ? encodeProtobuf(schema, object) : undefined;
}

/** A response of an object or Status that is made for this request; undefined when its type has no protobuf form. */
export function protobufResponse(object: Typed, status: number, kind?: AnyKind): EdgeResponse | undefined {
  const body = protobufObject(object, kind);
  return body && { status, headers, compressible: true, body };
}

export const entryProtobufResponse = (
  kind: AnyKind,
  entry: Entry,
  representation: Representation,
  status: number,
): EdgeResponse => ({ status, headers, compressible: true, body: protobufEntry(kind, entry, representation) });

/** Work between two pauses for other requests. */
const sliceBytes = 128 * 1024;

/** A list. Its length stands before its items, so all are encoded before the first goes out, with pauses in between. */
export function protobufList(
  kind: AnyKind,
  { as }: Representation,
  metadata: object,
  entries: readonly Entry[],
): EdgeResponse {
  const isWhole = as === "object";
  const item = (entry: Entry) =>
    isWhole ? messageOf(kind, entry) : encodeMessage(partialSchema, partialObject(entry.object, "v1"));
  const apiVersion = isWhole ? apiVersionOf(kind) : "meta.k8s.io/v1";
  const listKind = isWhole ? `${kind.kind}List` : "PartialObjectMetadataList";
  const parts: Buffer[] = [listMetadata(metadata)];
  let size = parts[0]!.length;
  let next = 0;
  const encodeSlice = () => {
    const until = size + sliceBytes;
    for (; next < entries.length && size < until; next++) {
      const message = item(entries[next]!);
      const head = itemHead(message.length);
      parts.push(head, message);
      size += head.length + message.length;
    }
    return next < entries.length;
  };
  const response = { status: 200, headers, compressible: true };
  if (!encodeSlice()) {
    return { ...response, body: Buffer.concat([envelopeHead(apiVersion, listKind, size), ...parts]) };
  }
  return {
    ...response,
    async body(sink) {
      while (encodeSlice()) {
        await setImmediate();
        if (sink.signal.aborted) return;
      }
      const body = chunked([envelopeHead(apiVersion, listKind, size), ...parts].values());
      if (typeof body === "function") return body(sink);
      sink.write(body);
      sink.end();
    },
  };
}

/** The content type of watches in protobuf. */
export const protobufWatchType = `${protobufType};stream=watch`;

export const protobufEventFrame = (
  kind: AnyKind,
  { type, entry }: StoreEvent,
  representation: Representation,
): Buffer => watchFrame(type, protobufEntry(kind, entry, representation));

/** A frame of an object that is made for this watch: a bookmark, the Status of an error. */
export function protobufFrameOf(type: string, object: Typed, kind: AnyKind): Buffer {
  return watchFrame(type, protobufObject(object, kind) ?? Buffer.alloc(0));
}
