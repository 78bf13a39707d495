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
