// Gets, lists, watches and errors in protobuf, as client-go asks for them.
import { test } from "node:test";
import assert from "node:assert/strict";
import { decodeProtobuf } from "../protobuf/decode.ts";
import { encodeProtobuf } from "../protobuf/encode.ts";
import { testRouter } from "./testing.ts";

const type = "application/vnd.kubernetes.protobuf";
const headers = { accept: `${type},application/json` };
const schemas: Readonly<Record<string, string>> = {
  ConfigMap: "core.v1.ConfigMap",
  ConfigMapList: "core.v1.ConfigMapList",
  PartialObjectMetadataList: "meta.v1.PartialObjectMetadataList",
  Scale: "autoscaling.v1.Scale",
  Status: "meta.v1.Status",
};
const decode = (bytes: Buffer) => decodeProtobuf(bytes, (_, kind) => schemas[kind]) as any;
const configMap = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { a: "b" } });
const space = "/api/v1/namespaces/default";

test("what is created, read and refused in protobuf is the same as in JSON", async () => {
  const { ask } = await testRouter();
  const body = encodeProtobuf("core.v1.ConfigMap", configMap("one"));
  const created = await ask("POST", `${space}/configmaps`, {
    headers: { ...headers, "content-type": type },
    body,
  });
  assert.equal(created.status, 201);
  assert.equal(created.headers["content-type"], type);
  const plain = (await ask("GET", `${space}/configmaps/one`)).json();
  assert.deepEqual(decode(created.bytes), plain);
  assert.deepEqual(decode((await ask("GET", `${space}/configmaps/one`, { headers })).bytes), plain);

  const missing = await ask("GET", `${space}/configmaps/two`, { headers });
  assert.equal(missing.status, 404);
  assert.equal(decode(missing.bytes).reason, "NotFound");
  assert.equal((await ask("GET", `${space}/configmaps/one`, { headers: { accept: `${type};as=Table` } })).status, 406);
});

test("options of a deletion name any group's version, as Go clients do", async () => {
  const { ask } = await testRouter();
  await ask("POST", `${space}/configmaps`, { body: JSON.stringify(configMap("one")) });
  const options = { apiVersion: "apps/v1", kind: "DeleteOptions", dryRun: ["All"] };
  const body = encodeProtobuf("meta.v1.DeleteOptions", options);
  const path = `${space}/configmaps/one`;
  assert.equal((await ask("DELETE", path, { headers: { "content-type": type }, body })).status, 200);
  assert.equal((await ask("GET", path)).status, 200);
});

test("lists come whole however long they are, and as metadata alone", async () => {
  const { ask } = await testRouter();
  for (let i = 0; i < 40; i++) {
    const object = { ...configMap(`c${i}`), data: { text: "x".repeat(10_000) } };
    await ask("POST", `${space}/configmaps`, { body: JSON.stringify(object) });
  }
  const list = decode((await ask("GET", `${space}/configmaps`, { headers })).bytes);
  const plain = (await ask("GET", `${space}/configmaps`)).json();
  assert.equal(list.kind, "ConfigMapList");
  assert.deepEqual(list.metadata, plain.metadata);
  const untyped = plain.items.map(({ apiVersion: _apiVersion, kind: _kind, ...rest }: Record<string, unknown>) => rest);
  assert.deepEqual(list.items, untyped);
  const accept = `${type};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`;
  const partial = decode((await ask("GET", `${space}/configmaps?limit=1`, { headers: { accept } })).bytes);
  assert.equal(partial.kind, "PartialObjectMetadataList");
  assert.deepEqual(partial.items, [{ metadata: untyped[0].metadata }]);
  assert.ok(partial.metadata.continue);
});

test("a watch sends events, bookmarks and errors in frames", async () => {
  const { ask } = await testRouter();
  await ask("POST", `${space}/configmaps`, { body: JSON.stringify(configMap("one")) });
  const query =
    "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1";
  const { bytes, headers: sent } = await ask("GET", `${space}/configmaps?${query}`, { headers: { accept: type } });
  assert.equal(sent["content-type"], `${type};stream=watch`);
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 4 + bytes.readUInt32BE(at))
    frames.push(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at)));
  const objects = frames.map((frame) => decode(frame.subarray(frame.indexOf("k8s\0"))));
  assert.equal(objects.find(({ metadata }) => metadata.name === "one").data.a, "b");
  const bookmark = objects.at(-1);
  assert.equal(frames.at(-1)!.toString("latin1", 2, 10), "BOOKMARK");
  assert.equal(bookmark.metadata.annotations["k8s.io/initial-events-end"], "true");
});
