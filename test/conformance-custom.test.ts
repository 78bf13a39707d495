// What the conformance suite asks of custom resources: their definitions, discovery, published schemas and strict validation.
import assert from "node:assert/strict";
import { json } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { kubectlOf, kubectls, refusal, requestsOf, type Json, type Requests } from "./requests.ts";

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

const anything = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
const foo = {
  type: "object",
  description: "A Foo for tests.",
  properties: {
    spec: {
      type: "object",
      description: "What Foo is.",
      properties: {
        bars: {
          type: "array",
          description: "The bars of Foo.",
          items: {
            type: "object",
            required: ["name"],
            properties: {
              name: { type: "string", description: "The name of a bar." },
              age: { type: "string", description: "How old it is." },
              bazs: { type: "array", description: "Its bazs.", items: { type: "string" } },
            },
          },
        },
      },
    },
    status: { type: "object", description: "How Foo is.", properties: { phase: { type: "string" } } },
  },
};
const waldo = {
  type: "object",
  description: "A Waldo for tests.",
  properties: { spec: { type: "object", properties: { dummy: { type: "string" } } } },
};

describe("custom resources as conformance sees them", { timeout: 180_000 }, () => {
  let plane: ControlPlane;
  let clients: string[];
  let { ask, patch, until, watch } = {} as Requests;

  before(async () => {
    plane = await startControlPlane();
    ({ ask, patch, until, watch } = requestsOf(plane.admin));
    clients = await kubectls();
  });
  after(async () => plane?.[Symbol.asyncDispose]());

  interface Defined {
    readonly name: string;
    readonly kind: string;
    readonly group: string;
    readonly plural: string;
    /** The path of the definition. */
    readonly path: string;
    /** The collection in the default namespace. */
    at(version?: string): string;
    object(name: string, fields?: object, version?: string): Json;
  }
  /** Defines a kind and waits until it is served. */
  const define = async (
    kind: string,
    group: string,
    schema: object,
    versions: readonly string[] = ["v1"],
    labels: Record<string, string> = {},
  ): Promise<Defined> => {
    const plural = `${kind.toLowerCase()}s`;
    const name = `${plural}.${group}`;
    await ask("POST", definitions, {
      metadata: { name, labels },
      spec: {
        group,
        scope: "Namespaced",
        names: { plural, kind },
        versions: versions.map((version, i) => ({
          name: version,
          served: true,
          storage: i === 0,
          schema: { openAPIV3Schema: schema },
          subresources: { status: {} },
        })),
      },
    });
    const path = `${definitions}/${name}`;
    await until(path, ({ status }) =>
      status?.conditions?.some(({ type, status: is }: Json) => type === "Established" && is === "True"),
    );
    return {
      name,
      kind,
      group,
      plural,
      path,
      at: (version = versions[0]) => `/apis/${group}/${version}/namespaces/default/${plural}`,
      object: (objectName, fields = {}, version = versions[0]) => ({
        apiVersion: `${group}/${version}`,
        kind,
        metadata: { name: objectName },
        ...fields,
      }),
    };
  };

  test("a definition is created, found in discovery, and deleted", async () => {
    const { path, group } = await define("Simple", "simple.example.com", anything);
    const namesOf = (list: Json) => list.map(({ name }: Json) => name);
    assert.ok(namesOf((await ask("GET", "/apis")).groups).includes("apiextensions.k8s.io"));
    const { versions } = await ask("GET", "/apis/apiextensions.k8s.io");
    assert.ok(versions.some(({ version }: Json) => version === "v1"));
    const { resources } = await ask("GET", "/apis/apiextensions.k8s.io/v1");
    assert.ok(namesOf(resources).includes("customresourcedefinitions"));
    assert.ok(namesOf((await ask("GET", `/apis/${group}/v1`)).resources).includes("simples"));
    await ask("DELETE", path);
    await until(path, (gone) => gone === undefined);
    await until(`/apis/${group}/v1`, (gone) => gone === undefined);
  });

  test("definitions are listed by label and deleted as a collection", async () => {
    for (const kind of ["One", "Two"]) await define(kind, "listed.example.com", anything, ["v1"], { list: "these" });
    await define("Three", "listed.example.com", anything);
    const these = `${definitions}?labelSelector=list%3Dthese`;
    assert.equal((await ask("GET", these)).items.length, 2);
    await ask("DELETE", these);
    await until(these, ({ items }) => items.length === 0);
    assert.equal((await ask("GET", `${definitions}/threes.listed.example.com`)).kind, "CustomResourceDefinition");
  });

  test("the status of a definition is read, updated and patched", async () => {
    const { path } = await define("Stated", "stated.example.com", anything);
    const read = await ask("GET", `${path}/status`);
    const condition = { type: "Update", status: "True", reason: "Test", message: "set by a test" };
    const conditions = [...read.status.conditions, condition];
    const updated = await ask("PUT", `${path}/status`, { ...read, status: { ...read.status, conditions } });
    assert.equal(updated.status.conditions.at(-1).message, "set by a test");
    const changed = { status: { conditions: [...conditions, { ...condition, type: "Patch" }] } };
    assert.equal((await patch(`${path}/status`, changed)).status.conditions.at(-1).type, "Patch");
  });

  test("defaults are set in requests, and on reading what was stored before them", async () => {
    const schema = (a: object, b: object = {}) => ({
      type: "object",
      properties: { a: { type: "string", ...a }, b: { type: "string", ...b } },
    });
    const kind = await define("Default", "default.example.com", schema({}));
    assert.equal((await ask("POST", kind.at(), kind.object("before"))).a, undefined);
    const change = (value: object) =>
      patch(kind.path, [{ op: "replace", path: "/spec/versions/0/schema/openAPIV3Schema", value }], "json-patch+json");
    await change(schema({ default: "A" }));
    await until(`${kind.at()}/before`, ({ a }) => a === "A");
    assert.equal((await ask("POST", kind.at(), kind.object("request"))).a, "A");
    // A default that goes leaves what was stored with it, and takes what was only read with it.
    await change(schema({}, { default: "B" }));
    await until(`${kind.at()}/before`, ({ a, b }) => a === undefined && b === "B");
    const { a, b } = await ask("GET", `${kind.at()}/request`);
    assert.deepEqual([a, b], ["A", "B"]);
  });

  test("objects of a custom kind are watched, each by its name", async () => {
    const kind = await define("Watched", "watched.example.com", anything);
    const { metadata } = await ask("GET", kind.at());
    for (const name of ["a", "b"]) await ask("POST", kind.at(), kind.object(name));
    for (const name of ["a", "b"]) await patch(`${kind.at()}/${name}`, { spec: { changed: true } });
    for (const name of ["a", "b"]) await ask("DELETE", `${kind.at()}/${name}`);
    for (const name of ["a", "b"]) {
      const query = `watch=1&resourceVersion=${metadata.resourceVersion}&fieldSelector=metadata.name%3D${name}`;
      const events = await watch(`${kind.at()}?${query}`, 3);
      const seen = events.map(({ type, object }) => `${type} ${object.metadata.name}`);
      assert.deepEqual(seen, [`ADDED ${name}`, `MODIFIED ${name}`, `DELETED ${name}`]);
    }
  });

  test("aggregated discovery shows a new definition, its versions and resources", async () => {
    const { kind, group } = await define("Aggregated", "aggregated.example.com", anything, ["v1", "v2"]);
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    const { headers, body } = await plane.admin.request("GET", "/apis", { headers: { accept } });
    assert.match(String(headers["content-type"]), /as=APIGroupDiscoveryList/);
    const { items } = (await json(body)) as Json;
    const { versions } = items.find(({ metadata }: Json) => metadata.name === group);
    assert.deepEqual(
      versions.map(({ version }: Json) => version),
      ["v2", "v1"],
    );
    for (const { resources } of versions) {
      const [{ resource, responseKind, scope, verbs, subresources }] = resources;
      assert.deepEqual([resource, responseKind.kind, scope], ["aggregateds", kind, "Namespaced"]);
      assert.ok(verbs.includes("deletecollection"));
      assert.equal(subresources[0].subresource, "status");
    }
  });

  /** The schemas of a kind in OpenAPI v2 and v3, without what every object has. */
  const published = async ({ group, kind, plural }: Defined, version: string): Promise<Json[]> => {
    const name = `${group.split(".").toReversed().join(".")}.${version}.${kind}`;
    const [v2, v3] = await Promise.all([
      ask("GET", "/openapi/v2"),
      ask("GET", `/openapi/v3/apis/${group}/${version}`).catch(() => undefined),
    ]);
    const path = `/apis/${group}/${version}/namespaces/{namespace}/${plural}`;
    assert.equal(v2.paths[path] !== undefined, v2.definitions[name] !== undefined);
    return [v2.definitions[name], v3?.components.schemas[name]].map((schema) => {
      if (schema === undefined) return undefined;
      const { "x-kubernetes-group-version-kind": _, ...own } = schema;
      if (!own.properties) return own;
      const { apiVersion, kind: ofKind, metadata, ...properties } = own.properties;
      assert.ok(apiVersion && ofKind && metadata);
      return { ...own, properties };
    });
  };
  const bothAre = (schema: object) => [schema, schema];

  test("a schema is published: kubectl validates by it and explains it", async () => {
    const kind = await define("Foo", "schema.example.com", foo);
    assert.deepEqual(await published(kind, "v1"), bothAre(foo));
    for (const binary of clients) {
      const kubectl = kubectlOf(plane, binary);
      const text = (spec: object) => JSON.stringify(kind.object("foo", { spec }));
      for (const verb of ["create", "apply"]) {
        await kubectl([verb, "-f", "-"], text({ bars: [{ name: "bar" }] }));
        await kubectl(["delete", kind.plural, "foo"]);
        const unknown = await kubectl([verb, "-f", "-"], text({ foo: true }), { fails: true });
        assert.match(unknown, /unknown field "(spec\.)?foo"/);
        const missing = await kubectl([verb, "-f", "-"], text({ bars: [{ age: "10" }] }), { fails: true });
        assert.match(missing, /missing required field "name"|spec\.bars\[0\]\.name: Required value/);
      }
      for (const [path, expected] of [
        ["", /DESCRIPTION:\s+A Foo for tests\.[\s\S]*apiVersion\s+<string>[\s\S]*spec\s+<Object>[\s\S]*What Foo is\./],
        [".metadata", /DESCRIPTION:[\s\S]*FIELDS:[\s\S]*creationTimestamp\s+<string>/],
        [".spec", /What Foo is\.[\s\S]*bars\s+<\[\]Object>[\s\S]*The bars of Foo\./],
        [".spec.bars", /The bars of Foo\.[\s\S]*bazs\s+<\[\]string>[\s\S]*Its bazs[\s\S]*name\s+<string> -required-/],
      ] as const) {
        assert.match(await kubectl(["explain", `${kind.plural}${path}`]), expected);
      }
      const none = await kubectl(["explain", `${kind.plural}.spec.bars2`], "", { fails: true });
      assert.match(none, /field "bars2" does not exist/);
    }
  });

  for (const [title, group, schema, fields, explained] of [
    ["without a schema", "none.example.com", anything, { a: { b: [{ c: "d" }] } }, /DESCRIPTION:\s+<empty>/],
    [
      "that preserves unknown fields at its root",
      "root.example.com",
      { ...anything, description: "Open.", properties: { spec: { type: "object" }, status: { type: "object" } } },
      { a: { b: [{ c: "d" }] } },
      /KIND:\s+Open/,
    ],
    [
      "that preserves unknown fields in an embedded object",
      "nested.example.com",
      {
        type: "object",
        description: "Open inside.",
        properties: { spec: { ...anything, description: "Open spec." }, status: { ...anything } },
      },
      { spec: { a: "x", b: [{ c: "d" }] } },
      /DESCRIPTION:\s+Open inside\./,
    ],
  ] as const) {
    test(`a definition ${title} takes and keeps unknown fields, also from kubectl`, async () => {
      const kind = await define("Open", group, schema);
      const [, v3] = await published(kind, "v1");
      assert.deepEqual({ ...v3, properties: undefined }, { ...schema, properties: undefined });
      for (const binary of clients) {
        const kubectl = kubectlOf(plane, binary);
        for (const verb of ["create", "apply"]) {
          await kubectl([verb, "-f", "-"], JSON.stringify(kind.object("one", fields)));
          const stored = await ask("GET", `${kind.at()}/one`);
          for (const [key, value] of Object.entries(fields)) assert.deepEqual(stored[key], value);
          await kubectl(["delete", kind.name, "one"]);
        }
        assert.match(await kubectl(["explain", kind.plural, `--api-version=${group}/v1`]), explained);
      }
    });
  }

  test("definitions of different groups are published side by side", async () => {
    const one = await define("Foo", "left.example.com", foo);
    const other = await define("Waldo", "right.example.com", waldo, ["v1beta1"]);
    assert.deepEqual(await published(one, "v1"), bothAre(foo));
    assert.deepEqual(await published(other, "v1beta1"), bothAre(waldo));
  });

  test("several versions of one definition, and definitions of one group with different versions, are published", async () => {
    const both = await define("Foo", "multi.example.com", foo, ["v2", "v3"]);
    for (const version of ["v2", "v3"]) assert.deepEqual(await published(both, version), bothAre(foo));
    const other = await define("Waldo", "multi.example.com", waldo, ["v5"]);
    assert.deepEqual(await published(other, "v5"), bothAre(waldo));
    assert.deepEqual(await published(both, "v5"), [undefined, undefined]);
  });

  test("definitions of one group and version with different kinds are published together", async () => {
    const kinds = [await define("Foo", "same.example.com", foo), await define("Waldo", "same.example.com", waldo)];
    assert.deepEqual(await Promise.all(kinds.map((kind) => published(kind, "v1"))), [bothAre(foo), bothAre(waldo)]);
  });

  test("a version that is renamed or no longer served changes what is published", async () => {
    const kind = await define("Foo", "renamed.example.com", foo, ["v2", "v3"]);
    const set = (path: string, value: unknown) =>
      patch(kind.path, [{ op: "replace", path: `/spec/versions/1/${path}`, value }], "json-patch+json");
    const is = async (schemas: Record<string, object | undefined>) => {
      for (const [version, schema] of Object.entries(schemas)) {
        assert.deepEqual(await published(kind, version), [schema, schema], version);
      }
    };
    await is({ v2: foo, v3: foo });
    await set("name", "v4");
    await is({ v2: foo, v3: undefined, v4: foo });
    await set("served", false);
    await is({ v2: foo, v4: undefined });
  });

  test("strict validation: kubectl creates and applies what a schema allows, and what has no schema", async () => {
    const strict = await define("Strict", "strict.example.com", foo);
    const open = await define("Loose", "strict.example.com", anything);
    const kubectl = kubectlOf(plane, clients[0]!);
    for (const [{ object }, fields] of [
      [strict, { spec: { bars: [{ name: "bar" }] } }],
      [open, { spec: { unknown: { field: [1] } } }],
    ] as const) {
      const text = JSON.stringify(object("valid", fields));
      await kubectl(["create", "--validate=true", "-f", "-"], text);
      await kubectl(["apply", "--validate=true", "--server-side", "--force-conflicts", "-f", "-"], text);
    }
    const spec = { bars: [{ name: "bar" }], extraProperty: "arbitrary" };
    const extra = JSON.stringify(strict.object("extra", { spec }));
    for (const verb of ["create", "apply"]) {
      const said = await kubectl([verb, "--validate=true", "-f", "-"], extra, { fails: true });
      assert.match(said, /unknown field "spec\.extraProperty"/);
    }
    const apply = `${strict.at()}/extra?fieldValidation=Strict&fieldManager=test`;
    const unknown = { ...strict.object("extra"), unknownField: "x" };
    const { message } = await refusal(patch(apply, unknown, "apply-patch+yaml"));
    assert.match(message, /\.unknownField: field not declared in schema/);
  });

  test("strict validation: unknown metadata of the object and of an embedded one is named", async () => {
    const template = { "x-kubernetes-embedded-resource": true, ...anything };
    const schema = { type: "object", properties: { spec: { type: "object", properties: { template } } } };
    const kind = await define("Holder", "strict.example.com", schema);
    const metadata = { name: "inner", namespace: "default", unknownSubMeta: "x" };
    const object = kind.object("meta", { spec: { template: { apiVersion: "foo/v1", kind: "Sub", metadata } } });
    object.metadata.unknownMeta = "x";
    const { message } = await refusal(ask("POST", `${kind.at()}?fieldValidation=Strict`, object));
    assert.match(message, /unknown field "metadata\.unknownMeta"/);
    assert.match(message, /unknown field "spec\.template\.metadata\.unknownSubMeta"/);
    const apply = `${kind.at()}/meta?fieldValidation=Strict&fieldManager=test`;
    delete object.metadata.unknownMeta;
    const applied = await refusal(patch(apply, object, "apply-patch+yaml"));
    assert.match(applied.message, /\.spec\.template\.metadata\.unknownSubMeta: field not declared in schema/);
  });

  test("strict validation: keys given twice are named although unknown fields are preserved", async () => {
    const kind = await define("Twice", "strict.example.com", { type: "object", properties: { spec: anything } });
    const body = `{"apiVersion":"${kind.group}/v1","kind":"Twice","metadata":{"name":"t"},"spec":{"foo":"1","foo":"2"}}`;
    const { message } = await refusal(ask("POST", `${kind.at()}?fieldValidation=Strict`, body));
    assert.match(message, /strict decoding error: duplicate field "spec\.foo"/);
    const yaml = `apiVersion: ${kind.group}/v1\nkind: Twice\nmetadata:\n  name: t\nspec:\n  foo: a\n  foo: b\n`;
    const apply = `${kind.at()}/t?fieldValidation=Strict&fieldManager=test`;
    assert.match(
      (await refusal(patch(apply, yaml, "apply-patch+yaml"))).message,
      /line 7: key "foo" already set in map/,
    );
  });
});
