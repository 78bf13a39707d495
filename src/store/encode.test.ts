// The pieced JSON of an object says what JSON.stringify says.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { KubeObject } from "../machinery/object.ts";
import { encodeJson, joined } from "./encode.ts";

const long = fc.string({ minLength: 300, maxLength: 400 });
const part = fc.oneof(fc.jsonValue(), fc.record({ long, value: fc.jsonValue() }), fc.constant(undefined));
const entry = fc.record({ manager: fc.string(), fieldsV1: part });
const object = fc
  .tuple(
    fc.dictionary(fc.string(), part),
    fc.option(fc.record({ name: part, managedFields: fc.option(fc.array(entry), { nil: undefined }), uid: part }), {
      nil: undefined,
    }),
    fc.boolean(),
  )
  .map(
    ([parts, metadata, first]) => (first ? { metadata, ...parts } : { ...parts, metadata }) as unknown as KubeObject,
  );

test("the pieced JSON of an object says what JSON.stringify says, the first time and the next", () => {
  fc.assert(
    fc.property(object, (one) => {
      const plain: unknown = JSON.parse(JSON.stringify(one));
      const again = (other: KubeObject): unknown => JSON.parse(joined(encodeJson(other)).toString());
      assert.deepEqual(again(one), plain);
      assert.deepEqual(again(one), plain);
      assert.deepEqual(again({ ...one, kind: "Other" }), { ...(plain as object), kind: "Other" });
    }),
  );
});
