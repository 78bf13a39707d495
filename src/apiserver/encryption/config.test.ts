// The complaints follow kubernetes v1.36 apiserver/pkg/apis/apiserver/validation/validation_encryption_test.go.
import assert from "node:assert/strict";
import { test } from "node:test";
import { stringify } from "yaml";
import { parseEncryptionConfig, type KmsPlugin } from "./config.ts";
import { identity } from "./providers.ts";

const secretOf = (bytes: number) => Buffer.alloc(bytes, 1).toString("base64");
const keys = (...names: string[]) => ({ keys: names.map((name) => ({ name, secret: secretOf(32) })) });
const parse = (resources: unknown, opened: KmsPlugin[] = []) =>
  parseEncryptionConfig(
    stringify({ apiVersion: "apiserver.config.k8s.io/v1", kind: "EncryptionConfiguration", resources }),
    (plugin) => {
      opened.push(plugin);
      return Promise.resolve({ ...identity, prefix: "kms" });
    },
  );
const plain = [{ identity: {} }];
const kms = { apiVersion: "v2", name: "p", endpoint: "unix:///tmp/p.sock" };

test("providers are kept in their order, each key one of its own", async () => {
  const opened: KmsPlugin[] = [];
  const providers = [
    { kms },
    { aescbc: keys("a", "b") },
    { secretbox: keys("c") },
    { aesgcm: keys("d") },
    { identity: {} },
  ];
  const rules = await parse([{ resources: ["secrets", "widgets.example.com"], providers }], opened);
  assert.deepEqual(
    rules.map(({ resource }) => resource),
    ["secrets", "widgets.example.com"],
  );
  assert.deepEqual(
    rules[1]!.providers.map(({ prefix }) => prefix),
    ["kms", "k8s:enc:aescbc:v1:a:", "k8s:enc:aescbc:v1:b:", "k8s:enc:secretbox:v1:c:", "k8s:enc:aesgcm:v1:d:", ""],
  );
  assert.deepEqual(opened, [{ name: "p", endpoint: "unix:///tmp/p.sock", timeoutMs: 3000 }]);
});

const first = "resources[0].providers[0]";
const refused: readonly (readonly [string, unknown, string])[] = [
  ["no resources", [], "resources: Required value: at least one resources is required"],
  [
    "an empty list of resources",
    [{ resources: [], providers: plain }],
    "resources[0].resources: Required value: at least one resources[0].resources is required",
  ],
  [
    "no providers",
    [{ resources: ["secrets"], providers: [] }],
    "resources[0].providers: Required value: at least one resources[0].providers is required",
  ],
  [
    "a provider without any",
    [{ resources: ["secrets"], providers: [{}] }],
    "provider does not contain any of the expected",
  ],
  [
    "two providers in one element",
    [{ resources: ["secrets"], providers: [{ aesgcm: keys("a"), identity: {} }] }],
    "more than one provider specified in a single element, should split into different list elements",
  ],
  [
    "capital letters",
    [{ resources: ["Secrets"], providers: plain }],
    "resource name should not contain capital letters",
  ],
  [
    "a bare star",
    [{ resources: ["*"], providers: plain }],
    "use '*.' to encrypt all the resources from core API group",
  ],
  [
    "one resource of all groups",
    [{ resources: ["jobs.*"], providers: plain }],
    "encrypting the same resource across groups",
  ],
  ["extensions", [{ resources: ["ingresses.extensions"], providers: plain }], "'extensions' group has been removed"],
  ["events.k8s.io", [{ resources: ["events.events.k8s.io"], providers: plain }], "Use 'events' instead"],
  ["a resource twice", [{ resources: ["secrets", "secrets"], providers: plain }], "cannot be specified multiple times"],
  ["an overlap", [{ resources: ["secrets", "*."], providers: plain }], "using overlapping resources such as 'secrets'"],
  [
    "a masked rule",
    [
      { resources: ["*.*"], providers: plain },
      { resources: ["secrets"], providers: plain },
    ],
    'resource "secrets" is masked by earlier rule "*.*"',
  ],
  [
    "no keys",
    [{ resources: ["secrets"], providers: [{ aescbc: { keys: [] } }] }],
    `${first}.aescbc.keys: Required value`,
  ],
  [
    "a key without a name",
    [{ resources: ["secrets"], providers: [{ aescbc: { keys: [{ secret: secretOf(16) }] } }] }],
    `${first}.aescbc.keys[0].name: Required value: name is a mandatory field for a key`,
  ],
  [
    "a short key",
    [{ resources: ["secrets"], providers: [{ aesgcm: { keys: [{ name: "a", secret: secretOf(20) }] } }] }],
    `${first}.aesgcm.keys[0].secret: Invalid value: "REDACTED": secret is not of the expected length, got 20, expected one of [16 24 32]`,
  ],
  [
    "no base64",
    [{ resources: ["secrets"], providers: [{ secretbox: { keys: [{ name: "a", secret: "%%%%" }] } }] }],
    "secrets must be base64 encoded",
  ],
  [
    "KMS over TCP",
    [{ resources: ["secrets"], providers: [{ kms: { ...kms, endpoint: "tcp://127.0.0.1:1" } }] }],
    'unsupported scheme "tcp" for KMS provider, only unix is supported',
  ],
  ["KMS v1", [{ resources: ["secrets"], providers: [{ kms: { ...kms, apiVersion: "v1" } }] }], "KMSv1 is deprecated"],
  [
    "a cache size of KMS v2",
    [{ resources: ["secrets"], providers: [{ kms: { ...kms, cachesize: 5 } }] }],
    "cachesize is not supported in v2",
  ],
  [
    "no time at all for KMS",
    [{ resources: ["secrets"], providers: [{ kms: { ...kms, timeout: "0s" } }] }],
    "timeout should be a positive value",
  ],
  ["one plugin twice", [{ resources: ["secrets"], providers: [{ kms }, { kms }] }], "duplicate KMS provider name p"],
  [
    "a colon in a name",
    [{ resources: ["secrets"], providers: [{ kms: { ...kms, name: "a:b" } }] }],
    "must not contain ':'",
  ],
  ["a misspelt field", [{ resources: ["secrets"], provider: plain }], "unknown field resources[0].provider"],
];

for (const [what, resources, message] of refused) {
  test(`refused: ${what}`, () =>
    assert.rejects(parse(resources), (error: Error) => {
      assert.ok(error.message.includes(message), error.message);
      assert.ok(!error.message.includes(secretOf(20)));
      return true;
    }));
}
