// A disk that runs full: writes fail by name, nothing changes, and writing goes on when there is room again.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { realClock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import { openSqliteStore } from "../src/store/sqlite.ts";
import { key, pod } from "../src/store/store.contract.ts";
import { StoreError } from "../src/store/store.ts";

assert.equal(process.getuid?.(), 0, "these tests need root");

test("a full disk fails writes and loses nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "knarr-full-"));
  assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", "size=6m", "tmpfs", folder]).status, 0);
  try {
    const file = join(folder, "state.db");
    const ballast = join(folder, "ballast");
    writeFileSync(ballast, Buffer.alloc(2 << 20));
    const store = await openSqliteStore({ file, clock: realClock, log: silentLogger });
    const write = (name: string) =>
      store.write([{ type: "create", key: key(name), object: pod(name, { data: "x".repeat(20_000) }) }]);
    const written: string[] = [];
    let failure: unknown;
    for (let i = 0; failure === undefined; i++) {
      const batch = [`${i}-a`, `${i}-b`, `${i}-c`];
      const results = await Promise.allSettled(batch.map(write));
      results.forEach((result, at) => {
        if (result.status === "fulfilled") written.push(batch[at]!);
        else failure = result.reason;
      });
    }
    assert.ok(failure instanceof StoreError && failure.code === "unavailable", String(failure));
    assert.match(failure.message, /no room left/);
    assert.equal(store.list("/pods").entries.length, written.length);
    assert.equal(store.latest(key("later")), undefined);
    rmSync(ballast);
    await write("later");
    written.push("later");
    await store.close();
    await using again = await openSqliteStore({ file, clock: realClock, log: silentLogger });
    assert.deepEqual(
      again.list("/pods").entries.map((entry) => entry.key.name),
      written.sort(),
    );
  } finally {
    spawnSync("umount", [folder]);
    rmdirSync(folder);
  }
});
