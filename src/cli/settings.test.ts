import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ensureSettings } from "./settings.ts";

test("flags of the API server add to those given before, and an empty one takes its own away", async (t) => {
  const home = mkdtempSync(join(tmpdir(), "knarr-settings-"));
  const before = process.env.KNARR_HOME;
  process.env.KNARR_HOME = home;
  t.after(() => {
    if (before === undefined) delete process.env.KNARR_HOME;
    else process.env.KNARR_HOME = before;
    rmSync(home, { recursive: true });
  });
  const flagsAfter = async (apiServer?: object) =>
    (await ensureSettings("flags", join(home, "flags"), apiServer ? { apiServer } : {})).apiServer;
  assert.equal(await flagsAfter(), undefined);
  assert.deepEqual(await flagsAfter({ tokenAuthFile: "/a" }), { tokenAuthFile: "/a" });
  assert.deepEqual(await flagsAfter({ auditPolicyFile: "/b" }), { tokenAuthFile: "/a", auditPolicyFile: "/b" });
  assert.deepEqual(await flagsAfter(), { tokenAuthFile: "/a", auditPolicyFile: "/b" });
  assert.deepEqual(await flagsAfter({ tokenAuthFile: "", auditPolicyFile: "" }), undefined);
});
