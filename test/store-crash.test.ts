// Power cuts, as near as a process can play them: a writer is killed with SIGKILL at a random moment, again and again,
// and nothing that it acknowledged may be lost, nor any revision be handed out twice.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { realClock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import { openSqliteStore } from "../src/store/sqlite.ts";

const rounds = 20;

/** The writer goes on to delete every third object. */
const isDeletedLater = (name: string): boolean => Number(name.split("-").at(-1)) % 3 === 0;

/** Runs the writer, kills it `afterMs` after its first acknowledgement, and returns all lines that it completed. */
async function runAndKill(file: string, round: number, afterMs: number): Promise<string[]> {
  const writer = join(import.meta.dirname, "store-crash-writer.ts");
  const child = spawn(process.execPath, [writer, file, String(round)], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (output === "") setTimeout(() => child.kill("SIGKILL"), afterMs);
    output += text;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, null, "the writer must not end by itself");
  return output.split("\n").slice(0, -1);
}

test("nothing acknowledged is lost when the process is killed at any moment", async () => {
  const folder = mkdtempSync(join(tmpdir(), "knarr-crash-"));
  const file = join(folder, "state.db");
  const expected = new Map<string, number | undefined>();
  const handedOut = new Set<number>();
  try {
    for (let round = 0; round < rounds; round++) {
      const lines = await runAndKill(file, round, Math.random() * 150);
      for (const line of lines) {
        const [what, name, text] = line.split(" ") as [string, string, string];
        const revision = Number(text);
        assert.ok(!handedOut.has(revision), `revision ${revision} was handed out twice`);
        handedOut.add(revision);
        if (what !== "beat") expected.set(name, what === "deleted" ? undefined : revision);
      }
      await using store = await openSqliteStore({ file, clock: realClock, log: silentLogger });
      for (const [name, revision] of expected) {
        const entry = store.get({ collection: "/things", namespace: "default", name });
        // A write after the acknowledged one may have become durable without anybody having been told.
        if (revision === undefined) assert.equal(entry, undefined, `${name} is back`);
        else if (entry) assert.ok(entry.revision >= revision, `${name} is older than acknowledged`);
        else assert.ok(isDeletedLater(name), `${name} is lost`);
        expected.set(name, entry?.revision);
      }
      const lease = store.get({ collection: "/leases", namespace: "default", name: "beat" })!;
      assert.ok(!handedOut.has(lease.revision), "the heartbeat is back under a revision seen before");
      assert.ok(store.revision >= Math.max(...handedOut));
    }
    assert.ok(handedOut.size > rounds * 10, `only ${handedOut.size} writes were made`);
    assert.ok(statSync(file).size < 100e6);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
