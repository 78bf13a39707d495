import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { EncryptionCodec, type Rule } from "./codec.ts";
import { aesCbc, aesGcm, identity, type Provider } from "./providers.ts";

const gcm = (name: string) => aesGcm({ name, secret: randomBytes(32) });
const secret = { collection: "/secrets", namespace: "ns", name: "s" };
const json = Buffer.from('{"data":"value"}');
const codecOf = (rules: readonly Rule[], readers: readonly Provider[] = []) =>
  new EncryptionCodec({ rules, readers, source: "/keys" });
const forSecrets = (...providers: Provider[]) => codecOf([{ resource: "secrets", providers }]);
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

test("the first provider writes, with its prefix, and all read", () => {
  const [a, b] = [gcm("a"), gcm("b")];
  const old = forSecrets(a).encode(secret, json);
  const codec = forSecrets(b, a, identity);
  assert.match(text(old), /^k8s:enc:aesgcm:v1:a:/);
  assert.match(text(codec.encode(secret, json)), /^k8s:enc:aesgcm:v1:b:/);
  for (const value of [old, codec.encode(secret, json), json]) {
    assert.deepEqual(Buffer.from(codec.decode(secret, value)), json);
  }
});

test("a rule is chosen by resource, then by group, then the one for everything; others stay plain", () => {
  const byRule = (resource: string) => ({ resource, providers: [gcm(resource.replaceAll(/\W/g, "_"))] });
  const codec = codecOf(["secrets", "*.", "widgets.example.com", "*.example.com", "*.*"].map(byRule));
  const written = (collection: string) =>
    text(codec.encode({ collection, namespace: "", name: "n" }, json)).split(":")[4];
  assert.equal(written("/secrets"), "secrets");
  assert.equal(written("/pods"), "__");
  assert.equal(written("example.com/widgets"), "widgets_example_com");
  assert.equal(written("example.com/gadgets"), "__example_com");
  assert.equal(written("apps/deployments"), "___");
  const plain = forSecrets(gcm("a"));
  assert.equal(plain.encode({ collection: "/pods", namespace: "n", name: "p" }, json), json);
});

test("rows that were swapped, changed or cut are refused, and the error names the key and its file", () => {
  const codec = forSecrets(gcm("a"));
  const value = codec.encode(secret, json);
  const message = /no genuine value of k8s:enc:aesgcm:v1:a: in \/keys/;
  assert.throws(() => codec.decode({ ...secret, name: "other" }, value), message);
  assert.throws(() => codec.decode({ ...secret, namespace: "other" }, value), message);
  const changed = Buffer.from(value);
  changed[changed.length - 20]! ^= 1;
  assert.throws(() => codec.decode(secret, changed), message);
  assert.throws(() => codec.decode(secret, value.subarray(0, 40)), message);
});

test("a wrong key that has no tag to show it is noticed by the nonsense that it gives", () => {
  const cbc = () => aesCbc({ name: "a", secret: randomBytes(32) });
  const value = forSecrets(cbc()).encode(secret, json);
  for (let i = 0; i < 20; i++) assert.throws(() => forSecrets(cbc()).decode(secret, value), /no genuine value/);
});

test("what no provider reads is refused, also plain text where identity is not among them", () => {
  const value = forSecrets(gcm("gone")).encode(secret, json);
  assert.throws(
    () => forSecrets(gcm("a")).decode(secret, value),
    /k8s:enc:aesgcm:v1:gone:, whose key is not in \/keys/,
  );
  assert.throws(() => codecOf([]).decode(secret, value), /whose key is not in/);
  assert.throws(() => forSecrets(gcm("a")).decode(secret, json), /plain text, and \/keys has no identity provider/);
});

test("only what would be written otherwise now is stale", async () => {
  const [a, b] = [gcm("a"), gcm("b")];
  const codec = forSecrets(b, a, identity);
  assert.equal(await codec.renewed(secret, codec.encode(secret, json)), undefined);
  assert.equal(codec.sawStale, false);
  for (const value of [forSecrets(a).encode(secret, json), json]) {
    const renewed = await codec.renewed(secret, value);
    assert.match(text(renewed!), /^k8s:enc:aesgcm:v1:b:/);
    assert.deepEqual(Buffer.from(codec.decode(secret, renewed!)), json);
  }
  assert.equal(codec.sawStale, true);
  const [off] = [forSecrets(identity, b)];
  assert.deepEqual(Buffer.from((await off.renewed(secret, codec.encode(secret, json)))!), json);
});

test("keys of before go on reading while new ones write, until they are forgotten", () => {
  const [a, b] = [gcm("a"), gcm("b")];
  const codec = forSecrets(a);
  const old = codec.encode(secret, json);
  codec.use({ rules: [{ resource: "secrets", providers: [b] }], readers: [], source: "/keys" });
  assert.deepEqual(Buffer.from(codec.decode(secret, old)), json);
  codec.forget();
  assert.throws(() => codec.decode(secret, old));
});
