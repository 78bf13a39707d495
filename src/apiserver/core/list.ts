// Get and list: from memory, with selectors, pages over one snapshot and resourceVersion semantics.
// Follows kubernetes v1.36 apiserver/pkg/storage/continue.go and apimachinery meta/internalversion/validation.
import { collectionOf } from "../../kinds/kind.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { badRequest, invalid, methodNotSupported, notFound, StatusError, statusError } from "../../machinery/errors.ts";
import { forbiddenField, notSupported } from "../../machinery/field.ts";
import { StoreError } from "../../store/store.ts";
import type { Entry, Listing } from "../../store/store.ts";
import type { ListParameters, ListResult, ObjectTarget, RequestContext } from "../types.ts";
import { authorize } from "./authorize.ts";
import { resourceOf, storeKey } from "./core.ts";
import type { Core } from "./core.ts";
import { viewOf } from "./entries.ts";
import { selectionOf } from "./selection.ts";
import type { Selection } from "./selection.ts";

/** The durable version of one object; throws NotFound. */
export function get(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  target: ObjectTarget,
  subresource?: string,
): Entry {
  if (!kind.verbs.includes("get")) throw methodNotSupported(resourceOf(kind), "get");
  authorize(core.authorizer, context, kind, "get", target, subresource);
  const entry = core.store.get(storeKey(kind, target));
  if (!entry) throw notFound(resourceOf(kind), target.name);
  return viewOf(kind, entry);
}

/** One page. Throws BadRequest, Invalid, Expired (the snapshot of the continue token is gone), Timeout. */
export function list(core: Core, context: RequestContext, kind: AnyKind, parameters: ListParameters): ListResult {
  if (!kind.verbs.includes("list")) throw methodNotSupported(resourceOf(kind), "list");
  const selection = selectionOf(kind, parameters.labelSelector, parameters.fieldSelector);
  const { namespace } = parameters;
  authorize(core.authorizer, context, kind, "list", { namespace, name: selection.name }, "", selection);
  return listSelected(core, kind, parameters, selection);
}

interface Start {
  readonly listing: Listing;
  /** Entries up to and including this place were delivered before. */
  readonly after?: { readonly namespace: string; readonly name: string };
}

/** The same without authorization. */
export function listSelected(core: Core, kind: AnyKind, parameters: ListParameters, selection: Selection): ListResult {
  const { listing, after } = startOf(core, kind, parameters, selection);
  const limit = parameters.limit && parameters.limit > 0 ? parameters.limit : Infinity;
  const { entries } = listing;
  const from = after ? firstAfter(entries, after) : 0;
  if (selection.all && from === 0 && entries.length <= limit && !kind.storage) {
    return { revision: listing.revision, entries };
  }
  const page: Entry[] = [];
  let at = from;
  for (; at < entries.length && page.length < limit; at++) {
    const entry = viewOf(kind, entries[at]!);
    if (selection.all || selection.matches(entry.object)) page.push(entry);
  }
  const more =
    at < entries.length &&
    (selection.all || entries.slice(at).some((entry) => selection.matches(viewOf(kind, entry).object)));
  if (!more) return { revision: listing.revision, entries: page };
  const token = encodeToken(listing.revision, page.at(-1)!.key);
  return {
    revision: listing.revision,
    entries: page,
    continue: token,
    ...(selection.all ? { remainingItemCount: entries.length - at } : {}),
  };
}

function startOf(core: Core, kind: AnyKind, parameters: ListParameters, selection: Selection): Start {
  checkVersionMatch(parameters);
  const collection = collectionOf(kind);
  const namespace = parameters.namespace || selection.namespace || undefined;
  if (parameters.continue) return resumed(core, collection, namespace, parameters.continue);
  const version = parameters.resourceVersion;
  if (version && version !== "0") {
    const revision = parseVersion(version);
    if (revision > core.store.revision) throw tooLargeVersion(revision, core.store.revision);
    if (parameters.resourceVersionMatch === "Exact") {
      return { listing: storedAt(core, collection, namespace, revision, expiredVersion(revision, core)) };
    }
  }
  return { listing: shortListing(core, collection, namespace, selection) ?? core.store.list(collection, namespace) };
}

