// What is saved on kinds of which many objects are alike changes no outcome.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PatchType } from "../../client/client.ts";
import { arbitraryOf } from "../../kinds/arbitrary.ts";
import { Pod } from "../../kinds/index.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { realClock } from "../../machinery/clock.ts";
import { StatusError } from "../../machinery/errors.ts";
import type { Entry } from "../../store/store.ts";
import { asAdmin, testApi } from "../testing.ts";

type Json = Record<string, unknown>;
type Write = { readonly name: string } & (
  | { readonly verb: "create" | "update"; readonly pod: Json }
  | { readonly verb: "patch"; readonly type: PatchType; readonly patch: unknown }
  | { readonly verb: "status"; readonly patch: Json }
);

const text = fc.constantFrom("a", "b", "c", "d", "Not valid!");
const container = fc.record(
  {
    name: fc.constantFrom("a", "b"),
    image: fc.constantFrom("app", "app:2", "app:3", " app"),
    env: fc.constantFrom(
      [{ name: "A", value: "1" }],
      [{ name: "B", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
    ),
    volumeMounts: fc.constantFrom([{ name: "v", mountPath: "/v" }], [{ name: "gone", mountPath: "/v" }]),
    resources: fc.constantFrom({ limits: { cpu: "1000m" } }, { requests: { memory: "1Gi" } }, { limits: { cpu: "x" } }),
    readinessProbe: fc.constantFrom({ exec: { command: ["x"] } }, { periodSeconds: -1 }),
  },
  { requiredKeys: ["name", "image"] },
);
const spec = fc.record(
  {
    containers: fc.uniqueArray(container, { minLength: 1, maxLength: 2, selector: ({ name }) => name }),
    volumes: fc.constantFrom(
      [{ name: "v" }],
      [{ name: "v", emptyDir: {} }],
      [{ name: "w", hostPath: { path: "/../x" } }],
    ),
    tolerations: fc.constantFrom([], [{ key: "a", operator: "Exists" }], [{ key: "a", operator: "Nope" }]),
    activeDeadlineSeconds: fc.constantFrom(0, 5, 9, null),
    terminationGracePeriodSeconds: fc.constantFrom(1, 30),
    priority: fc.constant(0),
    unheard: fc.constant(1),
  },
  { requiredKeys: ["containers"] },
);
const metadata = fc.record(
  {
    labels: fc.dictionary(fc.constantFrom("a", "b"), fc.oneof(text, fc.constant(null)), { maxKeys: 2 }),
    annotations: fc.constantFrom({ x: "1" }, { x: null }, { x: 1 }),
    finalizers: fc.constantFrom(["a.b/c"], [], null),
    managedFields: fc.constantFrom([], [{}], null),
  },
  { requiredKeys: [] },
);
const status = fc.record({
  phase: fc.constantFrom("Running", "Pending"),
  conditions: fc.constantFrom([{ type: "Ready", status: "True" }], []),
});
const change = fc.oneof(
  fc.record({ metadata }),
  fc.record({
    spec: fc.oneof(
      spec,
      spec.map(({ containers: _containers, ...rest }) => rest),
    ),
  }),
  fc.record({ metadata, spec, status }),
  arbitraryOf("core.v1.Pod", 4) as fc.Arbitrary<Json>,
);
const jsonPatch = fc.constantFrom(
  [],
  [{ op: "add", path: "/metadata/labels", value: { a: "z" } }],
  [{ op: "replace", path: "/spec/containers/0/image", value: "app:3" }],
  [{ op: "copy", from: "/spec/containers/0", path: "/spec/containers/1" }],
  [{ op: "remove", path: "/metadata" }],
  [{ op: "remove", path: "/apiVersion" }],
);
const name = fc.constantFrom("p", "p", "q", "r");
const pod = fc.record({ metadata, spec });
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ name, verb: fc.constantFrom("create" as const, "update" as const), pod }),
  fc.record({
    name,
    verb: fc.constant("patch" as const),
    type: fc.constantFrom("merge" as const, "strategic" as const),
    patch: change,
  }),
  fc.record({ name, verb: fc.constant("patch" as const), type: fc.constant("json" as const), patch: jsonPatch }),
  fc.record({ name, verb: fc.constant("status" as const), patch: fc.record({ metadata, spec, status }) }),
);

const anyUid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** Performs the writes one after the other; what comes of each is comparable between two clusters. */
async function outcomes(kind: AnyKind, writes: readonly Write[]): Promise<unknown[]> {
  const { api } = await testApi({ clock: { ...realClock, now: () => 1e12 } });
  const perform = async (one: Write): Promise<Entry> => {
    const target = { namespace: "default", name: one.name };
    const body = { apiVersion: "v1", kind: "Pod" };
    switch (one.verb) {
      case "create": {
        const named = { ...body, ...one.pod, metadata: { ...(one.pod.metadata as Json), name: one.name } };
        return api.create(asAdmin(), kind, "default", structuredClone(named) as never, {});
      }
      case "update":
        return (await api.update(asAdmin(), kind, target, structuredClone({ ...body, ...one.pod }) as never, {})).entry;
      case "patch":
        return (await api.patch(asAdmin(), kind, target, one.type, one.patch, {})).entry;
      case "status":
        return (await api.patch(asAdmin(), kind, target, "merge", one.patch, { subresource: "status" })).entry;
    }
  };
  const out: unknown[] = [];
  for (const one of writes) {
    try {
      const { object, revision } = await perform(one);
      out.push({ revision, object: { ...object, metadata: { ...object.metadata, uid: "" } } });
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      out.push({ ...error.status, message: error.message.replaceAll(anyUid, "") });
    }
  }
  return out;
}

test("pods come out the same whether or not they share their parts early", async () => {
  const plain = { ...Pod, manyAlike: false };
  await fc.assert(
    fc.asyncProperty(fc.array(write, { minLength: 1, maxLength: 12 }), async (writes) => {
      const first = { metadata: {}, spec: { containers: [{ name: "a", image: "x" }], volumes: [{ name: "v" }] } };
      const all = [...["p", "q"].map((name) => ({ name, verb: "create", pod: first }) as const), ...writes];
      assert.deepEqual(await outcomes(Pod, all), await outcomes(plain, all));
    }),
    { numRuns: 100 },
  );
});
