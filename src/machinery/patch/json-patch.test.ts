import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { applyJsonPatch } from "./json-patch.ts";
import { applyMergePatch } from "./merge-patch.ts";

const document = { a: { b: [1, 2, 3], "c/d": 1, "e~f": 2 }, n: null };

test("operations change the document as RFC 6902 says", () => {
  const table: [unknown, unknown][] = [
    [
      { op: "add", path: "/a/b/1", value: 9 },
      { ...document, a: { ...document.a, b: [1, 9, 2, 3] } },
    ],
    [
      { op: "add", path: "/a/b/-", value: 9 },
      { ...document, a: { ...document.a, b: [1, 2, 3, 9] } },
    ],
    [
      { op: "add", path: "/x", value: { y: 1 } },
      { ...document, x: { y: 1 } },
    ],
    [
      { op: "remove", path: "/a/b/0" },
      { ...document, a: { ...document.a, b: [2, 3] } },
    ],
    [{ op: "remove", path: "/a" }, { n: null }],
    [
      { op: "replace", path: "/a/c~1d", value: 5 },
      { ...document, a: { ...document.a, "c/d": 5 } },
    ],
    [
      { op: "replace", path: "/a/e~0f", value: 5 },
      { ...document, a: { ...document.a, "e~f": 5 } },
    ],
    [
      { op: "move", from: "/a/b", path: "/b" },
      { n: null, a: { "c/d": 1, "e~f": 2 }, b: [1, 2, 3] },
    ],
    [
      { op: "copy", from: "/a/b/2", path: "/b" },
      { ...document, b: 3 },
    ],
    [{ op: "test", path: "/a/b", value: [1, 2, 3] }, document],
    [{ op: "test", path: "/absent", value: null }, document],
    [{ op: "replace", path: "", value: 1 }, 1],
  ];
  for (const [operation, expected] of table) {
    assert.deepEqual(applyJsonPatch(document, [operation]), expected, JSON.stringify(operation));
  }
});

test("operations that do not apply are Invalid, and say why in the cause", () => {
  const table: [unknown, RegExp][] = [
    [{ op: "remove", path: "/x" }, /remove operation does not apply: doc is missing path: \/x/],
    [{ op: "replace", path: "/a/x", value: 1 }, /replace operation does not apply/],
    [{ op: "add", path: "/x/y", value: 1 }, /doc is missing path/],
    [{ op: "add", path: "/a/b/4", value: 1 }, /invalid index/],
    [{ op: "remove", path: "/a/b/-" }, /invalid index/],
    [{ op: "test", path: "/a/b/0", value: 2 }, /testing value \/a\/b\/0 failed/],
    [{ op: "move", from: "/a", path: "/a/b" }, /into itself/],
    [{ op: "add", path: "/__proto__/x", value: 1 }, /missing path/],
    [{ op: "add", path: "/constructor/x", value: 1 }, /missing path/],
    [{ op: "turn", path: "/a" }, /Unexpected kind: turn/],
    [{ op: "add", path: "/x" }, /lacks a value/],
    [{ op: "add", value: 1 }, /lacks a path/],
  ];
  for (const [operation, cause] of table) {
    assert.throws(
      () => applyJsonPatch(document, [operation]),
      (error: { status: { reason: string; details: { causes: { message: string }[] } } }) =>
        error.status.reason === "Invalid" && cause.test(error.status.details.causes[0]!.message),
      JSON.stringify(operation),
    );
  }
  assert.throws(() => applyJsonPatch(document, {}), { reason: "BadRequest" });
});

test("a patch cannot blow a document up by copying", () => {
  const big = { list: ["x".repeat(1000)] };
  const copies = Array.from({ length: 30 }, () => ({ op: "copy", from: "/list", path: "/list/-" }));
  assert.throws(() => applyJsonPatch(big, copies), { reason: "Invalid" });
  const many = Array.from({ length: 10_001 }, () => ({ op: "test", path: "/n", value: null }));
  assert.throws(() => applyJsonPatch(document, many), { reason: "RequestEntityTooLarge" });
});

test("patches never write to their arguments", () => {
  const copy = structuredClone(document);
  applyJsonPatch(document, [
    { op: "add", path: "/a/b/0", value: 1 },
    { op: "remove", path: "/a/c~1d" },
  ]);
  applyMergePatch(document, { a: { b: null, x: { y: null } } });
  assert.deepEqual(document, copy);
});

