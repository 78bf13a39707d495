// Entries that are not the store's own: other API versions of stored objects, dry runs, last states of deleted objects.
import type { AnyKind } from "../../kinds/registry.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { shareWith } from "../../store/share.ts";
import type { Entry, StoreEvent, StoreKey } from "../../store/store.ts";

/** An entry around any object; its JSON is made when first asked for. */
export function entryOf(key: StoreKey, object: KubeObject, revision: number, createRevision: number): Entry {
  let encoded: Buffer | undefined;
  const json = () => (encoded ??= Buffer.from(JSON.stringify(object)));
  return { key, object, revision, createRevision, json, jsonParts: () => [json()] };
}

const views = new WeakMap<AnyKind, WeakMap<Entry, Entry>>();

/** The entry as `kind` shows it: itself, unless another version of the kind stores the objects. */
export function viewOf(kind: AnyKind, entry: Entry): Entry {
  if (!kind.storage) return entry;
  if (kind.storage.foreign?.isReady(entry.object) === false) {
    return entryOf(entry.key, kind.storage.fromStored(entry.object), entry.revision, entry.createRevision);
  }
  let known = views.get(kind);
  if (!known) views.set(kind, (known = new WeakMap()));
  let view = known.get(entry);
  if (!view) {
    const object = kind.storage.fromStored(entry.object);
    view = object === entry.object ? entry : entryOf(entry.key, object, entry.revision, entry.createRevision);
    known.set(entry, view);
  }
  return view;
}

/** Resolves when `kind` can show the entries; at once for all kinds that need no other party for it. Throws StatusError. */
export const prepareViews = async (kind: AnyKind, entries: readonly Entry[]): Promise<void> =>
  kind.storage?.foreign?.prepare(entries.map(({ object }) => object));

/** The same for an event. */
export function viewOfEvent(kind: AnyKind, event: StoreEvent): StoreEvent {
  if (!kind.storage) return event;
  const entry = viewOf(kind, event.entry);
  return event.previous ? { ...event, entry, previous: viewOf(kind, event.previous) } : { ...event, entry };
}

/** The object under another resourceVersion, as watchers see an object that stopped matching their selector. */
export function atRevision(entry: Entry, revision: number): Entry {
  const metadata = { ...entry.object.metadata, resourceVersion: String(revision) };
  return entryOf(entry.key, { ...entry.object, metadata }, revision, entry.createRevision);
}

/** The form in which an object of `kind` is stored. */
export const toStored = (kind: AnyKind, object: KubeObject): KubeObject =>
  kind.storage ? kind.storage.toStored(object) : object;

type Parts = Record<string, unknown>;

/** Makes the parts of a draft that equal those of `model` those very parts. Its metadata stays its own. */
export function shareParts(draft: KubeObject, model: KubeObject): void {
  const [parts, models] = [draft as KubeObject & Parts, model as KubeObject & Parts];
  for (const key in parts) if (key !== "metadata") parts[key] = shareWith(parts[key], models[key]);
}

/** True when an update leaves all but the metadata as it is. */
export function sameParts(draft: KubeObject, old: KubeObject): boolean {
  const [parts, olds] = [draft as KubeObject & Parts, old as KubeObject & Parts];
  for (const key in parts) if (key !== "metadata" && parts[key] !== olds[key]) return false;
  return true;
}

/** A draft of its own out of a patched object: what differs from `old` is copied, the parts that do not stay shared. */
export function draftOf(patched: KubeObject, old: KubeObject): KubeObject {
  const [draft, olds]: [Parts, Parts] = [{ ...patched }, old as KubeObject & Parts];
  for (const key in draft) if (key !== "metadata" && draft[key] !== olds[key]) draft[key] = cloneJson(draft[key]);
  // The records of managers are by far the largest part of metadata, and are only ever replaced.
  const { managedFields, ...metadata } = patched.metadata ?? {};
  draft.metadata = { ...cloneJson(metadata), ...(managedFields ? { managedFields } : {}) };
  return draft as unknown as KubeObject;
}

/** A deep copy of a JSON value; several times faster than structuredClone. */
export function cloneJson<T>(value: T): T {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) {
    const copy = Array.from<unknown>({ length: value.length });
    for (let i = 0; i < value.length; i++) copy[i] = cloneJson(value[i]);
    return copy as T;
  }
  const copy: Record<string, unknown> = {};
  for (const key in value) {
    const field = value[key];
    if (field === undefined) continue;
    const cloned = typeof field === "object" ? cloneJson(field) : field;
    // A key like any other in JSON, but assigning it would set the prototype.
    if (key === "__proto__")
      Object.defineProperty(copy, key, { value: cloned, enumerable: true, configurable: true, writable: true });
    else copy[key] = cloned;
  }
  return copy as T;
}
