// CustomResourceDefinitions through the API: their kinds behave like built-in ones, by their schemas.
import { test } from "node:test";
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { CustomResourceDefinition } from "../../kinds/apiextensions/custom-resource-definition.ts";
import { builtinKinds } from "../../kinds/index.ts";
import { KindRegistry } from "../../kinds/registry.ts";
import { silentLogger } from "../../machinery/log.ts";
import { createApi } from "../core/api.ts";
import type { StatusError } from "../../machinery/errors.ts";
import { asAdmin } from "../testing.ts";
import { apiWith, cronTabs } from "./testing.ts";

const spec = {
  type: "object",
  properties: {
    cronSpec: { type: "string", pattern: "^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$" },
    image: { type: "string" },
    replicas: { type: "integer", minimum: 1, maximum: 10, default: 1 },
  },
};

const withStatus = (definition: CustomResourceDefinition) => {
  definition.spec.versions[0]!.subresources = {
    status: {},
    scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" },
  };
};

async function settled<T>(read: () => T | undefined): Promise<T> {
  for (let i = 0; i < 200; i++) {
    const value = read();
    if (value) return value;
    await setImmediate();
  }
  throw new Error("it did not come true");
}

const isTrue = (definition: CustomResourceDefinition | undefined, type: string) =>
  definition?.status?.conditions?.find((condition) => condition.type === type)?.status === "True";

test("a definition is served at once, and says so", async () => {
  const server = await apiWith(cronTabs(spec));
  const kind = server.kindOf();
  assert.deepEqual([kind.kind, kind.shortNames, kind.categories, kind.namespaced], ["CronTab", ["ct"], ["all"], true]);
  const definition = await settled(() => {
    const read = server.definition();
    return isTrue(read, "Established") ? read : undefined;
  });
  assert.equal(isTrue(definition, "NamesAccepted"), true);
  assert.deepEqual(definition.status?.storedVersions, ["v1"]);
  assert.equal(definition.status?.acceptedNames?.plural, "crontabs");
});

test("a definition in a group of the Kubernetes project says whether the project has approved it", async () => {
  const of = async (approval: string) => {
    const server = await apiWith(
      cronTabs(spec, (draft) => {
        draft.metadata.name = "crontabs.x.k8s.io";
        draft.metadata.annotations = { "api-approved.kubernetes.io": approval };
        draft.spec.group = "x.k8s.io";
      }),
    );
    const type = "KubernetesAPIApprovalPolicyConformant";
    const { reason, status } = await settled(() =>
      server.definition("crontabs.x.k8s.io")?.status?.conditions?.find((condition) => condition.type === type),
    );
    return [status, reason];
  };
  assert.deepEqual(await of("unapproved, a test"), ["False", "UnapprovedAnnotation"]);
  assert.deepEqual(await of("https://example.com/review"), ["True", "ApprovedAnnotation"]);
});

test("objects are defaulted and pruned, and count generations", async () => {
  const server = await apiWith(cronTabs(spec));
  const created = await server.create("a", { spec: { image: "x", colour: "red" } });
  assert.deepEqual(created.spec, { image: "x", replicas: 1 });
  assert.equal(created.metadata.generation, 1);
  const updated = await server.update("a", { spec: { image: "y" } });
  assert.equal(updated.metadata.generation, 2);
});

test("unknown fields are warned of, or refused under strict validation", async () => {
  const server = await apiWith(cronTabs(spec));
  const context = asAdmin();
  await server.create("a", { spec: { colour: "red" } }, {}, context);
  assert.deepEqual(context.warnings, ['unknown field "spec.colour"']);
  await assert.rejects(
    server.create("b", { spec: { colour: "red" } }, { fieldValidation: "Strict" }),
    /strict decoding error: unknown field "spec.colour"/,
  );
});

test("an object that breaks the schema is refused with the words that clients know", async () => {
  const server = await apiWith(cronTabs(spec));
  await assert.rejects(server.create("a", { spec: { cronSpec: "* *", replicas: 15 } }), (error: StatusError) => {
    assert.equal(error.code, 422);
    assert.deepEqual(
      error.status.details?.causes?.map(({ field, message }) => `${field}: ${message}`),
      [
        "spec.cronSpec: Invalid value: \"* *\": spec.cronSpec in body should match '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$'",
        "spec.replicas: Invalid value: 15: spec.replicas in body should be less than or equal to 10",
      ],
    );
    return true;
  });
});

