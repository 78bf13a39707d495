// Walks over JSON values by a schema: the fields of a value, the difference of two, the merge of two, the removal of fields.
// Follows kubernetes v1.36 sigs.k8s.io/structured-merge-diff typed (which paths are recorded, order of merged lists).
import { deepEqual } from "../equal.ts";
import { badRequest } from "../errors.ts";
import { childrenOf, type Fields, isMember, leaf } from "./fields-set.ts";

/** How a value is merged and tracked. */
export type TypedSchema =
  /** One unit: scalars, atomic lists and maps. */
  | { readonly type: "leaf" }
  /** Known fields; those without a schema are one unit each. */
  | { readonly type: "struct"; readonly field: (name: string) => TypedSchema | undefined }
  /** Free keys, each with its own owner. */
  | { readonly type: "map"; readonly items: TypedSchema }
  /** A list of scalars, each with its own owner. */
  | { readonly type: "set" }
  /** A list of objects told apart by keys, which are sorted; `defaults` stand in for absent ones. */
  | {
      readonly type: "listMap";
      readonly keys: readonly string[];
      readonly defaults?: Readonly<Record<string, unknown>>;
      readonly items: TypedSchema;
    }
  /** No schema: objects are maps, everything else is one unit. */
  | { readonly type: "deduced" };

type JsonObject = Record<string, unknown>;
type Visit = readonly [element: string, value: unknown, schema: TypedSchema];

export const leafSchema: TypedSchema = { type: "leaf" };
export const deducedSchema: TypedSchema = { type: "deduced" };

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** True when the value consists of parts with their own owners. */
function isComposite(value: unknown, schema: TypedSchema): boolean {
  switch (schema.type) {
    case "leaf":
      return false;
    case "set":
    case "listMap":
      return Array.isArray(value);
    default:
      return isObject(value);
  }
}

const elements = new Map<string, string>();
const maxElements = 4096;

/** `f:` and the name. Remembered, because making and hashing these texts would be most of the work of naming fields. */
function fieldElement(name: string): string {
  let element = elements.get(name);
  if (element !== undefined) return element;
  element = `f:${name}`;
  if (elements.size < maxElements) elements.set(name, element);
  return element;
}

function itemElement(item: unknown, schema: TypedSchema): string {
  if (schema.type !== "listMap") return `v:${JSON.stringify(item)}`;
  let text = "";
  for (const key of schema.keys) {
    const value = isObject(item) && Object.hasOwn(item, key) ? item[key] : schema.defaults?.[key];
    if (value !== undefined) text += `${text && ","}${JSON.stringify(key)}:${JSON.stringify(value)}`;
  }
  return `k:{${text}}`;
}

/** How the part of an object under this name is tracked. */
export function propertySchema(schema: TypedSchema, name: string): TypedSchema {
  if (schema.type === "struct") return schema.field(name) ?? leafSchema;
  return schema.type === "map" ? schema.items : deducedSchema;
}

const itemSchema = (schema: TypedSchema): TypedSchema => (schema.type === "listMap" ? schema.items : leafSchema);

/** The parts of a composite value. */
function partsOf(value: unknown, schema: TypedSchema): Visit[] {
  if (Array.isArray(value)) return value.map((item) => [itemElement(item, schema), item, itemSchema(schema)]);
  return Object.entries(value as JsonObject)
    .filter(([, part]) => part !== undefined)
    .map(([name, part]) => [fieldElement(name), part, propertySchema(schema, name)]);
}

/** True for parts that are members themselves besides what is below them: map entries and list items. */
const partsAreMembers = (schema: TypedSchema) => schema.type !== "struct";

