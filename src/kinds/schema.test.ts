import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeObject, fieldOf, type FieldFacts, schemaOf, schemaTable } from "./schema.ts";
import { arbitraryOf } from "./arbitrary.ts";

const collect = { unknown: "collect" } as const;
const decode = (value: unknown, type = "core.v1.Pod") => decodeObject(value, type, collect);
const pod = (spec: object) => ({ apiVersion: "v1", kind: "Pod", metadata: { name: "a" }, spec });

test("an object in canonical form comes back as itself", () => {
  const value = pod({
    containers: [{ name: "c", ports: [{ containerPort: 80 }], resources: { limits: { cpu: "1" } } }],
  });
  assert.deepEqual(decode(value), { object: value, errors: [], unknownFields: [] });
  assert.equal(decode(value).object, value);
});

test("unknown fields are dropped and named by path, or only dropped", () => {
  const value = pod({ foo: 1, containers: [{ name: "c", imagge: "x" }] });
  assert.deepEqual(decode(value).unknownFields, ["spec.foo", "spec.containers[0].imagge"]);
  assert.deepEqual(decode(value).object, pod({ containers: [{ name: "c" }] }));
  assert.deepEqual(decodeObject(value, "core.v1.Pod", { unknown: "ignore" }).unknownFields, []);
  assert.deepEqual(decode({ constructor: 1, toString: 2 }).unknownFields, ["constructor", "toString"]);
});

test("nulls and empty optional collections are as good as absent", () => {
  const { object } = decode({
    metadata: { name: "a", namespace: "", creationTimestamp: null, labels: {} },
    spec: { containers: [{ name: "c", env: [], command: null }], securityContext: {} },
  });
  assert.deepEqual(object, { metadata: { name: "a" }, spec: { containers: [{ name: "c" }], securityContext: {} } });
});

test("a null inside a list or map becomes the zero value", () => {
  const { object } = decode({
    metadata: { labels: { a: null } },
    spec: { containers: [{ name: "c", args: ["x", null] }] },
  });
  assert.deepEqual(object, { metadata: { labels: { a: "" } }, spec: { containers: [{ name: "c", args: ["x", ""] }] } });
});

test("quantities and times take their canonical form", () => {
  const { object, errors } = decode({
    metadata: { creationTimestamp: "2026-01-02T03:04:05.678+01:00" },
    spec: { containers: [{ name: "c", resources: { limits: { cpu: "1000m", memory: 1024 } } }] },
  });
  assert.deepEqual(errors, []);
  assert.deepEqual(object, {
    metadata: { creationTimestamp: "2026-01-02T02:04:05Z" },
    spec: { containers: [{ name: "c", resources: { limits: { cpu: "1", memory: "1024" } } }] },
  });
  assert.deepEqual(decode({ renewTime: "2026-01-02T03:04:05.1234Z" }, "coordination.v1.LeaseSpec").object, {
    renewTime: "2026-01-02T03:04:05.123400Z",
  });
});

const wrong: readonly [unknown, string, string][] = [
  [
    pod({ hostNetwork: "x" }),
    "core.v1.Pod",
    "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
  ],
  [
    pod({ containers: {} }),
    "core.v1.Pod",
    "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
  ],
  [
    pod({ containers: [{ ports: [{ containerPort: 1.5 }] }] }),
    "core.v1.Pod",
    "json: cannot unmarshal number 1.5 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
  ],
  [
    { metadata: { labels: { a: 1 } } },
    "core.v1.Pod",
    "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
  ],
  [
    { spec: { replicas: 2 ** 31 } },
    "apps.v1.Deployment",
    "json: cannot unmarshal number 2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32",
  ],
  [{ data: { a: "YQ" } }, "core.v1.Secret", "data.a: illegal base64 data"],
  [
    { metadata: { creationTimestamp: "yesterday" } },
    "core.v1.Secret",
    'metadata.creationTimestamp: parsing time "yesterday": it must be RFC 3339',
  ],
  [[], "core.v1.Secret", "json: cannot unmarshal array into Go value of type v1.Secret"],
  ["x", "core.v1.Secret", "json: cannot unmarshal string into Go value of type v1.Secret"],
];
for (const [value, type, message] of wrong) {
  test(`a wrong type is reported: ${message}`, () => assert.deepEqual(decode(value, type).errors, [message]));
}

test("every reference in the table leads to a type", () => {
  const check = (facts: FieldFacts | undefined): void => {
    if (!facts) return;
    if (facts.ref) assert.ok(schemaOf(facts.ref), facts.ref);
    check(facts.items);
  };
  for (const type of Object.values(schemaTable())) for (const facts of Object.values(type.fields)) check(facts);
});

test("decoding keeps canonical objects, and decoding twice changes nothing more", () => {
  const types = fc.constantFrom(
    "core.v1.Pod",
    "core.v1.Service",
    "apps.v1.Deployment",
    "core.v1.Secret",
    "core.v1.Node",
  );
  fc.assert(
    fc.property(
      types.chain((type) =>
        fc.tuple(
          fc.constant(type),
          arbitraryOf(type, 4),
          fc.object({ key: fc.constantFrom("spec", "metadata", "name", "x") }),
        ),
      ),
      ([type, canonical, anything]) => {
        const first = decode(canonical, type);
        assert.deepEqual(first.errors, []);
        assert.equal(JSON.stringify(first.object), JSON.stringify(canonical));
        const once = decode({ ...anything, ...(canonical as object) }, type).object;
        assert.equal(decode(once, type).object, once);
      },
    ),
    { numRuns: 200 },
  );
});

test("a field that only Object.prototype has is no field", () => {
  assert.equal(fieldOf(schemaOf("core.v1.Pod")!, "constructor"), undefined);
  assert.equal(schemaOf("constructor"), undefined);
});
