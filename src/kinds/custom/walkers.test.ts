// The walkers of structural schemas as tables: what goes, what is filled in, what is refused.
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import type { JSONSchemaProps } from "../generated/apiextensions.v1.ts";
import { columnsOf } from "./columns.ts";
import { withDefaults } from "./defaults.ts";
import { hasFormat } from "./formats.ts";
import { compileJsonPath } from "./json-path.ts";
import { pruneObject } from "./prune.ts";
import { schemaErrors } from "./validate.ts";

const object = (properties: Record<string, object>, more: object = {}): JSONSchemaProps =>
  ({ type: "object", properties, ...more }) as JSONSchemaProps;
const open = { "x-kubernetes-preserve-unknown-fields": true };

const pruning: [name: string, schema: JSONSchemaProps, value: object, left: object, unknown: string[]][] = [
  ["unknown fields go", object({ a: { type: "string" } }), { a: "x", b: 1 }, { a: "x" }, ["b"]],
  [
    "in lists and maps too",
    object({
      l: { type: "array", items: object({ a: {} }) },
      m: { type: "object", additionalProperties: object({ a: {} }) },
    }),
    { l: [{ a: 1, b: 2 }], m: { k: { b: 1 } } },
    { l: [{ a: 1 }], m: { k: {} } },
    ["l[0].b", "m.k.b"],
  ],
  [
    "what is preserved stays, but its declared parts are pruned",
    object({ p: { ...object({ a: object({ b: {} }) }), ...open } }),
    { p: { x: { y: 1 }, a: { c: 1, b: 2 } } },
    { p: { x: { y: 1 }, a: { b: 2 } } },
    ["p.a.c"],
  ],
  [
    "apiVersion, kind and metadata of the object and of embedded ones stay",
    object({ e: { type: "object", "x-kubernetes-embedded-resource": true } }),
    {
      apiVersion: "v",
      kind: "K",
      metadata: { name: "n" },
      e: { apiVersion: "v1", kind: "P", metadata: { name: "x", nope: 1 }, z: 1 },
    },
    {
      apiVersion: "v",
      kind: "K",
      metadata: { name: "n" },
      e: { apiVersion: "v1", kind: "P", metadata: { name: "x" } },
    },
    ["e.metadata.nope", "e.z"],
  ],
];

describe("pruning", () => {
  for (const [name, schema, value, left, unknown] of pruning) {
    test(name, () => {
      const before = structuredClone(value);
      const pruned = pruneObject(value, schema);
      assert.deepEqual(pruned.value, left);
      assert.deepEqual(pruned.unknownFields, unknown);
      assert.deepEqual(value, before);
    });
  }
  test("nothing is copied when nothing goes", () => {
    const value = { a: { b: [1, 2] } };
    assert.equal(pruneObject(value, object({ a: object({ b: { type: "array", items: {} } }) })).value, value);
  });
});

const defaulting: [name: string, schema: JSONSchemaProps, value: object, filled: object][] = [
  ["absent fields", object({ a: { type: "integer", default: 1 } }), {}, { a: 1 }],
  ["fields of absent objects only with a default there", object({ o: object({ a: { default: 1 } }) }), {}, {}],
  ["fields below a default", object({ o: object({ a: { default: 1 } }, { default: {} }) }), {}, { o: { a: 1 } }],
  ["null where it is not allowed", object({ a: { type: "string", default: "x" } }), { a: null }, { a: "x" }],
  [
    "null where it is allowed",
    object({ a: { type: "string", default: "x", nullable: true } }),
    { a: null },
    { a: null },
  ],
  ["null without a default", object({ a: { type: "string" } }), { a: null }, {}],
  [
    "elements of lists and maps",
    object({
      l: { type: "array", items: object({ a: { default: 1 } }) },
      m: { type: "object", additionalProperties: object({ a: { default: 2 } }) },
    }),
    { l: [{}], m: { k: {} } },
    { l: [{ a: 1 }], m: { k: { a: 2 } } },
  ],
];