/** The fields of a value. `containers` adds the maps and lists themselves, as an update that makes them owns them. */
export function fieldsOf(value: unknown, schema: TypedSchema, containers: boolean, member = false): Fields | undefined {
  if (!isComposite(value, schema)) return leaf;
  const membersBelow = partsAreMembers(schema);
  const owned = member || (containers && membersBelow);
  let out: Record<string, Fields> | undefined;
  const add = (element: string, part: unknown, below: TypedSchema) => {
    const fields = fieldsOf(part, below, containers, membersBelow);
    if (fields) (out ??= owned ? { ".": leaf } : {})[element] = fields;
  };
  if (Array.isArray(value)) {
    for (const item of value) add(itemElement(item, schema), item, itemSchema(schema));
    return out ?? (owned ? leaf : undefined);
  }
  let empty = true;
  for (const name in value as JsonObject) {
    const part = (value as JsonObject)[name];
    if (part === undefined) continue;
    empty = false;
    add(fieldElement(name), part, propertySchema(schema, name));
  }
  return out ?? (owned || empty ? leaf : undefined);
}

export interface Comparison {
  readonly added?: Fields | undefined;
  readonly modified?: Fields | undefined;
  readonly removed?: Fields | undefined;
}

const noDifference: Comparison = {};

/** What differs between two values; undefined stands for absent. */
export function compare(before: unknown, after: unknown, schema: TypedSchema, member = false): Comparison {
  if (before === after) return noDifference;
  if (before === undefined) return { added: fieldsOf(after, schema, true, member) };
  if (after === undefined) return { removed: fieldsOf(before, schema, true, member) };
  if (!isComposite(before, schema) || !isComposite(after, schema)) {
    return deepEqual(before, after) ? noDifference : { modified: leaf };
  }
  if (!Array.isArray(before)) return compareObjects(before as JsonObject, after as JsonObject, schema);
  // Most lists are as before, and finding that out is much cheaper than naming their items.
  return deepEqual(before, after) ? noDifference : compareLists(before, after as unknown[], schema);
}

class Differences implements Comparison {
  added: Record<string, Fields> | undefined;
  modified: Record<string, Fields> | undefined;
  removed: Record<string, Fields> | undefined;

  add(element: string, { added, modified, removed }: Comparison): void {
    if (added) (this.added ??= {})[element] = added;
    if (modified) (this.modified ??= {})[element] = modified;
    if (removed) (this.removed ??= {})[element] = removed;
  }
}

const own = (object: JsonObject, name: string): unknown => (Object.hasOwn(object, name) ? object[name] : undefined);

function compareObjects(before: JsonObject, after: JsonObject, schema: TypedSchema): Comparison {
  const out = new Differences();
  const members = partsAreMembers(schema);
  for (const name in after) {
    const [was, is] = [own(before, name), after[name]];
    if (was === is || is === undefined) continue;
    out.add(fieldElement(name), compare(was, is, propertySchema(schema, name), members));
  }
  for (const name in before) {
    const was = before[name];
    if (was === undefined || own(after, name) !== undefined) continue;
    out.add(fieldElement(name), compare(was, undefined, propertySchema(schema, name), members));
  }
  return out;
}

function compareLists(before: readonly unknown[], after: readonly unknown[], schema: TypedSchema): Comparison {
  const out = new Differences();
  // Of items with the same keys the first counts.
  const old = new Map(before.toReversed().map((item) => [itemElement(item, schema), item]));
  const seen = new Set<string>();
  for (const item of after) {
    const element = itemElement(item, schema);
    if (seen.has(element)) continue;
    seen.add(element);
    out.add(element, compare(old.get(element), item, itemSchema(schema), true));
  }
  for (const [element, item] of old) {
    if (!seen.has(element)) out.add(element, compare(item, undefined, itemSchema(schema), true));
  }
  return out;
}

/**
 * `live` with `config` laid over it; the order of list items in `config` wins. Parts that stay as they are are the very
 * same. Throws BadRequest for doubled list keys.
 */
export function mergeTyped(live: unknown, config: unknown, schema: TypedSchema, path = ""): unknown {
  if (config === undefined) return live;
  if (!isComposite(config, schema)) return deepEqual(live, config) ? live : config;
  const isFresh = !isComposite(live, schema);
  if (Array.isArray(config)) return mergeLists(isFresh ? undefined : (live as unknown[]), config, schema, path);
  const base = (isFresh ? {} : live) as JsonObject;
  let out: JsonObject | undefined = isFresh ? {} : undefined;
  for (const name in config as JsonObject) {
    const value = (config as JsonObject)[name];
    if (value === undefined) continue;
    const merged = mergeTyped(own(base, name), value, propertySchema(schema, name), `${path}.${name}`);
    if (merged !== own(base, name)) (out ??= { ...base })[name] = merged;
  }
  return out ?? base;
}

