import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { realClock } from "../../machinery/clock.ts";
import { silentLogger } from "../../machinery/log.ts";
import { made } from "../testing.ts";
import { parseLogLine } from "./format.ts";
import { readLog, type ReadSettings } from "./read.ts";
import { LogRotator } from "./rotate.ts";

const line = (text: string, tag = "F", time = "2026-01-01T00:00:00.000000001Z") => `${time} stdout ${tag} ${text}\n`;

async function collect(path: string, settings: Partial<ReadSettings>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of readLog(path, { running: () => false, ...settings })) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

async function inDirectory(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "knarr-logs-"));
  try {
    await body(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test("log lines: whole, partial, empty, malformed", () => {
  assert.equal(parseLogLine("t stdout F a b")!.text, "a b\n");
  assert.equal(parseLogLine("t stderr P part")!.text, "part");
  assert.equal(parseLogLine("t stdout F ")!.text, "\n");
  assert.equal(parseLogLine("garbage"), undefined);
});

test("tail, limit, since and timestamps", () =>
  inDirectory(async (dir) => {
    const path = join(dir, "0.log");
    writeFileSync(path, line("old") + line("a", "F", "2026-01-02T00:00:00Z") + line("bé", "F", "2026-01-02T00:00:01Z"));
    assert.equal(await collect(path, {}), "old\na\nbé\n");
    assert.equal(await collect(path, { tailLines: 2 }), "a\nbé\n");
    assert.equal(await collect(path, { tailLines: 0 }), "");
    assert.equal(await collect(path, { sinceMs: Date.parse("2026-01-02T00:00:01Z") }), "bé\n");
    assert.equal(await collect(path, { limitBytes: 5 }), "old\na");
    assert.equal(await collect(path, { timestamps: true, tailLines: 1 }), "2026-01-02T00:00:01Z bé\n");
  }));

test("following goes on through a rotation and ends with the container", () =>
  inDirectory(async (dir) => {
    const path = join(dir, "0.log");
    writeFileSync(path, line("one"));
    let alive = true;
    const text = collect(path, { follow: true, running: () => alive });
    await new Promise((resolve) => setTimeout(resolve, 50));
    appendFileSync(path, line("two"));
    await new Promise((resolve) => setTimeout(resolve, 50));
    renameSync(path, `${path}.20260101-000000`);
    alive = false;
    writeFileSync(path, line("three"));
    assert.equal(await text, "one\ntwo\nthree\n");
  }));

test("a large log is rotated, older ones are compressed and the oldest removed", () =>
  inDirectory(async (dir) => {
    const path = join(dir, "0.log");
    let time = Date.parse("2026-01-01T00:00:00Z");
    const reopened: string[] = [];
    const rotator = new LogRotator({
      runtime: {
        reopenContainerLog: async (id) => {
          reopened.push(id);
          writeFileSync(path, "");
        },
      },
      clock: { ...realClock, now: () => (time += 1000) },
      log: silentLogger,
      signal: new AbortController().signal,
      maxBytes: 10,
    });
    for (let round = 0; round < 7; round++) {
      writeFileSync(path, line(`round ${round}`));
      await rotator.rotateAll([made("app", "running", { logPath: path })]);
    }
    const names = readdirSync(dir);
    assert.equal(reopened.length, 7);
    assert.equal(names.length, 5);
    assert.equal(names.filter((name) => name.endsWith(".gz")).length, 3);
  }));
