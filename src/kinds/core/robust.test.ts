import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeObject } from "../schema.ts";
import { arbitraryOf } from "../arbitrary.ts";
import type { AnyKind } from "../registry.ts";
import * as core from "./index.ts";

// What clients leave out must end in complaints, never in exceptions.
for (const kind of Object.values<AnyKind>(core)) {
  test(`whatever ${kind.kind} holds, its functions answer`, () => {
    const object = arbitraryOf(kind.schema, 9).map((value) => {
      const body = JSON.parse(JSON.stringify({ ...(value as object), metadata: { name: "x" } }));
      return decodeObject(body, kind.schema, { unknown: "ignore" }).object as never;
    });
    fc.assert(
      fc.property(object, object, (next, old) => {
        kind.defaults?.(next);
        const once = structuredClone(next);
        kind.defaults?.(next);
        assert.deepEqual(next, once);
        const created = structuredClone(next);
        kind.prepareForCreate?.(created);
        kind.validate?.(created);
        kind.warnings?.(next);
        kind.validateUpdate?.(next, old);
        kind.validateStatusUpdate?.(next, old);
        for (const check of Object.values(kind.validateSubresourceUpdate ?? {})) check(next, old);
        // Only what was accepted is ever stored and shown.
        if (kind.validate?.(next).length) return;
        for (const column of kind.columns ?? []) column.value(next, 0);
        for (const select of Object.values(kind.selectableFields ?? {})) assert.equal(typeof select(next), "string");
      }),
      { numRuns: 300 },
    );
  });
}
