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
];

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
