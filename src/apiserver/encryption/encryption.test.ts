import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { realClock } from "../../machinery/clock.ts";
import { openSqliteStore } from "../../store/sqlite.ts";
import type { Store } from "../../store/store.ts";
import { silentLogger } from "../../machinery/log.ts";
import { eventually } from "../../../test/harness.ts";
import { keyFileOf, newKey, readKeyFile, writeKeyFile } from "./key-file.ts";
import {
  create,
  dataDirectory,
  filesWith,
  keyOf,
  openEncrypted,
  prefixes,
  secret,
  update,
  valueOf,
} from "./testing.ts";

const current = (dataDir: string) => `k8s:enc:aesgcm:v1:${readKeyFile(keyFileOf(dataDir))![0]!.name}:`;

test("by default a Secret's value is in no file, whatever becomes of it; other kinds are stored as they are", async () => {
  using dir = dataDirectory();
  {
    await using opened = await openEncrypted(dir.path);
    const { store } = opened;
    await create(store, "kept", "value-one-kept");
    await create(store, "gone", "value-two-gone");
    await update(store, "kept", "value-three-kept");
    const { revision } = store.get(keyOf("gone"))!;
    const object = secret("gone", "value-four-gone");
    await store.write([{ type: "delete", key: keyOf("gone"), expectedRevision: revision, object }]);
    const config = { ...secret("config", "in-the-open"), kind: "ConfigMap" };
    await store.write([{ type: "create", key: { ...keyOf("config"), collection: "/configmaps" }, object: config }]);
    for (const n of ["one-kept", "two-gone", "three-kept", "four-gone"]) {
      assert.deepEqual(filesWith(dir.path, `value-${n.split("-")[0]}`), []);
    }
    assert.notDeepEqual(filesWith(dir.path, "in-the-open"), []);
    await store.backup(join(dir.path, "backup.db"));
  }
  assert.deepEqual(filesWith(dir.path, "value-t"), []);
  assert.deepEqual(prefixes(dir.path), [current(dir.path)]);
  await using again = await openEncrypted(dir.path);
  assert.equal(valueOf(again.store, "kept"), "value-three-kept");
});

test("Secrets that an earlier version left in plain text are encrypted at the first start, also what was deleted", async () => {
  using dir = dataDirectory();
  const file = join(dir.path, "store.db");
  const before = await openSqliteStore({ file, clock: realClock, log: silentLogger, historyEvents: 20 });
  for (let i = 0; i < 60; i++) await create(before, `s${i}`, `plain-value-${"x".repeat(i * 40)}`);
  for (let i = 0; i < 60; i += 2) {
    const { revision } = before.get(keyOf(`s${i}`))!;
    await before.write([{ type: "delete", key: keyOf(`s${i}`), expectedRevision: revision }]);
  }
  await before.close();
  assert.notDeepEqual(filesWith(dir.path, "plain-value"), []);
  {
    await using opened = await openEncrypted(dir.path);
    assert.deepEqual(filesWith(dir.path, "plain-value"), []);
    assert.equal(opened.store.list("/secrets").entries.length, 30);
  }
  assert.deepEqual(prefixes(dir.path), [current(dir.path)]);
  await using again = await openEncrypted(dir.path);
  assert.match(valueOf(again.store, "s9"), /^plain-value-x{360}$/);
});

