import assert from "node:assert/strict";
import { test } from "node:test";
import { apply, type ApplyRequest } from "../machinery/apply/apply.ts";
import { pathsOf } from "../machinery/apply/fields-set.ts";
import { updateManagedFields } from "../machinery/apply/managed-fields.ts";
import type { ManagedFieldsEntry } from "../machinery/object.ts";
import { applySchemaOf, applySchemaOfCustomResource } from "./apply-schema.ts";

const schema = applySchemaOf("apps.v1.Deployment")!;
const time = "2026-01-01T00:00:00Z";
type Json = Record<string, unknown>;
const base = { apiVersion: "apps/v1", schema, subresource: "", time };

const web = (spec: Json, labels?: Json): Json => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web", namespace: "default", ...(labels ? { labels } : {}) },
  spec,
});
const containers = (...list: Json[]) => ({ template: { spec: { containers: list } } });
const applyAs = (manager: string, live: Json | undefined, config: Json, more: Partial<ApplyRequest> = {}) =>
  apply({ ...base, live, config, manager, force: false, ...more });
const updateAs = (manager: string, old: Json | undefined, next: Json): Json => {
  const managedFields = updateManagedFields({ ...base, old, next, manager });
  return { ...next, metadata: { ...(next.metadata as Json), managedFields } };
};
const owned = (object: Json, manager: string) => {
  const entries = (object.metadata as { managedFields?: ManagedFieldsEntry[] }).managedFields ?? [];
  return entries.filter((entry) => entry.manager === manager).flatMap((entry) => pathsOf(entry.fieldsV1));
};

test("applying creates, owns what it says, and applying again changes nothing", () => {
  const config = web({ replicas: 1, ...containers({ name: "a", image: "x" }) }, { app: "web" });
  const { object } = applyAs("me", undefined, config);
  assert.deepEqual(owned(object, "me"), [
    ".metadata.labels.app",
    ".spec.replicas",
    '.spec.template.spec.containers[name="a"]',
    '.spec.template.spec.containers[name="a"].name',
    '.spec.template.spec.containers[name="a"].image',
  ]);
  const again = applyAs("me", object, config, { time: "2027-01-01T00:00:00Z" });
  assert.equal(again.changed, false);
  assert.deepEqual(again.object, object);
});

test("a field that the applier no longer names goes, unless somebody else owns it", () => {
  const { object } = applyAs("me", undefined, web({ replicas: 1, paused: true }, { a: "1", b: "2" }));
  const shared = applyAs("you", object, web({}, { b: "2" })).object;
  const after = applyAs("me", shared, web({ replicas: 1 })).object;
  assert.deepEqual((after.metadata as Json).labels, { b: "2" });
  assert.deepEqual(after.spec, { replicas: 1 });
});

test("a list item that the applier no longer names goes with what the server put into it", () => {
  const first = applyAs("me", undefined, web(containers({ name: "a" }, { name: "b" }))).object;
  const live = { ...first, spec: containers({ name: "a", imagePullPolicy: "Always" }, { name: "b", tty: true }) };
  const after = applyAs("me", live, web(containers({ name: "b" }))).object;
  assert.deepEqual(after.spec, containers({ name: "b", tty: true }));
});

test("changing what another manager owns is a conflict that names field and manager, and force takes it over", () => {
  const live = updateAs("kubectl", undefined, web({ replicas: 3 }));
  const config = web({ replicas: 1 });
  assert.throws(
    () => applyAs("me", live, config),
    (error: { status: Json }) => {
      assert.equal(
        error.status.message,
        'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas',
      );
      assert.equal(error.status.code, 409);
      assert.deepEqual(error.status.details, {
        causes: [
          { reason: "FieldManagerConflict", message: 'conflict with "kubectl" using apps/v1', field: ".spec.replicas" },
        ],
      });
      return true;
    },
  );
  const { object } = applyAs("me", live, config, { force: true });
  assert.deepEqual(object.spec, { replicas: 1 });
  assert.deepEqual(owned(object, "kubectl"), []);
  assert.deepEqual(owned(object, "me"), [".spec.replicas"]);
});

test("the same value is shared without conflict", () => {
  const live = updateAs("kubectl", undefined, web({ replicas: 3 }));
  const { object } = applyAs("me", live, web({ replicas: 3 }));
  assert.deepEqual(owned(object, "kubectl"), [".spec.replicas"]);
  assert.deepEqual(owned(object, "me"), [".spec.replicas"]);
});

test("several conflicts are listed per manager", () => {
  const live = updateAs("b", updateAs("a", undefined, web({ replicas: 3 })), web({ replicas: 3, paused: true }));
  assert.throws(() => applyAs("me", live, web({ replicas: 1, paused: false })), {
    message:
      'Apply failed with 2 conflicts: conflicts with "a" using apps/v1:\n- .spec.replicas\nconflicts with "b" using apps/v1:\n- .spec.paused',
  });
});

