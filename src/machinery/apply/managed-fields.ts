// metadata.managedFields: decoding, and what an ordinary write (create, update, patch) makes of it.
// Follows kubernetes v1.36 apimachinery/pkg/util/managedfields (identity of managers, order, cap on update managers).
import { deepEqual } from "../equal.ts";
import type { ManagedFieldsEntry } from "../object.ts";
import { differenceOf, type Fields, fieldsFrom, leaf, outsideOf, unionOf } from "./fields-set.ts";
import { compare, type Comparison, fieldsOf, propertySchema, type TypedSchema } from "./typed.ts";

export type Operation = "Apply" | "Update";

/** What one manager owns, with the decoded set. */
export interface Manager {
  readonly manager: string;
  readonly operation: Operation;
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time?: string;
  readonly fields: Fields;
  /** The entry that says all this, where there is one. */
  readonly entry?: ManagedFieldsEntry;
}

type JsonObject = Record<string, unknown>;

/** Nobody owns the fields that the server alone sets. */
const untrackedMetadata: ReadonlySet<string> = new Set([
  "name",
  "namespace",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "selfLink",
  "uid",
  "generation",
  "managedFields",
  "resourceVersion",
]);
const untracked: Fields = {
  "f:apiVersion": leaf,
  "f:kind": leaf,
  "f:metadata": Object.fromEntries([...untrackedMetadata].map((name) => [`f:${name}`, leaf])),
};

const maxUpdateManagers = 10;

export function decodeManagers(entries: readonly ManagedFieldsEntry[] | undefined): Manager[] {
  const managers: Manager[] = [];
  for (const entry of entries ?? []) {
    const fields = fieldsFrom(entry.fieldsV1);
    if (!fields || (entry.operation !== "Apply" && entry.operation !== "Update")) continue;
    managers.push({
      manager: entry.manager ?? "",
      operation: entry.operation,
      apiVersion: entry.apiVersion ?? "",
      subresource: entry.subresource ?? "",
      ...(entry.time ? { time: entry.time } : {}),
      fields,
      ...(isPlain(entry) ? { entry } : {}),
    });
  }
  return managers;
}

/** True when the entry is just as `entryOf` makes it. */
const isPlain = ({ manager, apiVersion, fieldsType, time, subresource }: ManagedFieldsEntry): boolean =>
  manager !== undefined && apiVersion !== undefined && fieldsType === "FieldsV1" && time !== "" && subresource !== "";

/** The entries in upstream's order; those that stand for the same as before are the very same. */
export function encodeManagers(managers: readonly Manager[]): ManagedFieldsEntry[] {
  return managers.toSorted(inOrder).map((manager) => manager.entry ?? entryOf(manager));
}

