import { test } from "node:test";
import assert from "node:assert/strict";
import { apiWith, cronTabs } from "../crd/testing.ts";
import { v2, v3 } from "./definitions.ts";
import { customDefinitions } from "./kinds.ts";

test("in v2, objects that may have any fields name none", async () => {
  const definition = cronTabs({ type: "object" }, ({ spec }) => {
    spec.versions[0]!.schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  });
  const { kindOf, store } = await apiWith(definition);
  const schemaIn = (version: 2 | 3) =>
    customDefinitions(kindOf(), store, version === 2 ? v2 : v3)["com.example.stable.v1.CronTab"]!;
  const gvk = [{ group: "stable.example.com", version: "v1", kind: "CronTab" }];
  assert.deepEqual(schemaIn(2), { type: "object", "x-kubernetes-group-version-kind": gvk });
  assert.equal(schemaIn(3)["x-kubernetes-preserve-unknown-fields"], true);
});

test("in v2, a part that may have any fields names none, and in v3 it names what it knows", async () => {
  const open = { type: "object", properties: { a: { type: "string" } }, "x-kubernetes-preserve-unknown-fields": true };
  const { kindOf, store } = await apiWith(cronTabs(open));
  const specIn = (version: 2 | 3) => {
    const schema = customDefinitions(kindOf(), store, version === 2 ? v2 : v3)["com.example.stable.v1.CronTab"]!;
    return (schema.properties as { spec: unknown }).spec;
  };
  assert.deepEqual(specIn(2), { "x-kubernetes-preserve-unknown-fields": true });
  assert.deepEqual(specIn(3), open);
});
