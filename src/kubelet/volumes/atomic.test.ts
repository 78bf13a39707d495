import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isSafeRelativePath, type VolumeFile, writeAtomically } from "./atomic.ts";

const file = (text: string, mode = 0o644): VolumeFile => ({ content: Buffer.from(text), mode });

test("files appear, change and vanish together; an equal set writes nothing", async () => {
  const directory = mkdtempSync(join(tmpdir(), "knarr-atomic-"));
  try {
    assert.equal(
      await writeAtomically(
        directory,
        new Map([
          ["a", file("1")],
          ["sub/b", file("2", 0o400)],
        ]),
      ),
      true,
    );
    assert.equal(readFileSync(join(directory, "sub/b"), "utf8"), "2");
    assert.equal(statSync(join(directory, "sub/b")).mode & 0o777, 0o400);
    assert.equal(readlinkSync(join(directory, "a")), "..data/a");
    assert.equal(
      await writeAtomically(
        directory,
        new Map([
          ["a", file("1")],
          ["sub/b", file("2", 0o400)],
        ]),
      ),
      false,
    );
    assert.equal(await writeAtomically(directory, new Map([["a", file("new")]])), true);
    assert.equal(readFileSync(join(directory, "a"), "utf8"), "new");
    assert.deepEqual(
      readdirSync(directory).filter((name) => !name.startsWith("..")),
      ["a"],
    );
    assert.equal(readdirSync(directory).filter((name) => name.startsWith("..20")).length, 1);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("paths that leave the volume are refused", async () => {
  for (const path of ["/x", "../x", "a/../../x", "..data", ""]) assert.equal(isSafeRelativePath(path), false, path);
  for (const path of ["x", "a/b", "a..b"]) assert.equal(isSafeRelativePath(path), true, path);
  await assert.rejects(writeAtomically("/nonexistent", new Map([["../x", file("")]])));
});
