// CEL as rules of Kubernetes use it: its functions, its types, its limits.
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { BudgetError } from "./budget.ts";
import { compile, newEnvironment } from "./program.ts";
import { schemaType, type CelSchema } from "./schema.ts";

const evaluate = (expression: string) => compile(newEnvironment(), expression).run({}).value;

const truths = [
  `quantity("1Gi").isGreaterThan(quantity("1G"))`,
  `quantity("500m").add(quantity("500m")) == quantity("1")`,
  `quantity("2").add(1).asInteger() == 3`,
  `!isQuantity("abc") && isQuantity("1.5Ki")`,
  `quantity("-1").sign() == -1`,
  `url("https://example.com:80/a%20b?x=1&x=2").getEscapedPath() == "/a%20b"`,
  `url("https://example.com:81/").getHost() == "example.com:81"`,
  `url("https://example.com/?k=a&k=b").getQuery()["k"] == ["a", "b"]`,
  `isURL("/path") && !isURL("nope")`,
  `isIP("::1") && !isIP("1.2.3")`,
  `ip("127.0.0.1").isLoopback() && ip("fe80::1").isLinkLocalUnicast() && ip("8.8.8.8").isGlobalUnicast()`,
  `ip("::1").family() == 6`,
  `ip.isCanonical("2001:db8::1") && !ip.isCanonical("2001:DB8::1")`,
  `cidr("10.0.0.0/8").containsIP("10.1.2.3") && !cidr("10.0.0.0/8").containsIP("11.0.0.1")`,
  `cidr("10.0.0.0/8").containsCIDR("10.1.0.0/16") && !cidr("10.1.0.0/16").containsCIDR("10.0.0.0/8")`,
  `string(cidr("10.1.2.3/8").masked()) == "10.0.0.0/8"`,
  `cidr("2001:db8::1/64").masked().ip() == ip("2001:db8::")`,
  `"abc 123 def 456".find("[0-9]+") == "123"`,
  `"123 abc 456".findAll("[0-9]+") == ["123", "456"] && "1 2 3".findAll("[0-9]", 2).size() == 2`,
  `"abc".matches("^a.c$") && matches("abc", "b") && !["a"].exists(x, x.matches("b"))`,
  `[1, 2, 2].isSorted() && !["b", "a"].isSorted()`,
  `[1, 2, 3].sum() == 6 && [1.5, 2.5].sum() == 4.0`,
  `[3, 1, 2].min() == 1 && ["a", "c"].max() == "c"`,
  `["a", "b", "a"].indexOf("a") == 0 && ["a", "b", "a"].lastIndexOf("a") == 2`,
  `sets.contains([1, 2, 3], [2]) && sets.equivalent([1, 1], [1]) && sets.intersects([1, 2], [2, 3])`,
  `"%s has %d of %.2f and %x".format(["a", 3, 1.5, 255]) == "a has 3 of 1.50 and ff"`,
  `"hello".charAt(1) == "e" && "aXbX".replace("X", "-", 1) == "a-bX" && " a ".trim() == "a"`,
  `!format.dns1123Label().validate("my-name").hasValue() && format.dns1123Label().validate("My").hasValue()`,
  `format.named("nope").hasValue() == false`,
  `semver("1.2.3").isLessThan(semver("1.10.0")) && semver("1.0.0-rc.1").compareTo(semver("1.0.0")) == -1`,
  `duration("90m") == duration("1h30m") && timestamp("2024-01-01T00:00:00Z") < timestamp("2024-01-02T00:00:00Z")`,
  `string(timestamp("2024-01-01T00:00:00Z")) == "2024-01-01T00:00:00Z"`,
  `optional.of(1).hasValue() && {"a": 1}[?"b"].orValue(2) == 2`,
  `{"a": 1, "b": 2}.all(k, v, v > 0 && k != "") && [1, 2].exists(i, v, i == 1 && v == 2)`,
  `[3, 4].transformList(i, v, i == 1, v * 2) == [8] && {"a": 1}.transformMap(k, v, v + 1) == {"a": 2}`,
  `{"a": "x"}.transformMapEntry(k, v, {v: k}) == {"x": "a"} && [5, 5].existsOne(i, v, i == 0)`,
  `cel.bind(x, [1, 2, 3], x.map(i, i > 1, i * 10) == [20, 30]) && ["b", "a"].sortBy(x, x) == ["a", "b"]`,
  `[1, 2, 3].slice(1, 2) == [2] && [1, 1, 2].distinct() == [1, 2] && [[1], [2]].flatten() == [1, 2]`,
  `optional.of(2).optMap(x, x * 2).value() == 4 && !optional.none().optMap(x, 1).hasValue()`,
  `"a,b".split(",") == ["a", "b"] && ["a", "b"].join("-") == "a-b" && "héllo".size() == 5 && "abc".substring(1) == "bc"`,
  String.raw`"A\u0041\x41\101" == "AAAA" && r"\d" == "\\d" && b"abc" == bytes("abc") && """a"b""" == 'a"b'`,
  `type(1) == int && type("") == string && type(null) == null_type && type([]) == list && type({}) == map`,
  `int("7") + int(2.9) == 9 && uint(3) == 3u && double("1.5") == 1.5 && bool("true") && string(1.5) == "1.5"`,
  `timestamp("2024-02-29T12:30:00Z").getDayOfYear() == 59 && timestamp("2024-01-01T23:00:00Z").getHours("+02:00") == 1`,
  `timestamp("2024-01-01T00:00:00Z") + duration("24h") == timestamp("2024-01-02T00:00:00Z")`,
  `(true || 1 / 0 == 1) && !(1 / 0 == 1 && false) && [0, 1].exists(x, 1 / x == 1)`,
  `base64.encode(b"hello") == "aGVsbG8=" && base64.decode("aGVsbG8=") == b"hello"`,
  `jsonpatch.escapeKey("a/b~c") == "a~1b~0c" && dyn(1) == 1.0 && 1 in [1, 2] && "a" in {"a": 1}`,
  `-5 / 2 == -2 && -5 % 2 == -1 && 2 + 3 * 4 == 14 && (1 < 2 ? "a" : "b") == "a"`,
];