/** A field selector for one name needs no scan. */
function shortListing(
  core: Core,
  collection: string,
  namespace: string | undefined,
  selection: Selection,
): Listing | undefined {
  if (selection.name === undefined || namespace === undefined) return undefined;
  const entry = core.store.get({ collection, namespace, name: selection.name });
  return { revision: core.store.revision, entries: entry ? [entry] : [] };
}

function checkVersionMatch(parameters: ListParameters): void {
  const match = parameters.resourceVersionMatch;
  const version = parameters.resourceVersion;
  const field = "resourceVersionMatch";
  const refuse = (...errors: Parameters<typeof invalid>[2]) => {
    throw invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", errors);
  };
  if (!match) {
    if (parameters.continue && version && version !== "0") {
      throw badRequest("specifying resource version is not allowed when using continue");
    }
    return;
  }
  if (parameters.continue) refuse(forbiddenField(field, `${field} is forbidden when continue is provided`));
  if (match !== "Exact" && match !== "NotOlderThan") refuse(notSupported(field, match, ["Exact", "NotOlderThan", ""]));
  if (!version) refuse(forbiddenField(field, `${field} is forbidden unless resourceVersion is provided`));
  if (match === "Exact" && version === "0") {
    refuse(forbiddenField(field, `${field} "exact" is forbidden for resourceVersion "0"`));
  }
}

/** The number in a resourceVersion; throws BadRequest. */
export function parseVersion(version: string): number {
  if (/^\d{1,15}$/.test(version)) return Number(version);
  const text = JSON.stringify(version);
  throw badRequest(`resourceVersion: Invalid value: ${text}: strconv.ParseUint: parsing ${text}: invalid syntax`);
}

export function tooLargeVersion(asked: number, current: number): StatusError {
  return statusError("Timeout", `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}

export const expiredVersion = (revision: number, core: Core): StatusError =>
  statusError("Expired", `too old resource version: ${revision} (${core.store.compactedRevision})`);

function storedAt(
  core: Core,
  collection: string,
  namespace: string | undefined,
  revision: number,
  gone: StatusError,
): Listing {
  try {
    return core.store.listAt(collection, namespace, revision);
  } catch (error) {
    if (error instanceof StoreError && error.code === "compacted") throw gone;
    throw error;
  }
}

interface Token {
  /** Revision of the snapshot; -1 continues over whatever is there now. */
  readonly rv: number;
  readonly start: string;
}

function encodeToken(revision: number, after: { namespace: string; name: string }): string {
  const start = `${after.namespace}/${after.name}`;
  return Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", rv: revision, start })).toString("base64url");
}

function decodeToken(text: string): Token {
  try {
    const token = JSON.parse(Buffer.from(text, "base64url").toString()) as { v?: string } & Token;
    if (token.v === "meta.k8s.io/v1" && Number.isSafeInteger(token.rv) && typeof token.start === "string") return token;
  } catch {}
  throw badRequest("invalid continue token: continue key is not valid");
}

function resumed(core: Core, collection: string, namespace: string | undefined, text: string): Start {
  const { rv, start } = decodeToken(text);
  const slash = start.indexOf("/");
  const after = { namespace: start.slice(0, slash), name: start.slice(slash + 1) };
  if (rv < 0) return { listing: core.store.list(collection, namespace), after };
  if (rv > core.store.revision) throw tooLargeVersion(rv, core.store.revision);
  return { listing: storedAt(core, collection, namespace, rv, expiredToken(after)), after };
}

/** The refusal carries a token with which a client goes on without the snapshot. */
function expiredToken(after: { namespace: string; name: string }): StatusError {
  const { status } = statusError(
    "Expired",
    "The provided continue parameter is too old to display a consistent list result. List again without it, or use the continue token in this response for the remainder, which may miss or repeat objects that changed meanwhile.",
  );
  return new StatusError({
    ...status,
    metadata: { continue: encodeToken(-1, after) } as unknown as Record<string, never>,
  });
}

/** Index of the first entry after a place; entries are sorted by namespace, then name. */
function firstAfter(entries: readonly Entry[], after: { namespace: string; name: string }): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const { namespace, name } = entries[middle]!.key;
    const isAfter = namespace === after.namespace ? name > after.name : namespace > after.namespace;
    if (isAfter) high = middle;
    else low = middle + 1;
  }
  return low;
}
