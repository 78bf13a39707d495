// The quick walks over fields against what they mean, on arbitrary objects.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  differenceOf,
  type Fields,
  fieldsNode,
  intersectionOf,
  outsideOf,
  pathsOf,
  unionOf,
} from "../machinery/apply/fields-set.ts";
import { trackable, trackedFields } from "../machinery/apply/managed-fields.ts";
import { compare, type Comparison, fieldsOf, type TypedSchema } from "../machinery/apply/typed.ts";
import { deepEqual } from "../machinery/equal.ts";
import { applySchemaOf } from "./apply-schema.ts";
import { arbitraryOf } from "./arbitrary.ts";

type Json = Record<string, unknown>;

const elements = ["f:a", "f:b", 'k:{"name":"x"}'];
const fieldsDeep = (depth: number): fc.Arbitrary<Fields> =>
  depth === 0
    ? fc.constant({})
    : fc
        .tuple(fc.boolean(), fc.dictionary(fc.constantFrom(...elements), fieldsDeep(depth - 1), { maxKeys: 3 }))
        .map(([member, below]) => fieldsNode(member, Object.entries(below)) ?? {});
const anyFields = fieldsDeep(3);

test("sets of fields are combined member by member", () => {
  fc.assert(
    fc.property(anyFields, anyFields, (a, b) => {
      const [inA, inB] = [new Set(pathsOf(a)), new Set(pathsOf(b))];
      const members = (fields: Fields | undefined) => pathsOf(fields).toSorted();
      assert.deepEqual(members(unionOf(a, b)), [...inA.union(inB)].toSorted());
      assert.deepEqual(members(differenceOf(a, b)), [...inA.difference(inB)].toSorted());
      assert.deepEqual(members(intersectionOf(a, b)), [...inA.intersection(inB)].toSorted());
      if (Object.keys(b).length === 0 || "." in b) assert.equal(outsideOf(a, b), undefined);
      else {
        const outside = [...inA].filter((path) => ![...inB].some((other) => path.startsWith(other)));
        assert.deepEqual(members(outsideOf(a, b)), outside.toSorted());
      }
    }),
  );
});

/** The parts of a value by their elements, without any thrift. */
function parts(value: unknown, schema: TypedSchema): Map<string, [unknown, TypedSchema]> | undefined {
  if (Array.isArray(value)) {
    if (schema.type === "set")
      return new Map(value.map((item) => [`v:${JSON.stringify(item)}`, [item, { type: "leaf" }]]));
    if (schema.type !== "listMap") return undefined;
    const element = (item: Json) => {
      const keys = schema.keys.toSorted().map((key) => [key, item[key] ?? schema.defaults?.[key]] as const);
      return `k:${JSON.stringify(Object.fromEntries(keys.filter(([, key]) => key !== undefined)))}`;
    };
    // Of items with the same keys the first counts.
    return new Map((value as Json[]).toReversed().map((item) => [element(item), [item, schema.items]]));
  }
  if (typeof value !== "object" || value === null || schema.type === "leaf") return undefined;
  return new Map(
    Object.entries(value).map(([name, part]) => {
      const below = schema.type === "struct" ? schema.field(name) : schema.type === "map" ? schema.items : schema;
      return [`f:${name}`, [part, below ?? { type: "leaf" }]];
    }),
  );
}

function plainComparison(before: unknown, after: unknown, schema: TypedSchema, member: boolean): Comparison {
  if (deepEqual(before, after)) return {};
  if (before === undefined) return { added: fieldsOf(after, schema, true, member) };
  if (after === undefined) return { removed: fieldsOf(before, schema, true, member) };
  const [was, is] = [parts(before, schema), parts(after, schema)];
  if (!was || !is) return { modified: {} };
  const rows = [...new Set([...is.keys(), ...was.keys()])].map((element) => {
    const [, below] = (is.get(element) ?? was.get(element))!;
    const row = plainComparison(was.get(element)?.[0], is.get(element)?.[0], below, schema.type !== "struct");
    return [element, row] as const;
  });
  const side = (name: keyof Comparison) =>
    fieldsNode(
      false,
      rows.map(([element, row]) => [element, row[name]] as const),
    );
  return { added: side("added"), modified: side("modified"), removed: side("removed") };
}

test("comparing finds what a plain comparison finds, and new objects own what differs from nothing", () => {
  const schema = applySchemaOf("core.v1.Pod")!;
  const pod = arbitraryOf("core.v1.Pod", 5) as fc.Arbitrary<Json>;
  const changed = fc.tuple(pod, pod, fc.boolean()).map(([a, b, mixed]) => [a, mixed ? { ...a, ...b } : b] as const);
  fc.assert(
    fc.property(changed, ([before, after]) => {
      const { added, modified, removed } = compare(before, after, schema);
      const plain = plainComparison(before, after, schema, false);
      assert.deepEqual(
        { added, modified, removed },
        { added: undefined, modified: undefined, removed: undefined, ...plain },
      );
      const ignored = { "f:status": {} };
      const owned = trackable(compare({}, after, schema).added, ignored);
      assert.deepEqual(trackedFields(after, schema, ignored), owned);
      assert.deepEqual(trackedFields(after, schema, ignored), owned);
    }),
  );
});