test("without its key, with another or a damaged one, the store is refused by name, and nothing is changed", async () => {
  using dir = dataDirectory();
  const keyFile = keyFileOf(dir.path);
  {
    await using opened = await openEncrypted(dir.path);
    await create(opened.store, "s", "value");
  }
  const stored = readFileSync(join(dir.path, "store.db"));
  const key = current(dir.path);
  renameSync(keyFile, `${keyFile}.kept`);
  const lost = new RegExp(`default/s\\).*${key}, whose key is not in ${keyFile} \\(there is no such file\\)`);
  await assert.rejects(openEncrypted(dir.path), { code: "damaged", message: lost });
  assert.ok(!existsSync(keyFile));
  writeKeyFile(keyFile, [newKey()]);
  await assert.rejects(openEncrypted(dir.path), {
    code: "damaged",
    message: new RegExp(`whose key is not in ${keyFile}\\.`),
  });
  writeKeyFile(keyFile, [{ ...newKey(), name: key.split(":")[4]! }]);
  await assert.rejects(openEncrypted(dir.path), { message: new RegExp(`no genuine value of ${key} in ${keyFile}`) });
  for (const damaged of ["", "nonsense", '{"keys":[]}', '{"keys":[{"name":"a","secret":"eA=="}]}']) {
    writeFileSync(keyFile, damaged);
    await assert.rejects(openEncrypted(dir.path), { message: new RegExp(`${keyFile}: these are no keys`) });
    assert.equal(readFileSync(keyFile, "utf8"), damaged);
  }
  assert.deepEqual(readFileSync(join(dir.path, "store.db")), stored);
  renameSync(`${keyFile}.kept`, keyFile);
  await using again = await openEncrypted(dir.path);
  assert.equal(valueOf(again.store, "s"), "value");
});

/** As `knarr secrets rotate`; resolves when the old key is gone. */
async function rotate(dataDir: string): Promise<void> {
  const keyFile = keyFileOf(dataDir);
  writeKeyFile(keyFile, [newKey(), ...readKeyFile(keyFile)!]);
  await eventually("the old key is dropped", () => readKeyFile(keyFile)!.length === 1);
}

test("rotation while it runs leaves no value under the old key, and loses no write", async () => {
  using dir = dataDirectory();
  const written = new Map<string, string>();
  {
    await using opened = await openEncrypted(dir.path);
    const { store } = opened;
    for (let i = 0; i < 300; i++) await create(store, `s${i}`, `before-${i}`);
    let stop = false;
    const writers = [0, 1, 2].map(async (writer) => {
      for (let i = 0; !stop; i++) {
        const name = `s${writer + 3 * (i % 100)}`;
        await update(store, name, `${writer}-${i}`);
        written.set(name, `${writer}-${i}`);
      }
    });
    for (let i = 0; i < 3; i++) await rotate(dir.path);
    stop = true;
    await Promise.all(writers);
  }
  assert.deepEqual(prefixes(dir.path), [current(dir.path)]);
  await using again = await openEncrypted(dir.path);
  for (const [name, value] of written) assert.equal(valueOf(again.store, name), value);
  assert.equal(again.store.list("/secrets").entries.length, 300);
});

test("a rotation that broke off goes on at the next start: until then both keys are there", async () => {
  using dir = dataDirectory();
  const keyFile = keyFileOf(dir.path);
  {
    await using opened = await openEncrypted(dir.path);
    for (let i = 0; i < 10; i++) await create(opened.store, `s${i}`, `value-${i}`);
  }
  writeKeyFile(keyFile, [newKey(), ...readKeyFile(keyFile)!]);
  const breakOff = (store: Store): Store => {
    let left = 4;
    const rewrite: Store["rewrite"] = (visit) =>
      store.rewrite((key, bytes) => {
        if (left-- === 0) throw new Error("killed");
        return visit(key, bytes);
      });
    return new Proxy(store, {
      get: (target, name) => (name === "rewrite" ? rewrite : Reflect.get(target, name, target)),
    });
  };
  await assert.rejects(openEncrypted(dir.path, { wrap: breakOff }), /killed/);
  assert.equal(readKeyFile(keyFile)!.length, 2);
  await using opened = await openEncrypted(dir.path);
  assert.equal(readKeyFile(keyFile)!.length, 1);
  assert.deepEqual(prefixes(dir.path), [current(dir.path)]);
  assert.equal(valueOf(opened.store, "s7"), "value-7");
});

test("a key file that lacks the key in use is not taken up while it runs", async () => {
  using dir = dataDirectory();
  const keyFile = keyFileOf(dir.path);
  const errors: string[] = [];
  const log = { ...silentLogger, error: (fields: object) => errors.push(String((fields as { error: Error }).error)) };
  await using opened = await openEncrypted(dir.path, { log });
  await create(opened.store, "s", "value");
  const good = readKeyFile(keyFile)!;
  writeKeyFile(keyFile, [newKey()]);
  await eventually("the refusal", () => errors.some((text) => text.includes("whose key is not in")));
  await create(opened.store, "t", "value");
  assert.deepEqual(prefixes(dir.path), [`k8s:enc:aesgcm:v1:${good[0]!.name}:`]);
  writeKeyFile(keyFile, good);
});

