import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { unmountTree } from "../../host/mount.ts";
import { bindSubPath } from "./mounts.ts";

const possible = process.platform === "linux" && process.getuid?.() === 0;

test("a sub-path stays inside its volume, whatever links the container made", { skip: !possible }, () => {
  const dir = mkdtempSync(join(tmpdir(), "knarr-subpath-"));
  const volume = join(dir, "volume");
  mkdirSync(volume);
  mkdirSync(join(dir, "outside"));
  writeFileSync(join(dir, "outside/secret"), "secret");
  writeFileSync(join(volume, "file"), "inside");
  symlinkSync(join(dir, "outside"), join(volume, "escape"));
  symlinkSync("file", join(volume, "link"));
  const bind = (subPath: string, name: string) => {
    bindSubPath(volume, subPath, join(dir, "targets", name));
    return join(dir, "targets", name);
  };
  try {
    assert.equal(readFileSync(bind("file", "a"), "utf8"), "inside");
    assert.equal(readFileSync(bind("link", "b"), "utf8"), "inside");
    bind("new/dir", "c");
    assert.ok(existsSync(join(volume, "new/dir")));
    for (const path of ["escape", "escape/secret", "../outside", "/outside", "new/../../outside"])
      assert.throws(() => bind(path, "bad"), /leaves the volume/, path);
    assert.throws(() => bind("escape/made", "bad"));
    assert.equal(existsSync(join(dir, "outside/made")), false);
  } finally {
    unmountTree(dir);
    rmSync(dir, { recursive: true });
  }
});
