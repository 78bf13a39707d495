import assert from "node:assert/strict";
import { test } from "node:test";
import { cells, changed, changeFaults, faults, made } from "../testing.ts";
import { CustomResourceDefinition } from "./custom-resource-definition.ts";

const name = "widgets.example.com";
const schema = "spec.versions.0.schema.openAPIV3Schema";
const schemaField = "spec.versions[0].schema.openAPIV3Schema";
const good = {
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "widgets", kind: "Widget" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", properties: { spec: { type: "object" } } } },
      },
    ],
  },
};
const check = (body: object, as = name) => faults(CustomResourceDefinition, body, { name: as });
const withSpec = (spec: object) => changed(good, `${schema}.properties.spec`, spec);
const spec = `${schemaField}.properties[spec]`;

test("a plain definition is good, gets its names, and remembers its storage version", () => {
  assert.deepEqual(check(good), []);
  const object = made<CustomResourceDefinition>(CustomResourceDefinition, good, { name });
  assert.deepEqual(object.spec.names, {
    plural: "widgets",
    kind: "Widget",
    singular: "widget",
    listKind: "WidgetList",
  });
  assert.deepEqual(object.status?.storedVersions, ["v1"]);
  assert.deepEqual(cells(CustomResourceDefinition, object), { Name: name, "Created At": "2026-01-01T00:00:00Z" });
  const second = { ...good.spec.versions[0]!, name: "v2" };
  const next = changed(changed(object, "spec.versions.0.storage", false), "spec.versions.1", second);
  CustomResourceDefinition.prepareForUpdate?.(next, object);
  assert.deepEqual(next.status?.storedVersions, ["v1", "v2"]);
});

test("each fault of a definition is named by its path", () => {
  const table: [object, string][] = [
    [changed(good, "spec.group", "example"), "spec.group"],
    [changed(good, "spec.scope", "Galaxy"), "spec.scope"],
    [changed(good, "spec.names.plural", "Widgets"), "spec.names.plural"],
    [changed(good, "spec.names.listKind", "Widget"), "spec.names.listKind"],
    [changed(good, "spec.names.shortNames", ["W"]), "spec.names.shortNames[0]"],
    [changed(good, "spec.versions", []), "spec.versions"],
    [changed(good, "spec.versions.0.storage", false), "spec.versions"],
    [changed(good, "spec.versions.0.schema", undefined), schemaField],
    [changed(good, "spec.versions.0.name", "V1"), "spec.versions[0].name"],
    [changed(good, "spec.conversion", { strategy: "Webhook" }), "spec.conversion.webhook.clientConfig"],
    [changed(good, "spec.preserveUnknownFields", true), "spec.preserveUnknownFields"],
    [
      changed(good, "spec.versions.0.additionalPrinterColumns", [{ name: "a", type: "text", jsonPath: ".a" }]),
      "spec.versions[0].additionalPrinterColumns[0].type",
    ],
    [
      changed(good, "spec.versions.0.subresources", {
        scale: { specReplicasPath: ".a", statusReplicasPath: ".status.r" },
      }),
      "spec.versions[0].subresources.scale.specReplicasPath",
    ],
  ];
  for (const [body, field] of table) assert.ok(check(body).includes(field), field);
  assert.deepEqual(check(good, "other.example.com"), ["metadata.name"]);
});

test("a schema must be structural", () => {
  const table: [object, string][] = [
    [changed(good, `${schema}.type`, "array"), `${schemaField}.type`],
    [withSpec({ type: "strange" }), `${spec}.type`],
    [withSpec({}), `${spec}.type`],
    [withSpec({ type: "object", $ref: "#/x" }), `${spec}.$ref`],
    [withSpec({ type: "array" }), `${spec}.items`],
    [
      withSpec({ type: "object", additionalProperties: true, properties: { a: { type: "string" } } }),
      `${spec}.additionalProperties`,
    ],
    [withSpec({ type: "string", pattern: "(" }), `${spec}.pattern`],
    [withSpec({ type: "object", allOf: [{ type: "object" }] }), `${spec}.allOf[0].type`],
    [
      withSpec({
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["id"],
        items: { type: "object" },
      }),
      `${spec}.items.x-kubernetes-list-map-keys[0]`.replace(".items", ""),
    ],
    [
      withSpec({ type: "object", "x-kubernetes-validations": [{ rule: "" }] }),
      `${spec}.x-kubernetes-validations[0].rule`,
    ],
  ];
  for (const [body, field] of table) assert.ok(check(body).includes(field), `${field} in ${check(body).join(" ")}`);
  const fine = [
    { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] },
    { type: "object", additionalProperties: { type: "string" } },
    { type: "string", pattern: "^[a-z]+$", enum: ["a"] },
  ];
  for (const one of fine) assert.deepEqual(check(withSpec(one)), [], JSON.stringify(one));
});

test("groups of the project need approval", () => {
  const body = changed(good, "spec.group", "x.k8s.io");
  const annotation = "api-approved.kubernetes.io";
  assert.deepEqual(check(body, "widgets.x.k8s.io"), [`metadata.annotations[${annotation}]`]);
  const annotations = { [annotation]: "unapproved, a test" };
  assert.deepEqual(faults(CustomResourceDefinition, body, { name: "widgets.x.k8s.io", annotations }), []);
});

test("an established definition keeps scope and kind", () => {
  const old = made<CustomResourceDefinition>(CustomResourceDefinition, good, { name });
  old.status = { ...old.status, conditions: [{ type: "Established", status: "True" }] };
  const next = changed(changed(old, "spec.scope", "Cluster"), "spec.names.kind", "Gadget");
  assert.deepEqual(
    changeFaults(CustomResourceDefinition, old, next).map((text) => text.split(":")[0]),
    ["spec.scope", "spec.names.kind"],
  );
});
