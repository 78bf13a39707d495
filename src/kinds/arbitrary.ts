// Arbitrary objects by the schema, for property tests.
import fc from "fast-check";
import { type FieldFacts, schemaOf } from "./schema.ts";

/** Arbitrary canonical values of a type, a few levels deep. */
function valueOf(facts: FieldFacts, depth: number): fc.Arbitrary<unknown> {
  switch (facts.type) {
    case "ref":
      return arbitraryOf(facts.ref!, depth - 1);
    case "array":
      return fc.array(valueOf(facts.items!, depth), { minLength: 1, maxLength: 2 });
    case "map":
      return fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), valueOf(facts.items!, depth), { minKeys: 1, maxKeys: 2 });
    case "boolean":
      return fc.boolean();
    case "integer":
      return fc.integer();
    case "number":
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case "intOrString":
      return fc.oneof(fc.integer(), fc.string());
    case "quantity":
      return fc.constantFrom("1", "500m", "2Gi");
    case "bytes":
      return fc.base64String();
    case "time":
      return fc.constant("2026-01-02T03:04:05Z");
    case "microTime":
      return fc.constant("2026-01-02T03:04:05.123456Z");
    default:
      return fc.string({ minLength: 1 });
  }
}

/** Arbitrary objects of a type in canonical form; fields that upstream requires may be missing. `depth` is at least 1. */
export function arbitraryOf(type: string, depth: number): fc.Arbitrary<unknown> {
  if (depth <= 0) return fc.constant({});
  const fields = Object.entries(schemaOf(type)!.fields);
  return fc
    .subarray(fields, { maxLength: Math.min(6, fields.length) })
    .chain((chosen) => fc.record(Object.fromEntries(chosen.map(([name, facts]) => [name, valueOf(facts, depth)]))));
}
