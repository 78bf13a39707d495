// Strategic merge patch: a merge patch that knows which lists are merged by a key, and carries directives.
// Follows kubernetes v1.36 apimachinery/pkg/util/strategicpatch (directives, order of merged lists, error texts).
import { deepEqual } from "../equal.ts";
import { badRequest, textOf } from "../errors.ts";

/** What strategic merge must know about a field. `object` describes the value, `items` the elements of a list. */
export interface PatchField {
  readonly patchMergeKey?: string;
  readonly patchStrategy?: readonly string[];
  readonly items?: PatchSchema;
  readonly object?: PatchSchema;
}

export interface PatchSchema {
  /** Undefined for fields that the type does not have; they merge as a plain merge patch would. */
  field(name: string): PatchField | undefined;
}

type JsonObject = Record<string, unknown>;

const patchDirective = "$patch";
const retainKeysDirective = "$retainKeys";
const setOrderPrefix = "$setElementOrder/";
const deletePrefix = "$deleteFromPrimitiveList/";
const plainFields: PatchSchema = { field: () => undefined };

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The document with the patch merged in. Neither argument is written to. Throws BadRequest for malformed patches. */
export function applyStrategicPatch(document: unknown, patch: unknown, schema: PatchSchema): unknown {
  if (!isObject(patch)) throw badRequest("a strategic merge patch is an object");
  return mergeObject(isObject(document) ? document : {}, patch, schema);
}

function mergeObject(original: JsonObject, patch: JsonObject, schema: PatchSchema): JsonObject {
  const directive = patch[patchDirective];
  if (directive === "delete") return {};
  if (directive === "replace") {
    const { [patchDirective]: _directive, ...rest } = patch;
    return mergeObject({}, rest, schema);
  }
  if (directive !== undefined && directive !== "merge") throw unknownPatchType(directive, patch);
  const result = retained(original, patch);
  for (const key of Object.keys(patch)) {
    if (key.startsWith(setOrderPrefix))
      mergeOrderedList(result, original, patch, key.slice(setOrderPrefix.length), schema);
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key === patchDirective || key === retainKeysDirective || key.startsWith(setOrderPrefix)) continue;
    if (key.startsWith(deletePrefix)) deletePrimitives(result, key, value);
    else if (!Object.hasOwn(patch, setOrderPrefix + key)) mergeField(result, key, value, schema.field(key));
    else if (value === null) delete result[key];
  }
  return result;
}

const unknownPatchType = (directive: unknown, patch: unknown) =>
  badRequest(`unknown patch type [${textOf(directive)}] in map [${JSON.stringify(patch)}]`);

/** A copy of the original, reduced to what `$retainKeys` names. */
function retained(original: JsonObject, patch: JsonObject): JsonObject {
  const keys = patch[retainKeysDirective];
  if (keys === undefined) return { ...original };
  if (!Array.isArray(keys)) throw badRequest("invalid patch format of retainKeys");
  for (const [key, value] of Object.entries(patch)) {
    const bare = key.startsWith("$") ? key.slice(key.indexOf("/") + 1) : key;
    if (key !== retainKeysDirective && key !== patchDirective && value !== null && !keys.includes(bare)) {
      throw badRequest("invalid patch format of retainKeys: the retainKeys list lacks a field of the patch");
    }
  }
  return Object.fromEntries(Object.entries(original).filter(([key]) => keys.includes(key)));
}

function mergeField(result: JsonObject, key: string, value: unknown, field: PatchField | undefined): void {
  const before = Object.hasOwn(result, key) ? result[key] : undefined;
  if (value === null) delete result[key];
  else if (isObject(value)) {
    const base = isObject(before) && !field?.patchStrategy?.includes("replace") ? before : {};
    result[key] = mergeObject(base, value, field?.object ?? plainFields);
  } else if (Array.isArray(value)) result[key] = mergeList(Array.isArray(before) ? before : [], value, field);
  else result[key] = value;
}

function deletePrimitives(result: JsonObject, directive: string, values: unknown): void {
  if (!Array.isArray(values)) throw badRequest("invalid patch format of primitive list");
  const key = directive.slice(deletePrefix.length);
  const before = result[key];
  if (Array.isArray(before)) result[key] = before.filter((item) => !values.includes(item));
}

