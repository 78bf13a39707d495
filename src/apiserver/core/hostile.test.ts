import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { builtinKinds, ConfigMap, Deployment, Pod } from "../../kinds/index.ts";
import { StatusError } from "../../machinery/errors.ts";
import { asAdmin, testApi } from "../testing.ts";

// oxlint-disable-next-line typescript/no-explicit-any
type Any = any;

/** Every outcome is a result or a Status that blames the client. */
async function answers(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    assert.ok(error instanceof StatusError, String((error as Error).stack));
    assert.ok(error.code < 500, error.message);
  }
}

test("no body makes create, update or patch fail in any way but a Status", async () => {
  const { api } = await testApi();
  await api.create(asAdmin(), ConfigMap, "default", { metadata: { name: "a" } } as Any, {});
  const target = { namespace: "default", name: "a" };
  const bodies = [
    null,
    "x",
    1,
    [],
    {},
    { metadata: null },
    { metadata: "x" },
    { metadata: { name: 7 } },
    { metadata: { name: "b", labels: [] } },
    { kind: "Pod" },
  ];
  for (const kind of [ConfigMap, Pod, Deployment]) {
    for (const body of bodies) {
      await answers(() => api.create(asAdmin(), kind, "default", structuredClone(body) as Any, {}));
      await answers(() => api.update(asAdmin(), kind, target, structuredClone(body) as Any, {}));
      for (const type of ["merge", "strategic", "json", "apply"] as const) {
        await answers(() => api.patch(asAdmin(), kind, target, type, structuredClone(body), { fieldManager: "m" }));
      }
    }
  }
});

test("no body makes a special subresource fail in any way but a Status", async () => {
  const { api } = await testApi();
  const target = { namespace: "default", name: "a" };
  const spec = { containers: [{ name: "c", image: "i" }] };
  await api.create(asAdmin(), Pod, "default", { metadata: { name: "a", labels: { x: "y" } }, spec } as Any, {});
  const apps = { selector: { matchLabels: { x: "y" } }, template: { metadata: { labels: { x: "y" } }, spec } };
  await api.create(
    asAdmin(),
    Deployment,
    "default",
    structuredClone({ metadata: { name: "a" }, spec: apps }) as Any,
    {},
  );
  const bodies = [
    null,
    "x",
    1,
    [],
    {},
    { metadata: null },
    { metadata: "x" },
    { spec: null },
    { spec: "x" },
    { target: "x" },
    { target: { name: 7 } },
    { deleteOptions: "x" },
  ];
  const rows = [
    [Deployment, "scale"],
    [Pod, "binding"],
    [Pod, "ephemeralcontainers"],
    [Pod, "resize"],
    [Pod, "eviction"],
  ] as const;
  for (const [kind, subresource] of rows) {
    for (const body of bodies) {
      for (const method of ["PUT", "PATCH", "POST"] as const) {
        const options = { patchType: "merge", parameters: {} } as const;
        await answers(() => api.special(asAdmin(), kind, target, subresource, method, structuredClone(body), options));
      }
    }
  }
});

test("no JSON value in the place of a pod's spec makes create crash", async () => {
  const { api } = await testApi();
  const keys = fc.constantFrom(
    "containers",
    "volumes",
    "name",
    "image",
    "ports",
    "env",
    "resources",
    "affinity",
    "tolerations",
    "securityContext",
    "initContainers",
    "nodeSelector",
  );
  const values = fc.letrec((tie) => ({
    value: fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(keys, tie("value"), { maxKeys: 4 }),
    ),
  })).value;
  await fc.assert(
    fc.asyncProperty(values, async (spec) => {
      await answers(() => api.create(asAdmin(), Pod, "default", { metadata: { generateName: "p-" }, spec } as Any, {}));
    }),
    { numRuns: 300 },
  );
});

test("every stored kind can be listed, watched and deleted as a collection", async () => {
  const { api } = await testApi();
  const none = { onEvents() {}, onEnd() {} };
  for (const kind of builtinKinds.filter((one) => !one.virtual)) {
    if (kind.verbs.includes("list")) api.list(asAdmin(), kind, { namespace: "", labelSelector: "a=b" });
    if (kind.verbs.includes("watch")) api.watch(asAdmin(), kind, { namespace: "" }, none).close();
    if (!kind.verbs.includes("deletecollection")) continue;
    await api.deleteCollection(
      asAdmin(),
      kind,
      { namespace: kind.namespaced ? "default" : "", labelSelector: "a=b" },
      {},
    );
  }
});
