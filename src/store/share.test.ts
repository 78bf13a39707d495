// Structural sharing keeps values and saves memory.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import type { KubeObject } from "../machinery/object.ts";
import { shareWith, Siblings } from "./share.ts";

test("equal parts become the very parts of the model, others stay", () => {
  const model = { metadata: { labels: { a: "1" }, name: "x" }, spec: { list: [{ n: 1 }, { n: 2 }] }, status: { s: 1 } };
  const next = { metadata: { labels: { a: "1" }, name: "y" }, spec: { list: [{ n: 1 }, { n: 3 }] }, status: { s: 1 } };
  const shared = shareWith(next, model);
  assert.deepEqual(shared, next);
  assert.equal(shared.metadata.labels, model.metadata.labels);
  assert.equal(shared.spec.list[0], model.spec.list[0]);
  assert.equal(shared.spec.list[1], next.spec.list[1]);
  assert.equal(shared.status, model.status);
  assert.equal(shareWith(structuredClone(model), model), model);
});

test("a part that has less or more than the model is not the model", () => {
  assert.deepEqual(shareWith({ a: 1 }, { a: 1, b: 2 }), { a: 1 });
  assert.deepEqual(shareWith({ a: 1, b: undefined }, { a: 1 }), { a: 1, b: undefined });
  assert.deepEqual(shareWith([1], [1, 2]), [1]);
  const named = JSON.parse('{"__proto__":{},"constructor":{}}') as object;
  assert.equal(JSON.stringify(shareWith(named, {})), '{"__proto__":{},"constructor":{}}');
  assert.deepEqual(shareWith({ a: [] }, { a: {} }), { a: [] });
});

test("sharing never changes a value, nor the value that it shares with", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      const [textA, textB] = [JSON.stringify(a), JSON.stringify(b)];
      assert.equal(JSON.stringify(shareWith(structuredClone(a), a)), textA);
      assert.deepEqual(JSON.parse(JSON.stringify(shareWith(a, b))), JSON.parse(textA));
      assert.equal(JSON.stringify(b), textB);
    }),
  );
});

test("what shares a part with its model shares all equal parts", () => {
  const parts = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.jsonValue());
  const sum = fc.tuple(parts, parts).map(([a, b]) => ({ ...a, ...b }));
  fc.assert(
    fc.property(parts, sum, fc.boolean(), (model, next, inList) => {
      const [own, other] = [{ ...model, ...next }, structuredClone(model)] as Record<string, unknown>[];
      const shared = (inList ? shareWith([own, 1], [other, 2])[0] : shareWith(own, other)) as Record<string, unknown>;
      assert.deepEqual(JSON.parse(JSON.stringify(shared)), JSON.parse(JSON.stringify(own)));
      for (const key in other) {
        if (typeof other[key] === "object" && isDeepStrictEqual(own![key], other[key])) {
          assert.equal(shared[key], other[key]);
        }
      }
    }),
  );
});

test("pods of one controller, or of none, share what is the same in them", () => {
  const siblings = new Siblings();
  const pod = (name: string, owner?: string) =>
    ({
      kind: "Pod",
      metadata: { name, ...(owner ? { ownerReferences: [{ uid: owner }] } : {}) },
      spec: { containers: [{ image: "app" }] },
    }) as unknown as KubeObject & { spec: object };
  const share = (name: string, owner?: string) => siblings.share(pod(name, owner)) as ReturnType<typeof pod>;
  const first = share("a", "rs");
  const second = share("b", "rs");
  assert.equal(second.spec, first.spec);
  assert.equal(second.metadata.name, "b");
  const other = share("c");
  assert.notEqual(other.spec, first.spec);
  assert.equal(share("d").spec, other.spec);
});