const faults: readonly (readonly [expression: string, message: string])[] = [
  ["1 +", "ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting"],
  ["foo == 1", "ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo == 1\n | ^"],
  [
    "1 == 'a'",
    "ERROR: <input>:1:3: found no matching overload for '_==_' applied to '(int, string)'\n | 1 == 'a'\n | ..^",
  ],
  ["'a'.startsWith(1)", "ERROR: <input>:1:15: found no matching overload for 'startsWith' applied to 'string.(int)'"],
  ["true &&\n nope(1)", "ERROR: <input>:2:6: undeclared reference to 'nope' (in container '')\n |  nope(1)\n | .....^"],
  ["[1, 'a']", "ERROR: <input>:1:5: expected type 'int' but found 'string'"],
  ["1.all(x, true)", "expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)"],
];

describe("messages of the compiler", () => {
  for (const [expression, message] of faults) {
    test(expression, () =>
      assert.throws(
        () => evaluate(expression),
        (error: Error) => error.message.includes(message) || assert.equal(error.message, message),
      ),
    );
  }
});

const failures: readonly (readonly [expression: string, message: string])[] = [
  ["1 / 0", "division by zero"],
  ["9223372036854775807 + 1", "integer overflow"],
  ["[1][1]", "index out of bounds: 1"],
  ["{'a': 1}['b']", "no such key: b"],
  ["dyn('a') + dyn(1)", "no such overload"],
  ["dyn(1).startsWith('a')", "no such overload"],
  ["optional.none().value()", "optional.none() dereference"],
];

describe("messages of running expressions", () => {
  for (const [expression, message] of failures)
    test(expression, () => assert.throws(() => evaluate(expression), { message }));
});

describe("functions", () => {
  for (const truth of truths) test(truth, () => assert.equal(evaluate(truth), true));
});

const schema: CelSchema = {
  type: "object",
  properties: {
    replicas: { type: "integer" },
    ratio: { type: "number" },
    name: { type: "string", nullable: true },
    port: { "x-kubernetes-int-or-string": true },
    since: { type: "string", format: "date-time" },
    wait: { type: "string", format: "duration" },
    labels: { type: "object", additionalProperties: { type: "string" } },
    items: { type: "array", items: { type: "object", properties: { name: { type: "string" } } } },
    "x-y": { type: "string" },
    namespace: { type: "string" },
    free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  },
};

function about(expression: string, value: unknown, steps?: number): unknown {
  const environment = newEnvironment().registerVariable("self", schemaType(schema, "object"));
  return compile(environment, expression).run({ self: value }, steps).value;
}

const rows: [string, object][] = [
  ["self.replicas > 2 && self.ratio > 1.0", { replicas: 3, ratio: 2 }],
  ["!has(self.name)", {}],
  ["self.name == null", { name: null }],
  ["type(self.port) == int && self.port == 80", { port: 80 }],
  ["self.since < timestamp('2024-02-01T00:00:00Z')", { since: "2024-01-01T00:00:00Z" }],
  ["self.wait > duration('1m')", { wait: "1h" }],
  ["self.labels.all(k, k.startsWith('a') && self.labels[k] == 'x')", { labels: { a1: "x", a2: "x" } }],
  ["'a' in self.labels && self.labels.size() == 1", { labels: { a: "b" } }],
  ["self.items.exists_one(i, i.name == 'a') && self.items[0] == self.items[0]", { items: [{ name: "a" }] }],
  ["self.x__dash__y == 'z' && self.__namespace__ == 'n'", { "x-y": "z", namespace: "n" }],
  ["self.free.a.b == 1", { free: { a: { b: 1 } } }],
  ["self.?name.orValue('none') == 'none'", {}],
];

describe("typed values", () => {
  for (const [expression, value] of rows) test(expression, () => assert.equal(about(expression, value), true));
});

test("fields that the schema does not have and types that do not fit are found at once", () => {
  assert.throws(() => about("self.nope == 1", {}), /undefined field 'nope'/);
  assert.throws(
    () => about("self.replicas == 'a'", {}),
    /found no matching overload for '_==_' applied to '\(int, string\)'/,
  );
  assert.throws(() => about("self.replicas +", {}), /./);
});

