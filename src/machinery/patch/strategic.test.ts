// Strategic merge patches with every directive, against what each of them means on its own.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { applyStrategicPatch, type PatchField, type PatchSchema } from "./strategic.ts";

type Json = Record<string, any>;

const schemaOf = (fields: Readonly<Record<string, PatchField>>): PatchSchema => ({ field: (name) => fields[name] });
const merged = { patchStrategy: ["merge"] };
const schema = schemaOf({
  map: { object: schemaOf({}) },
  union: { object: schemaOf({}), patchStrategy: ["retainKeys"] },
  list: {},
  set: merged,
  items: { ...merged, patchMergeKey: "k", items: schemaOf({ tags: merged }) },
});

const scalar = fc.constantFrom(1, 2, 3);
const words = (...all: string[]) => fc.uniqueArray(fc.constantFrom(...all), { minLength: 1 });
const optional = <T extends object>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(fields, { requiredKeys: [], noNullPrototype: true }) as fc.Arbitrary<Partial<T>>;
const keys = ["a", "b", "c", "d"];
const itemOf = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record({ k: fc.constantFrom(...keys), ...fields }, { requiredKeys: ["k"], noNullPrototype: true });
const itemsOf = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.uniqueArray(itemOf(fields), { minLength: 1, selector: ({ k }) => k });

const documents = optional<Json>({
  plain: scalar,
  map: optional<Json>({ x: scalar, y: scalar }),
  union: optional<Json>({ x: scalar, y: scalar }),
  list: fc.array(scalar),
  set: words("s", "t", "u", "v"),
  items: itemsOf({ v: scalar, w: scalar, tags: words("s", "t") }),
});

/** What a patch shall do, in no particular form. */
interface Intent {
  readonly plain?: number | null;
  readonly map?: { readonly how: "merge" | "replace" | "delete"; readonly value: Json };
  readonly retain?: { readonly keep: readonly string[]; readonly value: Json };
  readonly list?: number[] | null;
  readonly addToSet?: string[];
  readonly deleteFromSet?: string[];
  readonly setOrder?: boolean;
  readonly items?: Json[];
  readonly deleteItems?: string[];
  readonly replaceItems?: boolean;
  readonly itemOrder?: boolean;
}
const nullable = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null, freq: 3 });
const intents = optional<Required<Intent>>({
  plain: nullable(scalar),
  map: fc
    .tuple(
      fc.constantFrom("merge" as const, "replace" as const, "delete" as const),
      optional<Json>({ x: nullable(scalar), y: scalar }),
    )
    .map(([how, value]) => ({ how, value })),
  retain: fc.tuple(words("x", "y"), optional<Json>({ x: scalar, y: scalar })).map(([keep, value]) => ({ keep, value })),
  list: nullable(fc.array(scalar)),
  addToSet: words("s", "t"),
  deleteFromSet: words("u", "v"),
  setOrder: fc.boolean(),
  items: itemsOf({ v: nullable(scalar), w: scalar, tags: words("t", "u") }),
  deleteItems: words("c", "d"),
  replaceItems: fc.boolean(),
  itemOrder: fc.boolean(),
}) as fc.Arbitrary<Intent>;

/** Items that the intent changes and does not delete. */
const changedItems = ({ items = [], deleteItems = [] }: Intent) => items.filter(({ k }) => !deleteItems.includes(k));
const retained = ({ keep, value }: NonNullable<Intent["retain"]>) =>
  Object.fromEntries(Object.entries(value).filter(([name]) => keep.includes(name)));

