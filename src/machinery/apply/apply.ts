// Server-side apply: merges an applied configuration into the live object and keeps account of who owns which field.
// Follows kubernetes v1.36 apimachinery/pkg/util/managedfields and structured-merge-diff merge (rules, conflict texts).
import { deepEqual } from "../equal.ts";
import { badRequest, statusError, type StatusCause, type StatusError } from "../errors.ts";
import type { ManagedFieldsEntry } from "../object.ts";
import { differenceOf, type Fields, intersectionOf, pathsOf, unionOf } from "./fields-set.ts";
import {
  decodeManagers,
  encodeManagers,
  isSameManager,
  type Manager,
  trackable,
  trackedComparison,
  trackedFields,
  withFields,
} from "./managed-fields.ts";
import { fieldsOf, mergeTyped, removeFields, type TypedSchema } from "./typed.ts";

type JsonObject = Record<string, unknown>;

export interface ApplyRequest {
  /** The stored object; undefined when the apply creates it. */
  readonly live: JsonObject | undefined;
  /** What the client applied, decoded: no nulls, canonical values. */
  readonly config: JsonObject;
  readonly manager: string;
  /** The API version of the request: `apps/v1`. */
  readonly apiVersion: string;
  /** "" for the main resource. */
  readonly subresource: string;
  readonly schema: TypedSchema;
  readonly force: boolean;
  /** RFC 3339, for entries that change. */
  readonly time: string;
  /** Fields that this request does not write, for example `{ "f:status": {} }`; they are taken from the live object. */
  readonly ignored?: Fields;
}

export interface Applied {
  /** A new object that shares unchanged parts with the arguments; its managedFields are set. */
  readonly object: JsonObject;
  readonly managedFields: readonly ManagedFieldsEntry[];
  /** False when neither the object nor the ownership changed. */
  readonly changed: boolean;
}

/** Applies; throws BadRequest for a configuration that cannot be merged, Conflict when others own what it changes. */
export function apply(request: ApplyRequest): Applied {
  const { live, config, schema, ignored } = request;
  const sent = (config.metadata as { managedFields?: unknown[] } | undefined)?.managedFields;
  if (sent && sent.length > 0) throw badRequest("metadata.managedFields must be nil");
  const stored = (live?.metadata as { managedFields?: ManagedFieldsEntry[] } | undefined)?.managedFields;
  const managers = liveManagers(request, stored);
  const applier = { ...request, operation: "Apply" as const };
  const others = managers.filter((entry) => !isSameManager(entry, applier));
  const before = managers.find((entry) => isSameManager(entry, applier));

  const merged = mergeTyped(live ?? {}, config, schema) as JsonObject;
  const wanted = trackable(fieldsOf(config, schema, false), ignored);
  const isAsBefore = before !== undefined && deepEqual(before.fields, wanted);
  const pruned = before && !isAsBefore ? prune(merged, schema, before, [...others.map(fieldsIn), wanted]) : merged;

  const comparison = trackedComparison(live ?? {}, pruned, schema, ignored);
  const changed = unionOf(comparison.added, comparison.modified);
  const contested = others.flatMap((entry) => {
    const fields = intersectionOf(entry.fields, changed);
    return fields ? [{ entry, fields }] : [];
  });
  if (contested.length > 0 && !request.force) throw conflictError(contested);

  const next = others.flatMap(
    (entry) => withFields(entry, differenceOf(differenceOf(entry.fields, changed), comparison.removed)) ?? [],
  );
  if (isAsBefore && before.apiVersion === request.apiVersion && before.time && !changed && !comparison.removed) {
    next.push(before);
  } else if (wanted) {
    const { manager, apiVersion, subresource, time } = request;
    const fields = isAsBefore ? before.fields : wanted;
    next.push({ manager, operation: "Apply", apiVersion, subresource, time, fields });
  }
  const entries = encodeManagers(next);
  const managedFields = stored && deepEqual(stored, entries) ? stored : entries;
  const object = { ...pruned, metadata: { ...(pruned.metadata as JsonObject | undefined), managedFields } };
  const differs = changed !== undefined || comparison.removed !== undefined || managedFields !== stored;
  return { object, managedFields, changed: differs };
}

const fieldsIn = ({ fields }: Manager): Fields => fields;

/** The merged object without what the manager owned before and nobody has now. */
function prune(
  merged: JsonObject,
  schema: TypedSchema,
  { fields }: Manager,
  owned: readonly (Fields | undefined)[],
): JsonObject {
  const gone = owned.reduce(differenceOf, fields);
  if (!gone) return merged;
  const kept = owned.reduce(unionOf, undefined);
  return (removeFields(merged, schema, fields, kept) ?? {}) as JsonObject;
}

/** What an object that was never tracked holds belongs to a manager of its own, so that applying does not take it over silently. */
function liveManagers(
  { live, schema, ignored, apiVersion, time }: ApplyRequest,
  stored: ManagedFieldsEntry[] | undefined,
): Manager[] {
  const managers = decodeManagers(stored);
  if (!live || managers.length > 0) return managers;
  const fields = trackedFields(live, schema, ignored);
  const manager = "before-first-apply";
  return fields ? [{ manager, operation: "Update", apiVersion, subresource: "", time, fields }] : [];
}

interface Contested {
  readonly entry: Manager;
  readonly fields: Fields;
}

function managerText({ manager, subresource, operation, apiVersion }: Manager): string {
  const name = `${JSON.stringify(manager)}${subresource ? ` with subresource ${JSON.stringify(subresource)}` : ""}`;
  return operation === "Update" ? `${name} using ${apiVersion}` : name;
}

function conflictError(contested: readonly Contested[]): StatusError {
  const rows = contested.map(({ entry, fields }) => ({ text: managerText(entry), paths: pathsOf(fields) }));
  const causes: StatusCause[] = rows.flatMap(({ text, paths }) =>
    paths.map((field) => ({ reason: "FieldManagerConflict", message: `conflict with ${text}`, field })),
  );
  const message =
    causes.length === 1
      ? `Apply failed with 1 conflict: ${causes[0]!.message}: ${causes[0]!.field}`
      : `Apply failed with ${causes.length} conflicts: ${rows
          .flatMap(({ text, paths }) => [`conflicts with ${text}:`, ...paths.map((path) => `- ${path}`)])
          .join("\n")}`;
  return statusError("Conflict", message, { causes });
}