test("a value that is absent is an error only when it is used", () => {
  assert.throws(() => about("self.replicas > 1", {}), { message: "no such key: replicas" });
  assert.equal(about("!has(self.replicas) || self.replicas > 1", {}), true);
});

test("loops within loops end when their steps are used up", () => {
  const items = Array.from({ length: 200 }, (_, i) => ({ name: `n${i}` }));
  const expression = "self.items.all(a, self.items.all(b, self.items.exists(c, c.name == a.name && b.name != '')))";
  assert.throws(() => about(expression, { items }), BudgetError);
  assert.equal(about("self.items.all(a, self.items.exists(b, a.name == b.name))", { items }), true);
});

test("a regular expression that would take for ever elsewhere does not here", () => {
  const started = performance.now();
  assert.equal(about("self.name.matches('^(a+)+$')", { name: `${"a".repeat(5000)}!` }), false);
  assert.ok(performance.now() - started < 2000);
});

const doubled = (turns: number, inner: string, step: string) =>
  Array.from({ length: turns }).reduce<string>((text) => `cel.bind(x, ${text}, ${step})`, inner);

const runaways: Readonly<Record<string, string>> = {
  "a text that doubles": doubled(60, "'xxxxxxxxxxxxxxxx'", "x + x"),
  "a list that doubles": doubled(60, "[1, 2, 3, 4]", "x + x"),
  "a text that replaces itself": doubled(20, "'aaaaaaaaaaaaaaaaaaaa'", "x.replace('a', x)"),
  "lists that join themselves": doubled(20, "['aaaaaaaaaa', 'a']", "[x.join(x.join('')), x.join('')]"),
  "a range below nothing, to earn some": "lists.range(-1000000000).size() == 0 || lists.range(1000000000).size() > 0",
  "a range without end": "lists.range(1000000000).size() > 0",
  "loops within loops": "cel.bind(l, lists.range(3000), l.all(a, l.all(b, a + b >= 0)))",
  "equality of big lists, again and again": "cel.bind(l, lists.range(20000), l.all(a, l == l.map(b, b)))",
  "a search in a long list, again and again": "cel.bind(l, lists.range(5000), l.all(a, a in l))",
  "formatting what was formatted": doubled(40, "'aaaaaaaaaaaaaaaa'", "'%s%s'.format([x, x])"),
  "regular expressions over long texts": `${doubled(18, "'aaaaaaaa'", "x + x")}.matches('^(a+)+(b|c)*$') && lists.range(50000).all(i, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.matches('(a|b|c|d|e|f)*'))`,
};

describe("stopped by its cost:", () => {
  for (const [title, expression] of Object.entries(runaways)) {
    test(title, () => assert.throws(() => evaluate(expression), BudgetError));
  }
});

test("long texts are no numbers", () => {
  const long = (text: string, step: string) => `cel.bind(x, ${doubled(16, `'${text}'`, "x + x")}, ${step})`;
  assert.equal(evaluate(long("1", "isQuantity(x) || isSemver(x)")), false);
  assert.throws(() => evaluate(long("1", "int(x) == 1")), /invalid syntax/);
  assert.throws(() => evaluate(long("1", "duration(x) == duration('1s')")), /invalid duration/);
});

test("costs are counted as upstream counts them", () => {
  const spent = (expression: string) => compile(newEnvironment(), expression).run({}).spent;
  assert.equal(spent("1 + 2"), 1);
  assert.equal(spent("[1, 2].all(x, x > 0)"), 10 + 1 + 2 * (3 + 2));
  assert.equal(spent("'aaaaaaaaaaaaaaaaaaaa' + 'a'"), 3);
  assert.equal(spent("'aaaaaaaaaaaaaaaaaaaa'.contains('aaaaaaaaaaaaaaaaaaaa')"), 4);
});

test("lists that are sets, or maps by keys, are equal and joined as such", () => {
  const lists: CelSchema = {
    type: "object",
    properties: {
      set: { type: "array", items: { type: "string" }, "x-kubernetes-list-type": "set" },
      map: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        items: { type: "object", properties: { k: { type: "string" }, v: { type: "integer" } } },
      },
    },
  };
  const environment = newEnvironment()
    .registerVariable("a", schemaType(lists, "o"))
    .registerVariable("b", schemaType(lists, "o"));
  const holds = (expression: string, a: object, b: object) => compile(environment, expression).run({ a, b }).value;
  assert.equal(holds("a.set == b.set", { set: ["x", "y"] }, { set: ["y", "x"] }), true);
  assert.equal(holds("(a.set + b.set).size() == 2", { set: ["x"] }, { set: ["x", "y"] }), true);
  const one = {
    map: [
      { k: "1", v: 1 },
      { k: "2", v: 2 },
    ],
  };
  assert.equal(holds("a.map == b.map", one, { map: one.map.toReversed() }), true);
  assert.equal(
    holds("(a.map + b.map).exists(m, m.v == 3) && (a.map + b.map).size() == 2", one, { map: [{ k: "2", v: 3 }] }),
    true,
  );
});