describe("defaulting fills", () => {
  for (const [name, schema, value, filled] of defaulting) {
    test(name, () => {
      const before = structuredClone(value);
      const once = withDefaults(value, schema);
      assert.deepEqual(once, filled);
      assert.equal(withDefaults(once, schema), once);
      assert.deepEqual(value, before);
    });
  }
});

const listMap = {
  type: "array",
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["k"],
  items: object({ k: { type: "string" }, v: { type: "integer", maximum: 3 } }),
};

const refusals: [schema: object, value: unknown, errors: string[]][] = [
  [{ type: "string" }, 1, ['x: Invalid value: "integer": x in body must be of type string: "integer"']],
  [{ type: "integer" }, 1.5, ['x: Invalid value: "number": x in body must be of type integer: "number"']],
  [{ type: "number" }, 1, []],
  [{ type: "string" }, null, ['x: Invalid value: "null": x in body must be of type string: "null"']],
  [{ type: "string", nullable: true }, null, []],
  [{ "x-kubernetes-int-or-string": true }, "50%", []],
  [
    { "x-kubernetes-int-or-string": true },
    true,
    ['x: Invalid value: "boolean": x in body must be of type integer,string: "boolean"'],
  ],
  [{ type: "string", enum: ["a", "b"] }, "c", ['x: Unsupported value: "c": supported values: "a", "b"']],
  [{ type: "string", maxLength: 2 }, "abc", ["x: Too long: may not be more than 2 bytes"]],
  [{ type: "string", minLength: 2 }, "😀", ['x: Invalid value: "😀": x in body should be at least 2 chars long']],
  [{ type: "string", pattern: "^a+$" }, "b", ["x: Invalid value: \"b\": x in body should match '^a+$'"]],
  [{ type: "string", format: "ipv4" }, "b", ['x: Invalid value: "b": x in body must be of type ipv4: "b"']],
  [{ type: "integer", minimum: 2 }, 1, ["x: Invalid value: 1: x in body should be greater than or equal to 2"]],
  [
    { type: "integer", maximum: 2, exclusiveMaximum: true },
    2,
    ["x: Invalid value: 2: x in body should be less than 2"],
  ],
  [{ type: "number", multipleOf: 0.1 }, 0.3, []],
  [{ type: "integer", multipleOf: 5 }, 7, ["x: Invalid value: 7: x in body should be a multiple of 5"]],
  [{ type: "array", maxItems: 1 }, [1, 2], ["x: Too many: 2: must have at most 1 items"]],
  [
    { type: "array", items: { type: "string" } },
    ["a", 1],
    ['x[1]: Invalid value: "integer": x[1] in body must be of type string: "integer"'],
  ],
  [
    { type: "array", "x-kubernetes-list-type": "set" },
    [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
    ['x[1]: Duplicate value: {"b":2,"a":1}'],
  ],
  [
    listMap,
    [
      { k: "a", v: 1 },
      { k: "a", v: 2 },
    ],
    ['x[1]: Duplicate value: {"k":"a"}'],
  ],
  [object({ a: {} }, { required: ["a", "b"] }), { a: 1 }, ["x.b: Required value"]],
  [{ type: "object", maxProperties: 1 }, { a: 1, b: 2 }, ["x: Too many: 2: must have at most 1 items"]],
  [
    { type: "object", additionalProperties: { type: "integer" } },
    { k: "v" },
    ['x.k: Invalid value: "string": x.k in body must be of type integer: "string"'],
  ],
  [
    { type: "object", oneOf: [{ required: ["a"] }, { required: ["b"] }] },
    { a: 1, b: 2 },
    ['x: Invalid value: "": "x" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
  ],
  [
    { type: "object", anyOf: [{ required: ["a"] }, { required: ["b"] }] },
    {},
    ['x: Invalid value: "": "x" must validate at least one schema (anyOf)', "x.a: Required value"],
  ],
  [{ type: "integer", not: { enum: [3] } }, 3, ['x: Invalid value: "": "x" must not validate the schema (not)']],
  [
    { type: "object", "x-kubernetes-embedded-resource": true, ...open },
    { kind: "P" },
    ["x.apiVersion: Required value: must not be empty"],
  ],
];

describe("validation", () => {
  for (const [schema, value, errors] of refusals) {
    test(`${JSON.stringify(schema)} for ${JSON.stringify(value)}`, () => {
      const found = schemaErrors({ x: value }, object({ x: schema }));
      assert.deepEqual(
        found.map(({ field, message }) => `${field}: ${message}`),
        errors,
      );
    });
  }
  test("what an update leaves as it was is not judged again, in list maps by key", () => {
    const schema = object({ x: listMap });
    const old = { x: [{ k: "a", v: 9 }] };
    assert.deepEqual(
      schemaErrors(
        {
          x: [
            { k: "b", v: 1 },
            { k: "a", v: 9 },
          ],
        },
        schema,
        old,
      ),
      [],
    );
    assert.equal(schemaErrors({ x: [{ k: "a", v: 8 }] }, schema, old).length, 1);
  });
});

const formatRows: [format: string, right: string, wrong: string][] = [
  ["date", "2024-02-29", "2023-02-29"],
  ["date-time", "2024-01-01T00:00:00Z", "2024-01-01"],
  ["duration", "1h30m", "1 hour"],
  ["uuid", "123e4567-e89b-12d3-a456-426614174000", "123"],
  ["byte", "YWI=", "a"],
  ["email", "a@b.c", "a"],
  ["hostname", "a.b-c", "-a"],
  ["cidr", "10.0.0.0/8", "10.0.0.0/64"],
  ["mac", "00:11:22:33:44:55", "00:11"],
  ["isbn", "0-306-40615-2", "0-306-40615-3"],
  ["creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"],
  ["hexcolor", "#a0b1c2", "#xyz"],
  ["rgbcolor", "rgb(1,2,255)", "rgb(1,2,256)"],
  ["k8s-short-name", "a-b", "A"],
];

test("formats tell right from wrong, and unknown ones say nothing", () => {
  for (const [format, right, wrong] of formatRows) {
    assert.deepEqual([format, hasFormat(right, format), hasFormat(wrong, format)], [format, true, false]);
  }
  assert.equal(hasFormat("anything", "unheard-of"), true);
});

const tree = {
  spec: {
    a: [
      { n: "x", v: 1 },
      { n: "y", v: 2 },
    ],
    "b.c": 3,
    "d-e": { f: true },
  },
  status: { conditions: [{ type: "Ready", status: "True" }] },
};

const paths: [path: string, found: unknown[]][] = [
  [".spec.a[0].n", ["x"]],
  [".spec.a[-1].v", [2]],
  [".spec.a[*].n", ["x", "y"]],
  [".spec.a[0:1].n", ["x"]],
  [".spec.b\\.c", [3]],
  [".spec['b.c']", [3]],
  [".spec.d-e.f", [true]],
  ['.status.conditions[?(@.type=="Ready")].status', ["True"]],
  [".status.conditions[?(@.type=='Other')].status", []],
  ["..v", [1, 2]],
  [".nope.at.all", []],
];

describe("JSONPath", () => {
  for (const [path, found] of paths) test(path, () => assert.deepEqual(compileJsonPath(path)(tree), found));
});

test("columns show what they find, dates as ages", () => {
  const columns = columnsOf([
    { name: "N", type: "integer", jsonPath: ".spec.n" },
    { name: "List", type: "string", jsonPath: ".spec.l[*]" },
    { name: "Since", type: "date", jsonPath: ".spec.at" },
    { name: "None", type: "string", jsonPath: ".spec.none" },
  ]);
  const now = Date.parse("2024-01-01T01:00:00Z");
  const shown = { metadata: { name: "a" }, spec: { n: 3, l: ["x", "y"], at: "2024-01-01T00:00:00Z" } };
  assert.deepEqual(
    columns.map((column) => column.value(shown as never, now)),
    ["a", 3, "x,y", "60m", null],
  );
});