test("merge patches follow the examples of RFC 7386", () => {
  const table: [unknown, unknown, unknown][] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: "foo" }, null, null],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
  ];
  for (const [before, patch, after] of table) assert.deepEqual(applyMergePatch(before, patch), after);
});

/** The textbook form of RFC 7386, on a copy. */
function reference(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const out = (
    typeof target === "object" && target !== null && !Array.isArray(target) ? structuredClone(target) : {}
  ) as Record<string, unknown>;
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else out[key] = reference(out[key], value);
  }
  return out;
}

test("merge patches agree with a plain reference on any documents", () => {
  const value = fc.jsonValue().map((json) => JSON.parse(JSON.stringify(json)) as unknown);
  fc.assert(
    fc.property(value, value, (before, patch) => {
      assert.deepEqual(applyMergePatch(before, patch), reference(before, patch));
    }),
  );
});

type Operation = { op: string; path: string; from?: string; value?: unknown };

/** The textbook form of RFC 6902, on a copy: throws where an operation does not apply. */
function executed(document: unknown, operations: readonly Operation[]): unknown {
  const root = { document: structuredClone(document) };
  const place = (pointer: string, mustExist: boolean) => {
    const tokens = ["document", ...pointer.split("/").slice(1)];
    let node: any = root;
    for (const token of tokens.slice(0, -1)) {
      if (typeof node !== "object" || node === null || !Object.hasOwn(node, token)) throw new Error(pointer);
      node = node[token];
    }
    const last = tokens.at(-1)!;
    if (typeof node !== "object" || node === null) throw new Error(pointer);
    if (Array.isArray(node)) {
      const index = last === "-" ? node.length : Number(last);
      if (Number.isNaN(index) || index > node.length - (mustExist ? 1 : 0)) throw new Error(pointer);
      return { node, key: index };
    }
    if (mustExist && !Object.hasOwn(node, last)) throw new Error(pointer);
    return { node, key: last };
  };
  const get = (pointer: string) => {
    const { node, key } = place(pointer, true);
    return structuredClone(node[key]);
  };
  const add = (pointer: string, value: unknown) => {
    const { node, key } = place(pointer, false);
    if (Array.isArray(node)) node.splice(key as number, 0, structuredClone(value));
    else node[key] = structuredClone(value);
  };
  const remove = (pointer: string) => {
    const { node, key } = place(pointer, true);
    if (Array.isArray(node)) node.splice(key as number, 1);
    else delete node[key];
  };
  for (const { op, path, from = "", value } of operations) {
    if (op === "add") add(path, value);
    else if (op === "remove") remove(path);
    else if (op === "copy") add(path, get(from));
    else if (op === "replace") {
      const { node, key } = place(path, true);
      node[key] = structuredClone(value);
    } else {
      if (path.startsWith(`${from}/`)) throw new Error("into itself");
      const moved = get(from);
      remove(from);
      add(path, moved);
    }
  }
  return root.document;
}

test("JSON patches agree with a plain reference, also on what does not apply", () => {
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.constantFrom<unknown>(1, "x", null),
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("a", "b"), tie("tree"), { noNullPrototype: true }),
    ),
  }));
  const pointer = fc.array(fc.constantFrom("a", "b", "0", "1", "-"), { minLength: 1, maxLength: 3 });
  const path = pointer.map((tokens) => tokens.map((token) => `/${token}`).join(""));
  const op = fc.constantFrom("add", "remove", "replace", "move", "copy");
  const operation: fc.Arbitrary<Operation> = fc.record({ op, path, from: path, value: tree });
  const document = fc.dictionary(fc.constantFrom("a", "b"), tree, { noNullPrototype: true });
  fc.assert(
    fc.property(document, fc.array(operation, { minLength: 1, maxLength: 3 }), (before, operations) => {
      const attempt = (run: () => unknown) => {
        try {
          return { after: run() };
        } catch {
          return "it does not apply";
        }
      };
      assert.deepEqual(
        attempt(() => applyJsonPatch(before, operations)),
        attempt(() => executed(before, operations)),
      );
    }),
    { numRuns: 3000 },
  );
});
