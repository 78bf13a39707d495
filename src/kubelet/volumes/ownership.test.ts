// What an fsGroup gets of a volume.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setVolumeOwnership } from "./ownership.ts";

const linux = process.platform === "linux" ? {} : { skip: "needs Linux" };

test("directories and files are opened to the group, and links lead it nowhere", linux, async (t) => {
  const top = mkdtempSync(join(tmpdir(), "knarr-ownership-"));
  t.after(() => rmSync(top, { recursive: true, force: true }));
  const [volume, outside] = [join(top, "volume"), join(top, "outside")];
  for (const directory of [outside, join(volume, "inner")]) {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, "file"), "");
    chmodSync(join(directory, "file"), 0o600);
    chmodSync(directory, 0o700);
  }
  symlinkSync(outside, join(volume, "directory-link"));
  symlinkSync(join(outside, "file"), join(volume, "inner/file-link"));
  const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8);
  await setVolumeOwnership(volume, process.getgid!(), { readOnly: true });
  assert.equal(mode(join(volume, "inner/file")), "640");
  await setVolumeOwnership(volume, process.getgid!());
  assert.deepEqual([mode(join(volume, "inner")), mode(join(volume, "inner/file"))], ["2770", "660"]);
  assert.deepEqual([mode(outside), mode(join(outside, "file"))], ["700", "600"]);
});
