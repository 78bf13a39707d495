// What the edge says about bodies that are not what they should be, and about versions that it has not seen yet.
import assert from "node:assert/strict";
import { test } from "node:test";
import { testRouter } from "./testing.ts";

const maps = "/api/v1/namespaces/default/configmaps";
const map = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } };
const patchType = (type: string) => ({ "content-type": `application/${type}` });

test("bodies of another kind or version are refused in upstream's words", async () => {
  const { ask } = await testRouter();
  const told = async (body: object) => (await ask("POST", maps, { body: JSON.stringify(body) })).json().message;
  assert.equal(
    await told({ ...map, kind: "Secret" }),
    'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (v1.ConfigMap): unknown conversion',
  );
  assert.equal(
    await told({ ...map, apiVersion: "v2" }),
    "the API version in the data (v2) does not match the expected API version (v1)",
  );
});

test("an applied configuration may only name what there is, whatever the field validation", async () => {
  const { ask } = await testRouter();
  for (const validation of ["Ignore", "Warn", "Strict"]) {
    const answer = await ask("PATCH", `${maps}/a?fieldManager=me&fieldValidation=${validation}`, {
      headers: patchType("apply-patch+yaml"),
      body: JSON.stringify({ ...map, colour: "red" }),
    });
    assert.equal(answer.status, 400);
    assert.equal(
      answer.json().message,
      "failed to create typed patch object (/a; v1, Kind=ConfigMap): .colour: field not declared in schema",
    );
  }
});

test("a patch is told of its unknown and its repeated fields together", async () => {
  const { ask } = await testRouter();
  await ask("POST", maps, { body: JSON.stringify(map) });
  const patch = (query: string) =>
    ask("PATCH", `${maps}/a${query}`, {
      headers: patchType("merge-patch+json"),
      body: '{"colour":"red","data":{"x":"1","x":"2"}}',
    });
  assert.match(
    (await patch("?fieldValidation=Strict")).json().message,
    /strict decoding error: unknown field "colour", duplicate field "data\.x"/,
  );
  assert.deepEqual((await patch("")).headers.warning, [
    '299 - "unknown field \\"colour\\""',
    '299 - "duplicate field \\"data.x\\""',
  ]);
});

test("a list from a version to come waits for it a moment", async () => {
  const { ask, store } = await testRouter();
  const asked = ask("GET", `${maps}?resourceVersion=${store.revision + 1}`);
  await ask("POST", maps, { body: JSON.stringify(map) });
  const { items } = (await asked).json();
  assert.ok(items.some(({ metadata }: { metadata: { name: string } }) => metadata.name === "a"));
});

test("to read a status is a right of its own", async () => {
  const { ask } = await testRouter();
  const role = (name: string, resources: string[]) => ({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name },
    rules: [{ apiGroups: [""], resources, verbs: ["get"] }],
  });
  for (const [name, resource] of [
    ["whole", "namespaces"],
    ["part", "namespaces/status"],
  ] as const) {
    const group = "/apis/rbac.authorization.k8s.io/v1";
    await ask("POST", `${group}/clusterroles`, { body: JSON.stringify(role(name, [resource])) });
    const binding = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name }],
    };
    await ask("POST", `${group}/clusterrolebindings`, { body: JSON.stringify(binding) });
  }
  const read = async (commonName: string, path: string) =>
    (await ask("GET", path, { peer: { commonName, organizations: [] } })).status;
  const path = "/api/v1/namespaces/default";
  assert.deepEqual([await read("whole", path), await read("whole", `${path}/status`)], [200, 403]);
  assert.deepEqual([await read("part", path), await read("part", `${path}/status`)], [403, 200]);
});

test("objects where texts belong are refused, whatever they claim to be", async () => {
  const { ask } = await testRouter();
  await ask("POST", maps, { body: JSON.stringify(map) });
  const odd = { toString: 1, valueOf: [], split: "", length: -1 };
  const deletion = { propagationPolicy: odd, preconditions: { uid: odd }, dryRun: odd, gracePeriodSeconds: odd };
  const rows: [string, string, string, unknown][] = [
    ["POST", maps, "json", { ...map, kind: odd }],
    ["POST", maps, "json", { ...map, apiVersion: odd }],
    ["POST", maps, "json", { ...map, metadata: odd }],
    ["POST", maps, "json", { ...map, metadata: { name: odd } }],
    ["PUT", `${maps}/a`, "json", { ...map, metadata: { name: odd } }],
    ["PUT", `${maps}/a`, "json", { ...map, metadata: { name: "a", resourceVersion: odd } }],
    ["PATCH", `${maps}/a`, "json-patch+json", [{ op: odd, path: "/a" }]],
    ["PATCH", `${maps}/a`, "json-patch+json", [{ op: "test", path: odd }]],
    ["PATCH", `${maps}/a`, "json-patch+json", [{ op: "add", path: "/metadata/name", value: odd }]],
    ["PATCH", `${maps}/a`, "merge-patch+json", { kind: odd }],
    ["PATCH", `${maps}/a`, "strategic-merge-patch+json", { data: { $patch: odd } }],
    ["PATCH", `${maps}/a`, "strategic-merge-patch+json", { metadata: { "$setElementOrder/finalizers": odd } }],
    ["PATCH", `${maps}/a?fieldManager=me`, "apply-patch+yaml", { ...map, kind: odd }],
    ["PATCH", `${maps}/a?fieldManager=me`, "apply-patch+yaml", { ...map, metadata: { managedFields: odd } }],
    ["DELETE", `${maps}/a`, "json", { ...deletion, kind: odd }],
    ...Object.entries(deletion).map(([name, value]): [string, string, string, unknown] => [
      "DELETE",
      `${maps}/a?dryRun=All`,
      "json",
      { [name]: value },
    ]),
  ];
  for (const [method, path, type, body] of rows) {
    const answer = await ask(method, path, { headers: patchType(type), body: JSON.stringify(body) });
    assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${JSON.stringify(body)}: ${answer.text}`);
    assert.equal(answer.json().kind, "Status");
  }
});
