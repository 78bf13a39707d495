// Answers in other forms than JSON objects: YAML, discovery in protobuf, and what is made up on the spot.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { decodeProtobuf, protobufType } from "../protobuf/decode.ts";
import { bodySchemaOf } from "../protobuf/fields.ts";
import { testRouter } from "./testing.ts";

const yaml = { headers: { accept: "application/yaml" } };
const maps = "/api/v1/namespaces/default/configmaps";

test("objects, lists, tables, errors and discovery come in YAML to those who ask for it", async () => {
  const { ask } = await testRouter();
  const data = { yes: "no", number: "0123", text: "a\nb: c\n" };
  await ask("POST", maps, {
    body: JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" }, data }),
  });
  for (const [path, status] of [
    [`${maps}/a`, 200],
    [maps, 200],
    [`${maps}/b`, 404],
    ["/api/v1", 200],
  ] as const) {
    const [inYaml, inJson] = [await ask("GET", path, yaml), await ask("GET", path)];
    assert.equal(inYaml.status, status);
    assert.equal(inYaml.headers["content-type"], "application/yaml");
    for (const version of ["1.1", "1.2"] as const) assert.deepEqual(parse(inYaml.text, { version }), inJson.json());
  }
  assert.match((await ask("GET", `${maps}/a`, yaml)).text, /^apiVersion: v1\ndata:\n  number: "0123"\n/);
  const table = { headers: { accept: "application/yaml;as=Table;v=v1;g=meta.k8s.io" } };
  assert.equal(parse((await ask("GET", maps, table)).text).kind, "Table");
  assert.equal((await ask("GET", `${maps}?watch=1`, yaml)).status, 406);
});

test("discovery tells the version that is stored, also in protobuf", async () => {
  const { ask } = await testRouter();
  const hashes = async (path: string) => {
    const rows: { name: string; storageVersionHash?: string }[] = (await ask("GET", path)).json().resources;
    return new Map(rows.map(({ name, storageVersionHash }) => [name, storageVersionHash]));
  };
  const [core, events, old, scaling] = await Promise.all(
    ["/api/v1", "/apis/events.k8s.io/v1", "/apis/autoscaling/v1", "/apis/autoscaling/v2"].map(hashes),
  );
  assert.equal(core!.get("pods"), "xPOwRZ+Yhw8=");
  assert.equal(core!.get("pods/status"), undefined);
  assert.equal(events!.get("events"), core!.get("events"));
  assert.equal(old!.get("horizontalpodautoscalers"), scaling!.get("horizontalpodautoscalers"));
  for (const path of ["/apis", "/apis/apps", "/apis/apps/v1"]) {
    const answer = await ask("GET", path, { headers: { accept: protobufType } });
    assert.equal(answer.headers["content-type"], protobufType);
    assert.deepEqual(decodeProtobuf(answer.bytes, bodySchemaOf), (await ask("GET", path)).json());
  }
});

test("components are healthy", async () => {
  const { ask } = await testRouter();
  const path = "/api/v1/componentstatuses";
  const { items } = (await ask("GET", path)).json();
  assert.deepEqual(
    items.map(({ metadata }: { metadata: { name: string } }) => metadata.name),
    ["scheduler", "controller-manager", "etcd-0"],
  );
  assert.deepEqual((await ask("GET", `${path}/etcd-0`)).json().conditions, items[2].conditions);
  const table = { headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" } };
  assert.deepEqual((await ask("GET", `${path}?fieldSelector=metadata.name%3Dscheduler`, table)).json().rows[0].cells, [
    "scheduler",
    "Healthy",
    "ok",
    "",
  ]);
  assert.deepEqual(
    [(await ask("GET", `${path}/x`)).status, (await ask("DELETE", `${path}/etcd-0`)).status],
    [404, 405],
  );
});

test("pretty lists and tables are the same documents with line breaks", async () => {
  const { ask } = await testRouter();
  const lists = [maps, `${maps}?limit=1`, "/api/v1/namespaces/default/secrets"];
  for (const name of ["a", "b"]) {
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { text: "a\nb\\n" } };
    await ask("POST", maps, { body: JSON.stringify(object) });
  }
  for (const path of lists) {
    for (const as of ["", ";as=Table;v=v1;g=meta.k8s.io", ";as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"]) {
      const headers = { accept: `application/json${as}` };
      const plain = await ask("GET", path, { headers });
      const pretty = await ask("GET", `${path}${path.includes("?") ? "&" : "?"}pretty=true`, { headers });
      // Ages in tables go on.
      assert.equal(
        pretty.text.replaceAll(/"\d+s"/g, '"0s"'),
        `${JSON.stringify(JSON.parse(plain.text.replaceAll(/"\d+s"/g, '"0s"')), undefined, 2)}\n`,
      );
    }
  }
});
