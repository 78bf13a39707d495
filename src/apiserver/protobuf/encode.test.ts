// Objects of every kind to protobuf and back.
import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { arbitraryOf } from "../../kinds/arbitrary.ts";
import { builtinKinds } from "../../kinds/index.ts";
import { apiVersionOf } from "../../kinds/kind.ts";
import { decodeProtobuf } from "./decode.ts";
import { encodeProtobuf, hasProtobuf, watchFrame } from "./encode.ts";
import { rowsOf } from "./fields.ts";

/** Schemas and what stands in their place have their own test. */
const alternatives = /^apiextensions\.v1\.JSONSchemaProps/;

/** The object as it comes back: zeros of plain fields and what has no wire form are not on the wire. */
function canonical(type: string, value: unknown): unknown {
  if (type.startsWith("repeated ")) return (value as unknown[]).map((item) => canonical(type.slice(9), item));
  if (type.startsWith("map ")) {
    const entries = Object.entries(value as object);
    return Object.fromEntries(entries.map(([key, item]) => [key, canonical(type.slice(4), item)]));
  }
  if (type === "bytes") return Buffer.from(value as string, "base64").toString("base64");
  const rows = rowsOf(type);
  if (!rows || type.endsWith("ExtraValue") || type === "meta.v1.Verbs") return value;
  const fields = value as Record<string, unknown>;
  const out: Record<string, unknown> = {};
  for (const [, name, inner, flag] of rows) {
    if (alternatives.test(inner.replace(/^\w+ /, ""))) continue;
    if (flag === 2) Object.assign(out, canonical(inner, fields));
    const field = fields[name];
    if (field === undefined || (flag !== 1 && (field === "" || field === 0 || field === false))) continue;
    out[name] = canonical(inner, field);
  }
  return out;
}

const schemaOf = (apiVersion: string, kind: string) =>
  builtinKinds.find((row) => apiVersionOf(row) === apiVersion && row.kind === kind)?.schema;

test("every built-in kind survives protobuf", () => {
  for (const kind of builtinKinds) {
    assert.ok(hasProtobuf(kind.schema), kind.schema);
    const property = fc.property(arbitraryOf(kind.schema, 6), (value) => {
      const wanted = canonical(kind.schema, value) as object;
      const object = { ...wanted, apiVersion: apiVersionOf(kind), kind: kind.kind };
      assert.deepEqual(decodeProtobuf(encodeProtobuf(kind.schema, object), schemaOf), object);
    });
    fc.assert(property, { numRuns: 30 });
  }
});

test("schemas of definitions survive protobuf in all their forms", () => {
  const object = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    spec: {
      versions: [
        {
          name: "v1",
          served: true,
          storage: false,
          schema: {
            openAPIV3Schema: {
              type: "object",
              maximum: 1.5,
              default: { a: [1, "x", null] },
              enum: ["a", 1],
              properties: {
                map: { additionalProperties: { type: "string" } },
                open: { additionalProperties: true },
                closed: { additionalProperties: false },
                list: { items: { type: "integer", minimum: -3 } },
                tuple: { items: [{ type: "integer" }, { type: "string" }] },
              },
            },
          },
        },
      ],
    },
  };
  const schema = "apiextensions.v1.CustomResourceDefinition";
  assert.deepEqual(decodeProtobuf(encodeProtobuf(schema, object), schemaOf), object);
});

test("numbers beyond 32 bits, negative numbers and fractions of seconds are kept", () => {
  const lease = {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { generation: 2 ** 53 - 1, creationTimestamp: "1969-12-31T23:59:59Z", labels: { é: "☃" } },
    spec: { leaseDurationSeconds: -7, renewTime: "2026-01-02T03:04:05.000007Z" },
  };
  assert.deepEqual(decodeProtobuf(encodeProtobuf("coordination.v1.Lease", lease), schemaOf), lease);
});

test("a watch frame says its length and holds an enveloped object", () => {
  const body = encodeProtobuf("core.v1.Pod", { apiVersion: "v1", kind: "Pod" });
  const frame = watchFrame("ADDED", body);
  assert.equal(frame.readUInt32BE(), frame.length - 4);
  assert.equal(frame.toString("latin1", 4, 11), "\x0a\x05ADDED");
  assert.ok(frame.subarray(-body.length).equals(body));
});