test("status has its own door", async () => {
  const server = await apiWith(cronTabs(spec, withStatus));
  const created = await server.create("a", { spec: { image: "x" }, status: { replicas: 3 } });
  assert.equal(created.status, undefined);
  const status = await server.update("a", { spec: { image: "y" }, status: { replicas: 2 } }, { subresource: "status" });
  assert.deepEqual([status.spec.image, status.status.replicas, status.metadata.generation], ["x", 2, 1]);
  const main = await server.update("a", { spec: { image: "z" }, status: { replicas: 9 } });
  assert.deepEqual([main.spec.image, main.status.replicas, main.metadata.generation], ["z", 2, 2]);
});

test("scale reads and writes the paths of the definition", async () => {
  const server = await apiWith(cronTabs(spec, withStatus));
  await server.create("a", { spec: { replicas: 2 } });
  const kind = server.kindOf();
  const call = (method: "GET" | "PUT", body?: unknown) =>
    server.api.special(asAdmin(), kind, { name: "a", namespace: "default" }, "scale", method, body, { parameters: {} });
  const scale = (await call("GET")) as unknown as { spec: { replicas: number } };
  assert.equal(scale.spec.replicas, 2);
  await call("PUT", { ...scale, spec: { replicas: 5 } });
  assert.equal(server.get("a").spec.replicas, 5);
  await assert.rejects(
    call("PUT", { ...scale, spec: { replicas: 50 }, metadata: { name: "a" } }),
    /less than or equal/,
  );
});

test("strategic merge patches are refused, merge patches work", async () => {
  const server = await apiWith(cronTabs(spec));
  await server.create("a", { spec: { image: "x" } });
  const patch = (type: "strategic" | "merge") =>
    server.api.patch(
      asAdmin(),
      server.kindOf(),
      { name: "a", namespace: "default" },
      type,
      { spec: { image: "z" } },
      {},
    );
  await assert.rejects(patch("strategic"), (error: StatusError) => error.code === 415);
  assert.equal(((await patch("merge")).entry.object as unknown as { spec: { image: string } }).spec.image, "z");
});

test("server-side apply merges by the schema's list types and keeps managers apart", async () => {
  const ports = {
    type: "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["port"],
    items: {
      type: "object",
      required: ["port"],
      properties: { port: { type: "integer" }, name: { type: "string" } },
    },
  };
  const server = await apiWith(cronTabs({ type: "object", properties: { ports } }));
  const apply = async (fieldManager: string, port: object) => {
    const kind = server.kindOf();
    const { entry } = await server.api.patch(
      asAdmin(),
      kind,
      { name: "a", namespace: "default" },
      "apply",
      { apiVersion: "stable.example.com/v1", kind: "CronTab", metadata: { name: "a" }, spec: { ports: [port] } },
      { fieldManager },
    );
    return entry.object as unknown as { spec: { ports: unknown[] } };
  };
  await apply("one", { port: 1, name: "a" });
  assert.deepEqual((await apply("two", { port: 2 })).spec.ports, [{ port: 1, name: "a" }, { port: 2 }]);
  await assert.rejects(apply("two", { port: 1, name: "b" }), /conflict with "one"/);
});

test("another version shows the same object, by its own schema", async () => {
  const server = await apiWith(
    cronTabs(spec, ({ spec: { versions } }) => {
      versions.push({
        name: "v2",
        served: true,
        storage: false,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: { spec: { type: "object", properties: { image: { type: "string", default: "none" } } } },
          },
        },
      });
    }),
  );
  await server.create("a", { spec: { replicas: 3 } });
  const other = server.get("a", "v2");
  assert.deepEqual([other.apiVersion, other.spec], ["stable.example.com/v2", { image: "none" }]);
  assert.equal(server.get("a").apiVersion, "stable.example.com/v1");
});

