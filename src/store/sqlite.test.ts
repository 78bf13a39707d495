// The SQLite store: the contract, and what is only true of a file.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { realClock } from "../machinery/clock.ts";
import { silentLogger } from "../machinery/log.ts";
import type { Codec } from "./log.ts";
import { readStored } from "./read.ts";
import { openSqliteStore, type SqliteStoreOptions } from "./sqlite.ts";
import { create, key, pod, storeContract } from "./store.contract.ts";
import type { StoreEvent, StoreKey, Write } from "./store.ts";

const folder = mkdtempSync(join(tmpdir(), "knarr-store-"));
after(() => rmSync(folder, { recursive: true }));
let files = 0;
const newFile = () => join(folder, `${files++}`, "state.db");
const open = (file: string, options: Partial<SqliteStoreOptions> = {}) =>
  openSqliteStore({ file, clock: realClock, log: silentLogger, freeze: true, ...options });

storeContract("sqlite", (options) => open(newFile(), options));

test("everything is there after a restart: objects, revisions and history", async () => {
  const file = newFile();
  const first = await open(file);
  const [a, b] = await first.write([create("a"), create("b")]);
  await first.write([{ type: "update", key: key("a"), object: pod("a", { spec: 1 }), expectedRevision: a!.revision }]);
  await first.write([{ type: "delete", key: key("b"), expectedRevision: b!.revision }]);
  const { revision } = first;
  const listing = first.list("/pods").entries.map(({ object }) => object);
  await first.close();
  await using second = await open(file);
  assert.equal(second.revision, revision);
  assert.deepEqual(
    second.list("/pods").entries.map(({ object }) => object),
    listing,
  );
  assert.equal(second.get(key("a"))!.createRevision, a!.revision);
  const events: StoreEvent[] = [];
  second.watch({ collection: "/pods", after: b!.revision }, (batch) => events.push(...batch));
  assert.deepEqual(
    events.map(({ type, entry, previous }) => [type, entry.object.metadata.resourceVersion, previous?.revision]),
    [
      ["MODIFIED", String(revision - 1), a!.revision],
      ["DELETED", String(revision), b!.revision],
    ],
  );
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test("rows that fell out of the history window leave the file", async () => {
  const file = newFile();
  const store = await open(file, { historyEvents: 10 });
  let [entry] = await store.write([create("a")]);
  for (let i = 0; i < 2000; i++) {
    const object = pod("a", { spec: "x".repeat(4000) });
    [entry] = await store.write([{ type: "update", key: key("a"), object, expectedRevision: entry!.revision }]);
  }
  await store.close();
  assert.ok(statSync(file).size < 400_000, `the file has ${statSync(file).size} bytes`);
  await using again = await open(file, { historyEvents: 10 });
  assert.equal(again.get(key("a"))!.revision, entry!.revision);
  assert.ok(again.stats().historyEvents <= 12);
});

test("volatile versions survive an orderly restart without having been written before", async () => {
  const file = newFile();
  const store = await open(file);
  let [entry] = await store.write([create("lease")]);
  for (let i = 0; i < 5; i++) {
    const { revision } = entry!;
    const object = pod("lease", { spec: i });
    [entry] = await store.write([
      { type: "update", key: key("lease"), object, expectedRevision: revision, volatile: true },
    ]);
  }
  await store.close();
  await using again = await open(file);
  assert.equal(again.revision, entry!.revision);
  assert.deepEqual(again.get(key("lease"))!.object, entry!.object);
});

test("volatile writes after the first one do not touch the disk", async () => {
  const file = newFile();
  await using store = await open(file);
  const beat = async (revision: number) => {
    const write = { type: "update", key: key("lease"), object: pod("lease"), expectedRevision: revision } as const;
    const [entry] = await store.write([{ ...write, volatile: true }]);
    return entry!.revision;
  };
  const [created] = await store.write([create("lease")]);
  let revision = await beat(created!.revision);
  const wal = () => statSync(`${file}-wal`, { bigint: true }).mtimeNs;
  const before = wal();
  for (let i = 0; i < 100; i++) revision = await beat(revision);
  assert.equal(wal(), before);
});

test("a file that another store has open is refused", async () => {
  const file = newFile();
  await using store = await open(file);
  await store.write([create("a")]);
  await assert.rejects(open(file), { code: "unavailable", message: /in use by another process/ });
  await store.write([create("b")]);
});

test("a file that is no store, or is damaged, is refused with a way out", async () => {
  const nonsense = join(folder, "nonsense.db");
  writeFileSync(nonsense, "not a database at all".repeat(1000));
  await assert.rejects(open(nonsense), { code: "damaged", message: /Restore a backup/ });
  const file = newFile();
  const store = await open(file);
  for (let i = 0; i < 50; i++) await store.write([create(`pod-${i}`)]);
  await store.close();
  const bytes = readFileSync(file);
  const at = bytes.indexOf("uid-pod-25");
  bytes.write("UID", at);
  writeFileSync(file, bytes);
  await assert.rejects(open(file), { code: "damaged", message: /pod-25 does not match its checksum/ });
});

test("a codec stands between the store and its file, and a wrong one is noticed", async () => {
  const file = newFile();
  const flip =
    (mask: number): Codec["encode"] =>
    (_key, bytes) =>
      bytes.map((byte) => byte ^ mask);
  const strict = (mask: number): Codec => ({
    encode: flip(mask),
    decode: (k, bytes) => {
      const plain = flip(mask)(k, bytes);
      if (plain[0] !== 0x7b) throw new Error("wrong key");
      return plain;
    },
  });
  const store = await open(file, { codec: strict(0x55) });
  await store.write([create("secret-name")]);
  await store.close();
  assert.ok(!readFileSync(file).includes("uid-secret-name"));
  await assert.rejects(open(file, { codec: strict(0x11) }), { code: "damaged" });
  await using again = await open(file, { codec: strict(0x55) });
  assert.equal(again.get(key("secret-name"))!.object.metadata.uid, "uid-secret-name");
});

test("a backup taken during writes is a complete store of its own", async () => {
  const file = newFile();
  const copy = join(folder, "copy.db");
  await using store = await open(file);
  await store.write(Array.from({ length: 500 }, (_, i) => create(`pod-${i}`)));
  const backup = store.backup(copy);
  await Promise.all(Array.from({ length: 50 }, (_, i) => store.write([create(`late-${i}`)])));
  await backup;
  await using restored = await open(copy);
  const count = restored.list("/pods").entries.length;
  assert.ok(count >= 500 && count <= 550, `${count}`);
  assert.deepEqual(restored.get(key("pod-7"))!.object, store.get(key("pod-7"))!.object);
});

test("values on disk are rewritten while writes go on, and nothing is left of what they were", async () => {
  const file = newFile();
  let mark = "old";
  const codec: Codec = {
    encode: (_key, bytes) => Buffer.concat([Buffer.from(mark), bytes]),
    decode: (_key, bytes) => bytes.subarray(3),
  };
  const store = await open(file, { codec });
  const filler = "x".repeat(3000);
  await store.write(
    Array.from({ length: 800 }, (_, i) => ({ ...create(`pod-${i}`), object: pod(`pod-${i}`, { filler }) })),
  );
  mark = "new";
  const renew = (_key: StoreKey, bytes: Uint8Array) =>
    bytes[0] === 0x6f ? Buffer.concat([Buffer.from("new"), bytes.subarray(3)]) : undefined;
  const [count] = await Promise.all([
    store.rewrite(renew),
    ...Array.from({ length: 50 }, (_, i) => store.write([create(`late-${i}`)])),
  ]);
  assert.equal(count, 800);
  assert.equal(await store.rewrite(renew), 0);
  const bytes = Buffer.concat([readFileSync(file), readFileSync(`${file}-wal`)]);
  assert.ok(bytes.includes('new{"') && !bytes.includes('old{"'));
  await store.close();
  await using again = await open(file, { codec });
  assert.equal(again.list("/pods").entries.length, 850);
});

test("a rewriting that broke off leaves nothing of what it replaced, from the next start on", async () => {
  const file = newFile();
  const store = await open(file);
  const filler = "x".repeat(3000);
  await store.write(
    Array.from({ length: 800 }, (_, i) => ({ ...create(`pod-${i}`), object: pod(`pod-${i}`, { filler }) })),
  );
  const replaced: string[] = [];
  const visit = ({ name }: StoreKey, bytes: Uint8Array) => {
    if (name === "pod-700") throw new Error("killed");
    replaced.push(`"uid-${name}"`);
    return Buffer.from(Buffer.from(bytes).toString().replaceAll("uid-", "id-"));
  };
  await assert.rejects(store.rewrite(visit), /killed/);
  const leftovers = () => {
    const wal = existsSync(`${file}-wal`) ? readFileSync(`${file}-wal`) : Buffer.of();
    const bytes = Buffer.concat([readFileSync(file), wal]);
    return replaced.slice(0, 300).filter((text) => bytes.includes(text));
  };
  assert.equal(leftovers().length, 300);
  await store.close();
  await using again = await open(file);
  assert.deepEqual(leftovers(), []);
  assert.equal(again.get(key("pod-0"))!.object.metadata.uid, "id-pod-0");
});

test("a batch of many megabytes, among small ones and requests of other sorts, arrives whole", async () => {
  const file = newFile();
  const store = await open(file);
  const large = (name: string): Write => ({ ...create(name), object: pod(name, { filler: name.repeat(100_000) }) });
  const small = Array.from({ length: 50 }, (_, i) => store.write([create(`small-${i}`)]));
  const one = store.write(Array.from({ length: 5 }, (_, i) => large(`large-${i}`)));
  await Promise.all([...small, one, store.backup(`${file}.backup`), store.write([create("last")])]);
  await store.close();
  const lengths = new Map([...readStored(file)].map(({ key: { name }, value }) => [name, value.length]));
  assert.equal(lengths.size, 56);
  for (let i = 0; i < 5; i++) assert.ok(lengths.get(`large-${i}`)! > 700_000);
});

test("a write that the codec refuses fails alone, before anything is queued", async () => {
  const codec: Codec = {
    encode: (_key, bytes) => bytes,
    decode: (_key, bytes) => bytes,
    refusal: ({ name }) => (name === "bad" ? "not now" : undefined),
  };
  await using store = await open(newFile(), { codec });
  await assert.rejects(store.write([create("bad")]), { code: "unavailable", message: "not now" });
  await store.write([create("good")]);
});

test("rows wait for what the codec prepares, in their order", async () => {
  const file = newFile();
  const first = await open(file);
  for (let i = 0; i < 30; i++) await first.write([create(`pod-${i}`)]);
  await first.close();
  const ready = new Set<string>();
  const codec: Codec = {
    encode: (_key, bytes) => bytes,
    prepare: ({ name }) => new Promise((resolve) => setImmediate(() => resolve(void ready.add(name)))),
    decode({ name }, bytes) {
      assert.ok(ready.has(name));
      return bytes;
    },
  };
  await using again = await open(file, { codec });
  assert.equal(again.list("/pods").entries.length, 30);
  const refusing: Codec = { ...codec, prepare: () => Promise.reject(new Error("nobody there")) };
  await again.close();
  await assert.rejects(open(file, { codec: refusing }), { code: "damaged", message: /default\/pod-0\): nobody there/ });
});

test("the file is read as of one moment while it is written to", async () => {
  const file = newFile();
  await using store = await open(file, { historyEvents: 50 });
  const filler = "x".repeat(100_000);
  const write = async () => {
    for (let i = 0; i < 60; i++) {
      const current = store.latest(key("a"));
      const both = ["a", "b"].map((name) => {
        const object = pod(name, { filler, i });
        const { revision = 0 } = store.latest(key(name)) ?? {};
        return { type: current ? "update" : "create", key: key(name), object, expectedRevision: revision } as Write;
      });
      await store.write(both);
    }
  };
  const writing = write();
  let done = false;
  void writing.then(() => (done = true));
  let reads = 0;
  while (!done) {
    await new Promise((resolve) => setImmediate(resolve));
    const newest = new Map([...readStored(file)].map(({ key: { name }, value }) => [name, value]));
    const number = (name: string) => newest.has(name) && JSON.parse(Buffer.from(newest.get(name)!).toString()).i;
    assert.equal(number("a"), number("b"));
    reads++;
  }
  await writing;
  assert.ok(reads > 0);
  assert.deepEqual(
    readdirSync(dirname(file)).filter((name) => name.startsWith("read-")),
    [],
  );
});
