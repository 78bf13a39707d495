import assert from "node:assert/strict";
import { test } from "node:test";
import {
  formatLabelSelector,
  formatSelector,
  labelSelectorErrors,
  matchesLabels,
  parseFieldSelector,
  parseSelector,
  selectorMatches,
  selectorOf,
} from "./selector.ts";

test("selectors in text form select as written", () => {
  const labels = { app: "web", tier: "front", n: "5" };
  const table: [string, boolean][] = [
    ["", true],
    ["app=web", true],
    ["app==web", true],
    ["app = web , tier", true],
    ["app!=web", false],
    ["other!=web", true],
    ["app in (db, web)", true],
    ["app notin (db)", true],
    ["other notin (db)", true],
    ["!app", false],
    ["!other", true],
    ["! other", true],
    ["n>4", true],
    ["n<5", false],
    ["app=", false],
    ["other in ()", false],
    ["constructor", false],
    ["x.y/z notin (a,b),tier in (front)", true],
  ];
  for (const [text, expected] of table) assert.equal(selectorMatches(parseSelector(text), labels), expected, text);
});

test("malformed selectors are refused", () => {
  for (const text of [
    "a=b=c",
    "a in b",
    "a in (b",
    "a,",
    ",a",
    "=a",
    "a b",
    "A/b/c",
    "a=-b-",
    "n>x",
    "!",
    "a in (b c)",
  ]) {
    assert.throws(() => parseSelector(text), { reason: "BadRequest" }, text);
  }
});

test("formatting and parsing are inverse", () => {
  const text = "a=b,c!=d,e in (f,g),!gone,h notin (i),j,k>1,l<2";
  assert.equal(formatSelector(parseSelector(text)), text);
});

test("a LabelSelector object: absent selects nothing, empty selects all", () => {
  assert.equal(matchesLabels(undefined, {}), false);
  assert.equal(matchesLabels({}, undefined), true);
  assert.equal(matchesLabels({ matchLabels: { a: "b" } }, { a: "b", c: "d" }), true);
  const expression = { matchExpressions: [{ key: "a", operator: "NotIn", values: ["b"] }] };
  assert.equal(matchesLabels(expression, { a: "b" }), false);
  assert.equal(matchesLabels(expression, {}), true);
  assert.equal(selectorMatches(selectorOf(expression)!, {}), true);
  assert.equal(formatLabelSelector({ matchLabels: { b: "2", a: "1" } }), "a=1,b=2");
  assert.equal(formatLabelSelector(undefined), "<none>");
});

test("every fault of a LabelSelector object is named by its path", () => {
  const errors = labelSelectorErrors(
    {
      matchLabels: { "-": "x", ok: "-" },
      matchExpressions: [
        { key: "a", operator: "In" },
        { key: "a", operator: "Exists", values: ["x"] },
        { key: "", operator: "Like" },
      ],
    },
    "spec.selector",
  );
  assert.deepEqual([...new Set(errors.map(({ field }) => field))].sort(), [
    "spec.selector.matchExpressions[0].values",
    "spec.selector.matchExpressions[1].values",
    "spec.selector.matchExpressions[2].key",
    "spec.selector.matchExpressions[2].operator",
    "spec.selector.matchLabels",
  ]);
});

test("field selectors parse with escapes and negation", () => {
  assert.deepEqual(parseFieldSelector("metadata.name=a,status.phase!=Running,x==b\\,c"), [
    { field: "metadata.name", value: "a", negated: false },
    { field: "status.phase", value: "Running", negated: true },
    { field: "x", value: "b,c", negated: false },
  ]);
  assert.deepEqual(parseFieldSelector(""), []);
  assert.throws(() => parseFieldSelector("a"), { reason: "BadRequest" });
  assert.throws(() => parseFieldSelector("a=b=c"), { reason: "BadRequest" });
});