function patchOf(intent: Intent): Json {
  const { plain, map, retain, list, addToSet, deleteFromSet, deleteItems, replaceItems } = intent;
  const items = changedItems(intent);
  return {
    ...(plain !== undefined ? { plain } : {}),
    ...(map ? { map: map.how === "delete" ? { $patch: "delete" } : { $patch: map.how, ...map.value } } : {}),
    ...(retain ? { union: { $retainKeys: retain.keep, ...retained(retain) } } : {}),
    ...(list !== undefined ? { list } : {}),
    ...(addToSet ? { set: addToSet } : {}),
    ...(deleteFromSet ? { "$deleteFromPrimitiveList/set": deleteFromSet } : {}),
    ...(intent.setOrder && addToSet ? { "$setElementOrder/set": [...addToSet, "w"] } : {}),
    ...(items.length > 0 || deleteItems || replaceItems
      ? {
          items: [
            ...items,
            ...(deleteItems ?? []).map((k) => ({ k, $patch: "delete" })),
            ...(replaceItems ? [{ $patch: "replace" }] : []),
          ],
        }
      : {}),
    ...(intent.itemOrder && items.length > 0 ? { "$setElementOrder/items": items.map(({ k }) => ({ k })) } : {}),
  };
}

const withoutNulls = (value: Json) => Object.fromEntries(Object.entries(value).filter(([, part]) => part !== null));
const union = (...lists: (string[] | undefined)[]) => [...new Set(lists.flatMap((list) => list ?? []))].toSorted();

/** What the intent makes of a document, all lists but the plain one in order. */
function expected(document: Json, intent: Intent): Json {
  const { plain = document.plain, map, retain, list = document.list, addToSet, deleteFromSet = [] } = intent;
  const set = union(document.set, addToSet).filter((word) => !deleteFromSet.includes(word));
  const items = new Map<string, Json>();
  for (const item of intent.replaceItems ? [] : (document.items ?? [])) items.set(item.k, item);
  for (const k of intent.deleteItems ?? []) items.delete(k);
  for (const item of changedItems(intent)) {
    const before = items.get(item.k);
    const tags = union(before?.tags, item.tags);
    items.set(item.k, withoutNulls({ ...before, ...item, ...(tags.length > 0 ? { tags } : {}) }));
  }
  const whole = retain && Object.entries({ ...document.union, ...retain.value });
  return inOrder({
    ...(plain !== undefined && plain !== null ? { plain } : {}),
    map: map
      ? { ...(map.how === "merge" ? document.map : {}), ...(map.how === "delete" ? {} : map.value) }
      : document.map,
    union: retain ? Object.fromEntries(whole!.filter(([name]) => retain.keep.includes(name))) : document.union,
    list: list ?? undefined,
    set,
    items: [...items.values()],
  });
}

/** The same for the eye of the test: nulls, and lists that are empty or absent, are one. */
function inOrder({ map, union: other, list, set, items, ...rest }: Json): Json {
  const sorted = ((items ?? []) as Json[]).map((item): Json => ({
    ...item,
    ...(item.tags ? { tags: item.tags.toSorted() } : {}),
  }));
  return {
    ...rest,
    map: withoutNulls(map ?? {}),
    union: other ?? {},
    list: list ?? [],
    set: (set ?? []).toSorted(),
    items: sorted.toSorted((a, b) => (a.k < b.k ? -1 : 1)),
  };
}

test("every directive does what it says, whatever comes with it, and lists keep the orders that they are given", () => {
  fc.assert(
    fc.property(documents, intents, (document, intent) => {
      const patch = patchOf(intent);
      const copies = structuredClone([document, patch]);
      const after = applyStrategicPatch(document, patch, schema) as Json;
      assert.deepEqual([document, patch], copies);
      assert.deepEqual(inOrder(after), expected(document, intent));

      const ordered = (list: readonly string[] = [], wanted: readonly string[] = []) => {
        const named = list.filter((word) => wanted.includes(word));
        assert.deepEqual(
          named,
          wanted.filter((word) => named.includes(word)),
        );
        return list.filter((word) => !wanted.includes(word));
      };
      // What the patch does not name stays in the order that it had.
      const rest = ordered(after.set, intent.addToSet);
      assert.deepEqual(
        rest,
        (document.set ?? []).filter((word: string) => rest.includes(word)),
      );
      const ks = (list: Json[] | undefined) => (list ?? []).map(({ k }) => k as string);
      const others = ordered(ks(after.items), ks(changedItems(intent)));
      assert.deepEqual(
        others,
        ks(document.items).filter((k) => others.includes(k)),
      );
    }),
    { numRuns: 1000 },
  );
});
