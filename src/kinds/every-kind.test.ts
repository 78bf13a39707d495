// What holds for every built-in kind, so that a new row is tested by being there.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { KubeObject } from "../machinery/object.ts";
import { applySchemaOf } from "./apply-schema.ts";
import { arbitraryOf } from "./arbitrary.ts";
import * as others from "./groups.ts";
import { builtinKinds } from "./index.ts";
import { apiVersionOf } from "./kind.ts";
import { patchSchemaOf } from "./patch-schema.ts";
import type { AnyKind } from "./registry.ts";
import { decodeObject, type FieldFacts, schemaOf } from "./schema.ts";

const now = Date.parse("2026-01-02T00:00:00Z");

/** The object with nothing but metadata. */
const bare = (kind: AnyKind): KubeObject => ({
  apiVersion: apiVersionOf(kind),
  kind: kind.kind,
  metadata: {
    name: "x",
    ...(kind.namespaced ? { namespace: "default" } : {}),
    uid: "1",
    resourceVersion: "",
    creationTimestamp: "2026-01-01T00:00:00Z",
  },
});

const sampleScalars: Readonly<Record<string, unknown>> = {
  string: "a",
  integer: 1,
  number: 1,
  boolean: true,
  quantity: "1",
  intOrString: 1,
  time: "2026-01-01T00:00:00Z",
  microTime: "2026-01-01T00:00:00.000000Z",
  bytes: "YQ==",
  any: { a: 1 },
};

/** A value that has every field of its type, to a depth. */
function full(facts: FieldFacts, depth: number): unknown {
  if (facts.type === "array") return [full(facts.items!, depth)];
  if (facts.type === "map") return { a: full(facts.items!, depth) };
  if (facts.type !== "ref") return sampleScalars[facts.type];
  return depth === 0 ? {} : fullType(facts.ref!, depth - 1);
}

function fullType(name: string, depth: number): Record<string, unknown> {
  const fields = Object.entries(schemaOf(name)?.fields ?? {});
  const value = (field: string, facts: FieldFacts) => (field === "operator" ? "Exists" : full(facts, depth));
  return Object.fromEntries(fields.map(([field, facts]) => [field, value(field, facts)]));
}

/** An object with every field set, valid or not. */
function complete(kind: AnyKind): KubeObject {
  return { ...fullType(kind.schema, 6), ...bare(kind) };
}

test("resources and kinds are unique", () => {
  const ids = builtinKinds.flatMap(({ group, version, plural, kind }) => [
    `${group}/${version}/${plural}`,
    `${group}/${version}/${kind}`,
  ]);
  assert.equal(new Set(ids).size, ids.length);
});

for (const kind of builtinKinds) {
  const name = `${kind.group || "core"}/${kind.version} ${kind.kind}`;

  test(`${name}: the schema table has its type, and patches and apply know it`, () => {
    const type = schemaOf(kind.schema);
    assert.ok(type, kind.schema);
    assert.equal(type.gvk?.kind, kind.kind);
    assert.ok(patchSchemaOf(kind.schema));
    assert.ok(applySchemaOf(kind.schema));
    if (kind.subresources?.status) assert.ok(type.fields.status, "status");
  });

  for (const [what, make] of [
    ["an object with metadata only", bare],
    ["an object with every field", complete],
  ] as const) {
    test(`${name}: columns, selectable fields and scale show ${what}`, () => {
      const object = make(kind);
      kind.defaults?.(object);
      for (const column of kind.columns ?? []) {
        const cell = column.value(object, now);
        assert.notEqual(typeof cell, "object", column.name);
        assert.doesNotMatch(String(cell ?? ""), /undefined|NaN|\[object/, column.name);
      }
      for (const field of Object.values(kind.selectableFields ?? {})) assert.equal(typeof field(object), "string");
      kind.subresources?.scale?.get(object);
    });

    test(`${name}: defaults of ${what}, set twice, are those set once`, () => {
      const once = make(kind);
      kind.defaults?.(once);
      const twice = structuredClone(once);
      kind.defaults?.(twice);
      assert.deepEqual(twice, once);
    });

    test(`${name}: ${what} passes preparation and validation without an exception`, () => {
      const draft = make(kind);
      kind.defaults?.(draft);
      kind.prepareForCreate?.(draft);
      const errors = kind.validate?.(draft) ?? [];
      for (const { field, message } of errors) assert.ok(field && message, JSON.stringify({ field, message }));
      const next = structuredClone(draft);
      kind.prepareForUpdate?.(next, draft);
      assert.deepEqual(kind.validateUpdate?.(next, draft) ?? [], []);
      kind.validateStatusUpdate?.(next, draft);
      kind.warnings?.(draft);
    });
  }

  if (kind.storage) {
    test(`${name}: what is stored for it comes back`, () => {
      const draft = bare(kind);
      kind.defaults?.(draft);
      const back = kind.storage!.fromStored(kind.storage!.toStored(draft));
      for (const [field, value] of Object.entries(draft)) {
        assert.deepEqual((back as unknown as Record<string, unknown>)[field], value, field);
      }
    });
  }
}

for (const kind of Object.values<AnyKind>(others)) {
  test(`${kind.group} ${kind.kind}: whatever a client sends, its functions answer`, () => {
    const metadata = { name: "x", uid: "1" };
    const object = arbitraryOf(kind.schema, 9).map((value) => {
      const body = { ...(structuredClone(value) as object), metadata };
      return decodeObject(body, kind.schema, { unknown: "ignore" }).object as KubeObject;
    });
    fc.assert(
      fc.property(object, object, (first, second) => {
        const [next, old] = [structuredClone(first), structuredClone(second)];
        kind.defaults?.(next);
        const created = structuredClone(next);
        kind.prepareForCreate?.(created);
        kind.validate?.(created);
        kind.prepareForUpdate?.(next, old);
        kind.validateUpdate?.(next, old);
        kind.validateStatusUpdate?.(next, old);
        kind.storage?.fromStored(kind.storage.toStored(next));
        // Only what was accepted is ever stored and shown.
        if (kind.validate?.(next).length) return;
        for (const column of kind.columns ?? []) column.value(next, now);
        for (const field of Object.values(kind.selectableFields ?? {})) assert.equal(typeof field(next), "string");
      }),
      { numRuns: 100 },
    );
  });
}
