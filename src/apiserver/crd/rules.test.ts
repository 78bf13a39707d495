// CEL rules of definitions, as objects and clients meet them.
import { test } from "node:test";
import assert from "node:assert/strict";
import type { StatusError } from "../../machinery/errors.ts";
import type { ValidationRule } from "../../kinds/generated/apiextensions.v1.ts";
import { apiWith, cronTabs } from "./testing.ts";

const spec = (...rules: ValidationRule[]) => ({
  type: "object",
  properties: {
    min: { type: "integer" },
    max: { type: "integer" },
    mode: { type: "string", "x-kubernetes-validations": [{ rule: "self == oldSelf", message: "mode is immutable" }] },
    hosts: {
      type: "array",
      maxItems: 10,
      items: { type: "object", properties: { name: { type: "string" }, port: { type: "integer" } } },
    },
  },
  "x-kubernetes-validations": rules,
});

const causes = (error: unknown) =>
  (error as StatusError).status.details?.causes?.map(({ field, message }) => `${field}: ${message}`);

async function refused(work: Promise<unknown>): Promise<string[]> {
  const error: unknown = await work.then(
    () => assert.fail("it was accepted"),
    (reason: unknown) => reason,
  );
  return causes(error) ?? [(error as Error).message];
}

test("a rule that does not hold says its message, expression or itself", async () => {
  const rule = "self.min <= self.max";
  const object = { spec: { min: 3, max: 2 } };
  const said = async (extra: Partial<ValidationRule>) =>
    refused((await apiWith(cronTabs(spec({ rule, ...extra })))).create("a", object));
  assert.deepEqual(await said({ message: "min above max" }), ['spec: Invalid value: "object": min above max']);
  assert.deepEqual(await said({}), [`spec: Invalid value: "object": failed rule: ${rule}`]);
  assert.deepEqual(await said({ messageExpression: '"%d > %d".format([self.min, self.max])', message: "no" }), [
    'spec: Invalid value: "object": 3 > 2',
  ]);
  assert.deepEqual(await said({ message: "no", reason: "FieldValueForbidden", fieldPath: ".min" }), [
    "spec.min: Forbidden: no",
  ]);
});

test("a rule that fails to run refuses the object", async () => {
  const server = await apiWith(cronTabs(spec({ rule: "self.min <= self.max" })));
  assert.deepEqual(await refused(server.create("a", { spec: { min: 1 } })), [
    'spec: Invalid value: "object": no such key: max evaluating rule: self.min <= self.max',
  ]);
  await server.create("b", { spec: { min: 1, max: 2 } });
});

test("transition rules hold for updates only", async () => {
  const server = await apiWith(cronTabs(spec()));
  await server.create("a", { spec: { mode: "x" } });
  assert.deepEqual(await refused(server.update("a", { spec: { mode: "y" } })), [
    'spec.mode: Invalid value: "string": mode is immutable',
  ]);
  await server.update("a", { spec: { mode: "x", min: 1 } });
});

test("with optionalOldSelf a transition rule holds for new objects too", async () => {
  const rule = "oldSelf.hasValue() || self.min == 1";
  const server = await apiWith(cronTabs(spec({ rule, optionalOldSelf: true, message: "starts at 1" })));
  assert.deepEqual(await refused(server.create("a", { spec: { min: 2 } })), [
    'spec: Invalid value: "object": starts at 1',
  ]);
  await server.create("a", { spec: { min: 1 } });
  await server.update("a", { spec: { min: 2 } });
});

test("rules wait until the schema is satisfied", async () => {
  const server = await apiWith(cronTabs(spec({ rule: "self.min <= self.max" })));
  const found = await refused(server.create("a", { spec: { min: "x", max: 1 } }));
  assert.equal(found.length, 2);
  assert.match(found[1]!, /some validation rules were not checked because the object was invalid/);
});

test("what an update leaves as it was may stay wrong", async () => {
  const server = await apiWith(
    cronTabs({ type: "object", properties: { min: { type: "integer" }, max: { type: "integer" } } }),
  );
  await server.create("a", { spec: { min: 5, max: 1 } });
  const { definition } = server;
  const stored = structuredClone(definition()!);
  stored.spec.versions[0]!.schema!.openAPIV3Schema!.properties!.spec = {
    type: "object",
    properties: { min: { type: "integer", maximum: 3 }, max: { type: "integer" } },
    "x-kubernetes-validations": [{ rule: "self.min <= self.max" }],
  };
  await server.redefine(stored);
  await server.update("a", { metadata: { name: "a", labels: { x: "y" } }, spec: { min: 5, max: 1 } });
  assert.equal((await refused(server.update("a", { spec: { min: 4, max: 1 } }))).length, 2);
});

test("a rule that cannot be compiled makes the definition invalid, by its path", async () => {
  const found = await refused(apiWith(cronTabs(spec({ rule: "self.nope > 1" }, { rule: "self.min" }))));
  const at = "spec.versions[0].schema.openAPIV3Schema.properties[spec].x-kubernetes-validations";
  assert.equal(found.length, 2);
  assert.match(found[0]!, /compilation failed: ERROR: <input>:1:5: undefined field .nope./);
  assert.ok(found[0]!.startsWith(`${at}[0].rule: Invalid value: "self.nope > 1"`));
  assert.equal(found[1], `${at}[1].rule: Invalid value: "self.min": cel expression must evaluate to a bool`);
});

const limits = (items: object, rule: string) => ({
  type: "object",
  properties: { list: { type: "array", items: { type: "string" }, ...items, "x-kubernetes-validations": [{ rule }] } },
});

test("rules that may cost too much are refused, by what their schema bounds", async () => {
  const rule = "self.all(a, self.all(b, a == b || a != b))";
  const [found] = await refused(apiWith(cronTabs(limits({}, rule))));
  assert.match(
    found!,
    /x-kubernetes-validations\[0\].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x \(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared\)$/,
  );
  await apiWith(cronTabs(limits({ maxItems: 100, items: { type: "string", maxLength: 10 } }, rule)));
  const often = Array.from({ length: 12 }, () => ({ rule: "self.list.all(a, a.contains('xxxxxxxxxx'))" }));
  const list = { type: "array", maxItems: 90, items: { type: "string", maxLength: 250_000 } };
  const all = await refused(
    apiWith(cronTabs({ type: "object", properties: { list }, "x-kubernetes-validations": often })),
  );
  assert.match(
    all.at(-1)!,
    /estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of 1\.0\d+x/,
  );
  assert.equal(all.filter((text) => text.includes("contributed to estimated rule cost total")).length, 4);
});

test("rules that take long hold up nobody else, and say the same as others", async () => {
  const each = (name: string, inner: string) => `self.hosts.all(${name}, ${inner})`;
  const rule = each("a", each("b", each("c", each("d", "a.port + b.port + c.port != d.port"))));
  const server = await apiWith(cronTabs(spec({ rule, message: "a sum" })));
  const hosts = Array.from({ length: 10 }, (_, i) => ({ port: 1000 + i }));
  const order: string[] = [];
  const slow = server.create("a", { spec: { hosts } }).then(() => order.push("slow"));
  const quick = server.create("b", { spec: { hosts: hosts.slice(0, 1) } }).then(() => order.push("quick"));
  await Promise.all([slow, quick]);
  assert.deepEqual(order, ["quick", "slow"]);
  const withSum = [...hosts.slice(0, 9), { port: 3000 }];
  assert.deepEqual(await refused(server.create("c", { spec: { hosts: withSum } })), [
    'spec: Invalid value: "object": a sum',
  ]);
});
