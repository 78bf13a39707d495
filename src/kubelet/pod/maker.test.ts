import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { test } from "node:test";
import type { Pod } from "../../kinds/generated/core.v1.ts";
import { realClock } from "../../machinery/clock.ts";
import type { WorkerContext } from "./context.ts";
import { PodMaker } from "./maker.ts";

test("changes that come while a volume is written are written after it", async (t) => {
  const podsDir = mkdtempSync(join(tmpdir(), "knarr-maker-"));
  t.after(() => rmSync(podsDir, { recursive: true }));
  const data = { n: "0" };
  const warnings: unknown[] = [];
  const none = new Map<string, never>();
  const context = {
    podsDir,
    clock: realClock,
    log: { warn: (fields: unknown) => warnings.push(fields) },
    caches: { configMaps: { get: () => ({ data: { ...data } }) }, secrets: none, claims: none, volumes: none },
  } as unknown as WorkerContext;
  const pod = {
    metadata: { name: "p", namespace: "default" },
    spec: { hostNetwork: true, containers: [], volumes: [{ name: "v", configMap: { name: "c" } }] },
  } as unknown as Pod;
  const maker = new PodMaker(context, { uid: "u", pod, runtime: { sandboxes: [], containers: [] } });
  const directory = join(maker.podDir, "volumes", "v");
  void maker.prepareVolumes();
  const refreshes: Promise<void>[] = [];
  for (let n = 1; n <= 20; n++) {
    data.n = String(n);
    refreshes.push(maker.refreshVolumes());
    await setImmediate();
  }
  await Promise.all(refreshes);
  assert.equal(readFileSync(join(directory, "n"), "utf8"), "20");
  assert.deepEqual(warnings, []);
  assert.deepEqual(readdirSync(directory).filter((name) => name.startsWith("..")).length, 2);
  void maker.refreshVolumes();
  await maker.removeVolumes();
  await maker.refreshVolumes();
  assert.equal(existsSync(maker.podDir), false);
});