test("a definition whose short name is in use is served without it once the other goes", async () => {
  const server = await apiWith(cronTabs(spec));
  const second = cronTabs(spec, (draft) => {
    draft.metadata.name = "catnaps.stable.example.com";
    draft.spec.names = { plural: "catnaps", singular: "catnap", kind: "CatNap", shortNames: ["ct"] };
  });
  await server.define(second);
  const refused = await settled(() => {
    const read = server.definition("catnaps.stable.example.com");
    return read?.status?.conditions?.length ? read : undefined;
  });
  assert.deepEqual(
    refused.status?.conditions?.map(({ type, status, reason }) => [type, status, reason]),
    [
      ["NamesAccepted", "False", "ShortNamesConflict"],
      ["Established", "False", "NotAccepted"],
    ],
  );
  assert.throws(() => server.kindOf("v1", "catnaps"));
  await server.api.delete(
    asAdmin(),
    CustomResourceDefinition,
    { name: "crontabs.stable.example.com", namespace: "" },
    {},
  );
  await settled(() => server.kinds.byResource("stable.example.com", "v1", "catnaps"));
});

test("deleting a definition deletes its objects first, waiting for their finalizers", async () => {
  const server = await apiWith(cronTabs(spec));
  await server.create("plain", { spec: {} });
  const held = await server.create("held", { spec: {} });
  await server.update("held", { metadata: { ...held.metadata, finalizers: ["example.com/hold"] }, spec: {} });
  const target = { name: "crontabs.stable.example.com", namespace: "" };
  const { deleted } = await server.api.delete(asAdmin(), CustomResourceDefinition, target, {});
  assert.equal(deleted, false);
  await settled(() => (server.store.list("stable.example.com/crontabs").entries.length === 1 ? true : undefined));
  await settled(() => (isTrue(server.definition(), "Terminating") ? true : undefined));
  await assert.rejects(server.create("late", { spec: {} }), (error: StatusError) => error.code === 405);
  const waiting = server.get("held");
  const { finalizers: _, ...metadata } = waiting.metadata;
  await server.update("held", { ...waiting, metadata });
  await settled(() => (server.definition() === undefined ? true : undefined));
  assert.throws(() => server.kindOf());
});

test("what is stored is served from the start", async () => {
  const server = await apiWith(cronTabs(spec));
  await server.create("a", { spec: { image: "x" } });
  const kinds = new KindRegistry(builtinKinds);
  createApi({
    store: server.store,
    kinds,
    clock: server.clock,
    log: silentLogger,
    serviceCidr: "10.96.0.0/16",
    rootCaPem: "",
    clusterDomain: "cluster.local",
  });
  assert.equal(kinds.byResource("stable.example.com", "v1", "crontabs")?.kind, "CronTab");
});

test("a default that was added later shows in objects that are stored already", async () => {
  const server = await apiWith(cronTabs(spec));
  await server.create("a", { spec: {} });
  const changed = structuredClone(server.definition()!);
  const image = changed.spec.versions[0]!.schema!.openAPIV3Schema!.properties!.spec!.properties!.image!;
  image.default = "busybox";
  await server.redefine(changed);
  assert.equal(server.get("a").spec.image, "busybox");
});

test("selectable fields select", async () => {
  const server = await apiWith(
    cronTabs(spec, (draft) => {
      draft.spec.versions[0]!.selectableFields = [{ jsonPath: ".spec.image" }];
    }),
  );
  await server.create("a", { spec: { image: "x" } });
  await server.create("b", { spec: { image: "y" } });
  const list = (fieldSelector: string) =>
    server.api.list(asAdmin(), server.kindOf(), { namespace: "", fieldSelector }).entries.map(({ key }) => key.name);
  assert.deepEqual(list("spec.image=y"), ["b"]);
  assert.throws(() => list("spec.replicas=1"), /field label not supported/);
});

test("a default must fit its schema", async () => {
  const server = await apiWith();
  const bad = cronTabs({ type: "object", properties: { n: { type: "integer", default: "one" } } });
  await assert.rejects(server.define(bad), /properties\[n\]\.default.*must be of type integer/);
});
