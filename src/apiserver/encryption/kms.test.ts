// Key management plugins: one in this process, over a Unix socket.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { eventually } from "../../../test/harness.ts";
import { realClock, type Clock } from "../../machinery/clock.ts";
import { readStored } from "../../store/read.ts";
import { create, dataDirectory, filesWith, openEncrypted, prefixes, update, valueOf } from "./testing.ts";
import { KmsPlugin, messages, type Message } from "./testing-kms.ts";

/** A clock whose long waits end when the test says so; `skip` moves it on. */
function testClock(): Clock & { skip(ms: number): void; poll(): void } {
  let offset = 0;
  let polls: (() => void)[] = [];
  return {
    now: () => Date.now() + offset,
    after(ms, callback, keepAlive) {
      if (ms < 10_000) return realClock.after(Math.min(ms, 20), callback, keepAlive);
      polls.push(callback);
      return () => (polls = polls.filter((other) => other !== callback));
    },
    skip: (ms) => void (offset += ms),
    poll: () => polls.splice(0).forEach((callback) => callback()),
  };
}

const stored = (dataDir: string) =>
  [...readStored(join(dataDir, "store.db"))]
    .filter(({ key, value }) => key.collection === "/secrets" && value.length > 0)
    .map(({ value }) => {
      const prefix = "k8s:enc:kms:v2:plugin:";
      assert.equal(Buffer.from(value.subarray(0, prefix.length)).toString(), prefix);
      return messages<Message>("EncryptedObject").decode(value.subarray(prefix.length));
    });
const keyIds = (dataDir: string) => [...new Set(stored(dataDir).map(({ keyID }) => keyID))];

test("the plugin wraps one seed for all writes, and a restart asks it once", async () => {
  using dir = dataDirectory();
  await using plugin = new KmsPlugin(dir.path);
  await plugin.listen();
  const config = plugin.config();
  {
    await using opened = await openEncrypted(dir.path, { config });
    for (let i = 0; i < 20; i++) await create(opened.store, `s${i}`, `secret-value-${i}`);
    await update(opened.store, "s3", "secret-value-new");
    assert.deepEqual(opened.encryption.checks(), [{ name: "kms-providers", isGood: true }]);
  }
  assert.deepEqual(filesWith(dir.path, "secret-value"), []);
  const rows = stored(dir.path);
  assert.equal(rows.length, 21);
  assert.ok(
    rows.every((row) => row.keyID === "key-1" && row.encryptedDEKSourceType === 1 && row.encryptedData.length > 60),
  );
  assert.equal(new Set(rows.map((row) => Buffer.from(row.encryptedDEKSource).toString("hex"))).size, 1);
  {
    await using again = await openEncrypted(dir.path, { config });
    assert.equal(valueOf(again.store, "s3"), "secret-value-new");
    await create(again.store, "t", "secret-value");
  }
  assert.deepEqual([plugin.calls.Encrypt, plugin.calls.Decrypt], [1, 1]);
});

test("another key of the plugin is noticed, and everything is encrypted with a seed under it", async () => {
  using dir = dataDirectory();
  const clock = testClock();
  await using plugin = new KmsPlugin(dir.path);
  await plugin.listen();
  const config = plugin.config();
  {
    await using opened = await openEncrypted(dir.path, { config, clock });
    for (let i = 0; i < 5; i++) await create(opened.store, `s${i}`, "value");
    plugin.keyId = "key-2";
    clock.poll();
    await eventually("rows under the new key", () => keyIds(dir.path).join() === "key-2");
    await update(opened.store, "s1", "other");
  }
  plugin.keyId = "key-3";
  await using again = await openEncrypted(dir.path, { config });
  assert.deepEqual(keyIds(dir.path), ["key-3"]);
  assert.equal(valueOf(again.store, "s1"), "other");
});

test("a plugin that is away fails the check; after three minutes writes are refused, reads and other kinds never", async () => {
  using dir = dataDirectory();
  const clock = testClock();
  await using plugin = new KmsPlugin(dir.path);
  await plugin.listen();
  await using opened = await openEncrypted(dir.path, { config: plugin.config("300ms"), clock });
  const { store, encryption } = opened;
  await create(store, "s", "value");
  const isGood = () => encryption.checks()[0]!.isGood;
  plugin.end();
  clock.poll();
  await eventually("the failing check", () => !isGood());
  await update(store, "s", "still");
  clock.skip(181_000);
  await assert.rejects(update(store, "s", "no more"), {
    code: "unavailable",
    message: /KMS plugin plugin has not confirmed/,
  });
  assert.equal(valueOf(store, "s"), "still");
  const map = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: store.latest({ collection: "/secrets", namespace: "default", name: "s" })!.object.metadata,
  };
  await store.write([
    { type: "create", key: { collection: "/configmaps", namespace: "default", name: "s" }, object: map },
  ]);
  await plugin.listen();
  await eventually("the good check", () => (clock.poll(), isGood()));
  await update(store, "s", "again");
  plugin.healthz = "no";
  clock.poll();
  await eventually("the failing check", () => !isGood());
});

test("the start waits for a plugin, and says which one it waited for in vain", async () => {
  using dir = dataDirectory();
  const clock = testClock();
  await using plugin = new KmsPlugin(dir.path);
  const config = plugin.config("100ms");
  const opening = openEncrypted(dir.path, { config });
  await plugin.listen();
  {
    await using opened = await opening;
    await create(opened.store, "s", "value");
  }
  plugin.delayMs = 400;
  const hasty: Clock = { ...clock, now: () => (clock.skip(10_000), clock.now()) };
  await assert.rejects(
    openEncrypted(dir.path, { config, clock: hasty }),
    /encryption.yaml: KMS plugin plugin \(unix:.*\): .*DEADLINE/,
  );
  plugin.delayMs = 0;
  await using again = await openEncrypted(dir.path, { config });
  assert.equal(valueOf(again.store, "s"), "value");
  assert.deepEqual(prefixes(dir.path), ["k8s:enc:kms:v2:plugin:"]);
});