function mergeLists(
  live: readonly unknown[] | undefined,
  config: readonly unknown[],
  schema: TypedSchema,
  path: string,
): readonly unknown[] {
  const items = itemSchema(schema);
  const before = live ?? [];
  const liveElements = before.map((item) => itemElement(item, schema));
  const wanted = new Map<string, unknown>();
  // Most lists name the items that are there, in their order.
  let isSameOrder = config.length === before.length;
  config.forEach((item, i) => {
    const element = itemElement(item, schema);
    if (schema.type === "listMap" && element === "k:{}") {
      throw badRequest(`failed to create typed patch object: ${path}: element is missing its list keys`);
    }
    if (wanted.has(element)) {
      throw badRequest(`failed to create typed patch object: ${path}: duplicate entries for key ${element.slice(2)}`);
    }
    wanted.set(element, item);
    isSameOrder &&= element === liveElements[i];
  });
  const mergeItem = (element: string, old: unknown, item: unknown) =>
    mergeTyped(old, item, items, `${path}[${element.slice(2)}]`);
  const merged = isSameOrder
    ? config.map((item, i) => mergeItem(liveElements[i]!, before[i], item))
    : mergeReordered(before, liveElements, wanted, mergeItem);
  return live && merged.length === live.length && merged.every((item, i) => item === live[i]) ? live : merged;
}

function mergeReordered(
  live: readonly unknown[],
  liveElements: readonly string[],
  wanted: ReadonlyMap<string, unknown>,
  mergeItem: (element: string, old: unknown, item: unknown) => unknown,
): unknown[] {
  const firstLive = new Map<string, unknown>();
  liveElements.forEach((element, i) => firstLive.has(element) || firstLive.set(element, live[i]));
  const rest = [...wanted];
  const done = new Set<string>();
  const out: unknown[] = [];
  const takeWanted = () => {
    const [element, item] = rest.shift()!;
    out.push(mergeItem(element, firstLive.get(element), item));
    done.add(element);
  };
  liveElements.forEach((element, i) => {
    if (!wanted.has(element)) out.push(live[i]);
    else while (!done.has(element)) takeWanted();
  });
  while (rest.length > 0) takeWanted();
  return out;
}

/** What is left of a part: an item of a list keeps its keys, though their owner may be gone. */
function withKeys(part: unknown, left: unknown, schema: TypedSchema): unknown {
  const some = left ?? (Array.isArray(part) ? [] : {});
  if (schema.type !== "listMap" || !isObject(part) || !isObject(some)) return some;
  const kept = Object.entries(part).filter(([name]) => schema.keys.includes(name));
  return kept.every(([name]) => Object.hasOwn(some, name)) ? some : { ...Object.fromEntries(kept), ...some };
}

/**
 * `value` without the fields of `gone` unless they, or anything below them, are in `kept`. Objects that lose their last
 * part that way go too. Returns undefined when nothing is left.
 */
export function removeFields(value: unknown, schema: TypedSchema, gone: Fields, kept: Fields | undefined): unknown {
  if (!isComposite(value, schema)) return value;
  const doomed = new Map(childrenOf(gone));
  const keeping = new Map(childrenOf(kept));
  let changed = false;
  const remaining: [string, unknown][] = [];
  for (const [element, part, below] of partsOf(value, schema)) {
    const target = doomed.get(element);
    const keep = keeping.get(element);
    if (!target) remaining.push([element, part]);
    else if (isMember(target) && !keep) changed = true;
    else {
      const left = removeFields(part, below, target, keep);
      changed ||= left !== part;
      // An item that somebody still owns stays, even if it has lost all else.
      if (left !== undefined || keep) remaining.push([element, withKeys(part, left, schema)]);
    }
  }
  if (!changed) return value;
  if (remaining.length === 0) return undefined;
  if (Array.isArray(value)) return remaining.map(([, part]) => part);
  return Object.fromEntries(remaining.map(([element, part]) => [element.slice(2), part]));
}