/** Handles a list whose order the patch gives, together with the list itself if the patch has it. */
function mergeOrderedList(
  result: JsonObject,
  original: JsonObject,
  patch: JsonObject,
  key: string,
  schema: PatchSchema,
): void {
  const order = patch[setOrderPrefix + key];
  const list = patch[key];
  if (!Array.isArray(order) || (list != null && !Array.isArray(list))) {
    throw badRequest("invalid patch format of setElementOrder list");
  }
  const field = schema.field(key);
  const before = Array.isArray(result[key]) ? (result[key] as unknown[]) : undefined;
  if (list === null || (!before && !list)) return;
  const identity = identityOf(field?.patchMergeKey, order);
  checkOrder(list ?? [], order, identity);
  const merged = list ? mergeList(before ?? [], list, field) : before!;
  const serverOrder = Array.isArray(original[key]) ? (original[key] as unknown[]) : [];
  result[key] = ordered(merged, order, serverOrder, identity);
}

type Identity = (item: unknown) => unknown;

/** What makes two elements the same: the merge key of objects, the value of scalars. */
function identityOf(mergeKey: string | undefined, sample: readonly unknown[]): Identity {
  if (!mergeKey || !sample.some(isObject)) return (item) => item;
  return (item) => (isObject(item) && Object.hasOwn(item, mergeKey) ? item[mergeKey] : undefined);
}

function checkOrder(list: readonly unknown[], order: readonly unknown[], identity: Identity): void {
  let last = -1;
  for (const item of list) {
    if (isObject(item) && item[patchDirective] !== undefined) continue;
    const at = indexOf(order, item, identity);
    if (at < last || at < 0) {
      throw badRequest(
        `The order in patch list:\n${JSON.stringify(list)}\n doesn't match $setElementOrder list:\n${JSON.stringify(order)}\n`,
      );
    }
    last = at;
  }
}

const indexOf = (list: readonly unknown[], item: unknown, identity: Identity): number => {
  const id = identity(item);
  return list.findIndex((other) => deepEqual(identity(other), id));
};

function mergeList(before: readonly unknown[], patch: readonly unknown[], field: PatchField | undefined): unknown[] {
  if (!field?.patchStrategy?.includes("merge")) return patch.map((item) => withoutDirectives(item, field));
  const sample = patch.length > 0 ? patch : before;
  if (!sample.some(isObject)) {
    const merged = [...new Set([...before, ...patch])];
    return ordered(merged, patch, before, (item) => item);
  }
  const mergeKey = field.patchMergeKey;
  if (!mergeKey) throw badRequest("a list of objects cannot be merged without a merge key");
  return mergeObjects(before, patch, mergeKey, field.items ?? plainFields);
}

const withoutDirectives = (item: unknown, field: PatchField | undefined): unknown =>
  isObject(item) ? mergeObject({}, item, field?.items ?? plainFields) : item;

function mergeObjects(
  before: readonly unknown[],
  patch: readonly unknown[],
  mergeKey: string,
  schema: PatchSchema,
): unknown[] {
  const identity = identityOf(mergeKey, patch);
  let merged = [...before];
  const items: JsonObject[] = [];
  let replace = false;
  for (const item of patch) {
    if (!isObject(item)) throw badRequest("a merged list must hold objects only");
    const directive = item[patchDirective];
    if (directive === undefined) items.push(item);
    else if (directive === "replace") replace = true;
    else if (directive === "delete") {
      if (!Object.hasOwn(item, mergeKey)) throw badRequest("delete patch type with no merge key defined");
      merged = merged.filter((other) => !deepEqual(identity(other), item[mergeKey]));
    } else if (directive === "merge") throw badRequest("merging lists cannot yet be specified in the patch");
    else throw unknownPatchType(directive, item);
  }
  if (replace) return items.map((item) => mergeObject({}, item, schema));
  for (const item of items) {
    if (!Object.hasOwn(item, mergeKey)) {
      throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
    }
    const at = indexOf(merged, item, identity);
    if (at < 0) merged.push(mergeObject({}, item, schema));
    else merged[at] = mergeObject(merged[at] as JsonObject, item, schema);
  }
  return ordered(merged, items, before, identity);
}

/** Elements that `order` names stand in its order; the others keep theirs, woven in where the server had them before. */
function ordered(
  list: readonly unknown[],
  order: readonly unknown[],
  serverOrder: readonly unknown[],
  identity: Identity,
): unknown[] {
  const positions = list.map((item) => ({
    item,
    wanted: indexOf(order, item, identity),
    had: indexOf(serverOrder, item, identity),
  }));
  const named = positions.filter(({ wanted }) => wanted >= 0).sort((a, b) => a.wanted - b.wanted);
  const others = positions.filter(({ wanted }) => wanted < 0);
  const out: unknown[] = [];
  while (named.length > 0 || others.length > 0) {
    const [left, right] = [others[0], named[0]];
    const takeLeft = left && (!right || (left.had >= 0 && right.had >= 0 && left.had < right.had));
    out.push((takeLeft ? others : named).shift()!.item);
  }
  return out;
}