test("an update moves ownership of what it changes and drops what it removes", () => {
  const first = updateAs("a", undefined, web({ replicas: 3, paused: true }));
  const second = updateAs("b", first, { ...first, spec: { replicas: 4 } });
  assert.deepEqual(owned(second, "a"), []);
  assert.deepEqual(owned(second, "b"), [".spec.replicas"]);
});

test("an update that changes nothing keeps the very same entries", () => {
  const first = updateAs("a", undefined, web({ replicas: 3 }));
  const entries = updateManagedFields({ ...base, old: first, next: structuredClone(first), manager: "b" });
  assert.equal(entries, (first.metadata as Json).managedFields);
});

test("sending empty managedFields resets ownership", () => {
  const first = updateAs("a", undefined, web({ replicas: 3 }));
  const next = { ...first, metadata: { ...(first.metadata as Json), managedFields: [{}] } };
  assert.equal(updateManagedFields({ ...base, old: first, next, manager: "b" }), undefined);
});

test("what was never tracked belongs to before-first-apply", () => {
  assert.throws(() => applyAs("me", web({ replicas: 3 }), web({ replicas: 1 })), /"before-first-apply" using apps\/v1/);
});

test("fields of another subresource are neither owned nor contested", () => {
  const ignored = { "f:status": {} };
  const live = { ...web({ replicas: 1 }), status: { replicas: 1 } };
  const { object } = applyAs("me", live, { ...web({ replicas: 1 }), status: { replicas: 9 } }, { ignored });
  assert.deepEqual(owned(object, "me"), [".spec.replicas"]);
});

test("the order of applied list items wins over the live order", () => {
  const live = applyAs("you", undefined, web(containers({ name: "a" }, { name: "x" }, { name: "b" }))).object;
  const { object } = applyAs("me", live, web(containers({ name: "b" }, { name: "a" }, { name: "c" })));
  assert.deepEqual(
    (object.spec as ReturnType<typeof containers>).template.spec.containers.map((item) => item.name),
    ["b", "a", "x", "c"],
  );
});

test("ports are told apart by number and protocol, which is TCP by default", () => {
  const service = applySchemaOf("core.v1.Service")!;
  const ports = (...list: Json[]) => ({ spec: { ports: list } });
  const live = applyAs("me", undefined, ports({ port: 53 }, { port: 53, protocol: "UDP" }), { schema: service }).object;
  const config = ports({ port: 53, protocol: "TCP", name: "dns" }, { port: 53, protocol: "UDP" });
  const { object } = applyAs("me", live, config, { schema: service });
  assert.deepEqual(object.spec, config.spec);
});

test("doubled list keys in the applied configuration are refused", () => {
  assert.throws(() => applyAs("me", undefined, web(containers({ name: "a" }, { name: "a" }))), {
    reason: "BadRequest",
  });
});

test("at most ten updaters are kept apart", () => {
  let object: Json | undefined;
  for (let i = 0; i < 15; i++) {
    const labels = { ...(object?.metadata as { labels?: Json } | undefined)?.labels, [`l${i}`]: "x" };
    const next = { ...web({}), metadata: { ...(object?.metadata as Json | undefined), name: "web", labels } };
    const managedFields = updateManagedFields({
      ...base,
      old: object,
      next,
      manager: `m${i}`,
      time: `2026-01-01T00:00:${10 + i}Z`,
    });
    object = { ...next, metadata: { ...next.metadata, managedFields } };
  }
  const entries = (object!.metadata as { managedFields: ManagedFieldsEntry[] }).managedFields;
  assert.equal(entries.length, 10);
  assert.ok(entries.some(({ manager }) => manager === "ancient-changes"));
  assert.equal(
    entries.flatMap((entry) => pathsOf(entry.fieldsV1)).filter((path) => path.startsWith(".metadata.labels.")).length,
    15,
  );
});

test("custom resources: list types of their schema count, unknown parts are deduced", () => {
  const custom = applySchemaOfCustomResource({
    type: "object",
    properties: {
      spec: {
        type: "object",
        properties: {
          items: {
            type: "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["id"],
            items: { type: "object", properties: { id: { type: "string" }, v: { type: "integer" } } },
          },
          free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        },
      },
    },
  } as object);
  const first = applyAs(
    "a",
    undefined,
    { spec: { items: [{ id: "1", v: 1 }], free: { x: { y: 1 } } } },
    { schema: custom },
  );
  const second = applyAs(
    "b",
    first.object,
    { spec: { items: [{ id: "2" }], free: { x: { z: [1] } } } },
    { schema: custom },
  );
  assert.deepEqual(second.object.spec, { items: [{ id: "1", v: 1 }, { id: "2" }], free: { x: { y: 1, z: [1] } } });
});
