import assert from "node:assert/strict";
import { test } from "node:test";
import { formsOf } from "./secrets.ts";

const version = (collection: string, name: string, text: string, deleted = false) => ({
  key: { collection, namespace: "default", name },
  revision: 0,
  deleted,
  value: Buffer.from(text),
});
const sealed = (key: string) => `k8s:enc:aesgcm:v1:${key}:\u0000\u0001:binary`;

test("objects and old versions are counted by resource, provider and key", () => {
  const forms = formsOf([
    version("/secrets", "a", "{}"),
    version("/secrets", "a", sealed("one")),
    version("/secrets", "b", sealed("one")),
    version("/secrets", "b", sealed("two")),
    version("/secrets", "c", sealed("two")),
    version("/secrets", "c", "", true),
    version("/secrets", "d", sealed("two")),
    version("/secrets", "d", sealed("two"), true),
    version("/secrets", "d", sealed("two")),
    version("apps/deployments", "a", "{}"),
    version("apps/deployments", "b", "k8s:enc:kms:v2:plugin:\u0000"),
  ]);
  assert.deepEqual(
    forms.map(({ resource, provider, key, objects, oldVersions }) => [resource, provider, key, objects, oldVersions]),
    [
      ["deployments.apps", "kms", "plugin", 1, 0],
      ["deployments.apps", "plaintext", "", 1, 0],
      ["secrets", "aesgcm", "one", 1, 1],
      ["secrets", "aesgcm", "two", 2, 3],
      ["secrets", "plaintext", "", 0, 1],
    ],
  );
});