function inOrder(a: Manager, b: Manager): number {
  for (const field of ["operation", "time", "manager", "apiVersion", "subresource"] as const) {
    const [x, y] = [a[field] ?? "", b[field] ?? ""];
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

function entryOf({ manager, operation, apiVersion, time, fields, subresource }: Manager): ManagedFieldsEntry {
  const entry: ManagedFieldsEntry = { manager, operation, apiVersion };
  if (time) entry.time = time;
  entry.fieldsType = "FieldsV1";
  entry.fieldsV1 = fields;
  if (subresource) entry.subresource = subresource;
  return entry;
}

/** A manager with what is left of its fields; undefined when that is nothing. */
export function withFields(manager: Manager, fields: Fields | undefined): Manager | undefined {
  if (!fields || fields === manager.fields) return fields && manager;
  const { entry: _, ...rest } = manager;
  return { ...rest, fields };
}

/** Appliers are one by name; updaters are one per API version. */
export const isSameManager = (a: Omit<Manager, "fields">, b: Omit<Manager, "fields">): boolean =>
  a.manager === b.manager &&
  a.operation === b.operation &&
  a.subresource === b.subresource &&
  (a.operation === "Apply" || a.apiVersion === b.apiVersion);

/** The fields of a set that can be owned: `ignored` are those that the written subresource does not change. */
export const trackable = (fields: Fields | undefined, ignored: Fields | undefined): Fields | undefined =>
  outsideOf(outsideOf(fields, untracked), ignored);

/** The difference of two objects in fields that can be owned. */
export function trackedComparison(
  before: unknown,
  after: unknown,
  schema: TypedSchema,
  ignored: Fields | undefined,
): Comparison {
  const { added, modified, removed } = compare(before, after, schema);
  return {
    added: trackable(added, ignored),
    modified: trackable(modified, ignored),
    removed: trackable(removed, ignored),
  };
}

interface KnownFields {
  readonly schema: TypedSchema;
  readonly fields: Fields | undefined;
}

/** By the value of a top-level field: objects of one controller share theirs. Such values are never written to again. */
const known = new WeakMap<object, KnownFields>();

function fieldsOfPart(part: unknown, schema: TypedSchema): Fields | undefined {
  if (typeof part !== "object" || part === null) return fieldsOf(part, schema, true);
  const before = known.get(part);
  if (before?.schema === schema) return before.fields;
  const fields = fieldsOf(part, schema, true);
  known.set(part, { schema, fields });
  return fields;
}

/** What somebody may own of metadata; undefined when there is nothing but what nobody owns. */
function trackedMetadata(metadata: JsonObject): JsonObject | undefined {
  let out: JsonObject | undefined;
  let untouched = true;
  for (const name in metadata) {
    const part = metadata[name];
    if (part === undefined) continue;
    if (untrackedMetadata.has(name)) untouched = false;
    else (out ??= {})[name] = part;
  }
  return out ?? (untouched ? metadata : undefined);
}

/** The trackable fields of an object about to be stored, containers included. */
export function trackedFields(
  object: JsonObject,
  schema: TypedSchema,
  ignored: Fields | undefined,
): Fields | undefined {
  const out: Record<string, Fields> = {};
  for (const name in object) {
    const part = object[name];
    const element = `f:${name}`;
    if (part === undefined || ignored?.[element]) continue;
    if (name === "metadata") {
      const own = trackedMetadata(part as JsonObject);
      if (own) out[element] = fieldsOf(own, propertySchema(schema, name), true)!;
      continue;
    }
    if (untracked[element]) continue;
    const fields = fieldsOfPart(part, propertySchema(schema, name));
    if (fields) out[element] = fields;
  }
  return Object.keys(out).length > 0 ? out : undefined;
}

export interface UpdateRequest {
  /** The stored object; undefined for a create. */
  readonly old: JsonObject | undefined;
  /** The object about to be stored; its managedFields are what the client sent. */
  readonly next: JsonObject;
  readonly manager: string;
  /** The API version of the request: `apps/v1`. */
  readonly apiVersion: string;
  /** "" for the main resource. */
  readonly subresource: string;
  readonly schema: TypedSchema;
  /** RFC 3339, for entries that change. */
  readonly time: string;
  /** Fields that this request does not write, for example `{ "f:status": {} }`. */
  readonly ignored?: Fields;
}

type Metadata = { managedFields?: ManagedFieldsEntry[] } | undefined;

function managersToStartFrom({ old, next, subresource }: UpdateRequest): Manager[] {
  const stored = (old?.metadata as Metadata)?.managedFields;
  const sent = (next.metadata as Metadata)?.managedFields;
  if (subresource !== "" || sent === undefined) return decodeManagers(stored);
  // An empty list, or one empty entry, takes ownership from everybody.
  if (sent.length === 0 || (sent.length === 1 && Object.keys(sent[0]!).length === 0)) return [];
  const decoded = decodeManagers(sent);
  return decoded.length > 0 ? decoded : decodeManagers(stored);
}

/** managedFields after a create, update or patch; undefined when nobody owns anything. */
export function updateManagedFields(request: UpdateRequest): ManagedFieldsEntry[] | undefined {
  const { old, next, schema, ignored } = request;
  const start = managersToStartFrom(request);
  const comparison = old
    ? trackedComparison(old, next, schema, ignored)
    : { added: trackedFields(next, schema, ignored) };
  const managers = capped(afterWrite(start, comparison, { ...request, operation: "Update" }), request.time);
  const stored = (old?.metadata as Metadata)?.managedFields;
  if (managers.length === 0) return undefined;
  const entries = encodeManagers(managers);
  return stored && deepEqual(stored, entries) ? stored : entries;
}

type Writer = Pick<UpdateRequest, "manager" | "apiVersion" | "subresource" | "time"> & {
  readonly operation: Operation;
};

/** The writer gains what it changed, everybody loses what others changed or removed. */
function afterWrite(managers: readonly Manager[], comparison: Comparison, writer: Writer): Manager[] {
  const changed = unionOf(comparison.added, comparison.modified);
  const out: Manager[] = [];
  let own: Manager | undefined;
  for (const entry of managers) {
    if (isSameManager(entry, writer)) {
      own = entry;
      continue;
    }
    const left = withFields(entry, differenceOf(differenceOf(entry.fields, changed), comparison.removed));
    if (left) out.push(left);
  }
  const fields = differenceOf(unionOf(own?.fields, changed), comparison.removed);
  if (!fields) return out;
  if (own?.time && fields === own.fields && !changed) return [...out, own];
  const { manager, operation, apiVersion, subresource, time } = writer;
  return [...out, { manager, operation, apiVersion, subresource, time, fields }];
}

/** Merges the oldest update managers of a version into one, so that the list stays short. */
function capped(managers: readonly Manager[], now: string): readonly Manager[] {
  if (managers.length <= maxUpdateManagers) return managers;
  const updaters = managers.filter(({ operation }) => operation === "Update");
  if (updaters.length <= maxUpdateManagers) return managers;
  const oldest = updaters.toSorted((a, b) => ((a.time ?? "") < (b.time ?? "") ? -1 : 1));
  const merged = new Map<string, Manager>();
  const absorbed = new Set<Manager>();
  for (const entry of oldest) {
    if (updaters.length - absorbed.size + merged.size <= maxUpdateManagers) break;
    const before = merged.get(entry.apiVersion);
    absorbed.add(entry);
    merged.set(entry.apiVersion, {
      manager: "ancient-changes",
      operation: "Update",
      apiVersion: entry.apiVersion,
      subresource: "",
      time: entry.time ?? now,
      fields: unionOf(before?.fields, entry.fields) ?? leaf,
    });
  }
  return [...managers.filter((entry) => !absorbed.has(entry)), ...merged.values()];
}