const secretOf = (fill: number) => Buffer.alloc(32, fill).toString("base64");
const configOf = (...providers: string[]) => `
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources: [{resources: [secrets], providers: [${providers.join(", ")}]}]
`;
const cbc = (name: string) => `{aescbc: {keys: [{name: ${name}, secret: ${secretOf(name.charCodeAt(0))}}]}}`;
const box = (name: string) => `{secretbox: {keys: [{name: ${name}, secret: ${secretOf(name.charCodeAt(0))}}]}}`;
const open = "{identity: {}}";

test("Secrets stay encrypted by the default under a configuration that says nothing of them", async () => {
  using dir = dataDirectory();
  const config = join(dir.path, "encryption.yaml");
  writeFileSync(config, configOf(cbc("a")).replace("[secrets]", "[configmaps]"));
  for (const _ of ["made", "found again"]) {
    await using opened = await openEncrypted(dir.path, { config });
    if (!opened.store.get(keyOf("s"))) await create(opened.store, "s", "value");
    assert.deepEqual(prefixes(dir.path), [current(dir.path)]);
  }
});

test("a configuration takes the default's place, is followed, and one that cannot be used changes nothing", async () => {
  using dir = dataDirectory();
  const config = join(dir.path, "encryption.yaml");
  {
    await using opened = await openEncrypted(dir.path);
    await create(opened.store, "s", "value-in-the-store");
  }
  writeFileSync(config, configOf(cbc("a")));
  const errors: string[] = [];
  const log = { ...silentLogger, error: (fields: object) => errors.push(String((fields as { error: Error }).error)) };
  {
    await using opened = await openEncrypted(dir.path, { config, log });
    assert.deepEqual(prefixes(dir.path), ["k8s:enc:aescbc:v1:a:"]);
    const becomes = async (text: string, expected: string) => {
      writeFileSync(`${config}.new`, text);
      renameSync(`${config}.new`, config);
      await eventually(expected, () => prefixes(dir.path).join() === expected);
      await update(opened.store, "s", "value-in-the-store");
      assert.deepEqual(prefixes(dir.path), [expected]);
    };
    const isRefused = async (text: string, why: RegExp) => {
      const expected = prefixes(dir.path);
      errors.length = 0;
      writeFileSync(config, text);
      await eventually(`refusal: ${why}`, () => errors.some((error) => why.test(error)));
      await update(opened.store, "s", "value-in-the-store");
      assert.deepEqual(prefixes(dir.path), expected);
    };
    await isRefused(configOf(box("b")), /k8s:enc:aescbc:v1:a:, whose key is not in/);
    await becomes(configOf(box("b"), cbc("a")), "k8s:enc:secretbox:v1:b:");
    await isRefused("kind: Nonsense", /EncryptionConfiguration/);
    await isRefused(configOf(cbc("")), /name is a mandatory field/);
    await becomes(configOf(cbc("c"), box("b")), "k8s:enc:aescbc:v1:c:");
    await becomes(configOf(open, cbc("c")), "plain");
    await isRefused(configOf(cbc("c")), /in plain text, and .* has no identity provider/);
    await becomes(configOf(cbc("c"), open), "k8s:enc:aescbc:v1:c:");
  }
  assert.deepEqual(filesWith(dir.path, "value-in-the-store"), []);
  const message = /k8s:enc:aescbc:v1:c:, whose key is not in/;
  await assert.rejects(openEncrypted(dir.path), { code: "damaged", message });
  rmSync(config);
  await assert.rejects(openEncrypted(dir.path, { config }), { message: new RegExp(config) });
  writeFileSync(config, configOf(cbc("c")));
  await using again = await openEncrypted(dir.path, { config });
  assert.equal(valueOf(again.store, "s"), "value-in-the-store");
});
