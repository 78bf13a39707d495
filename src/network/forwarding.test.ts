import assert from "node:assert/strict";
import { test } from "node:test";
import { planForwarding } from "./forwarding.ts";

test("only a FORWARD chain that drops gets our two rules, and only once", () => {
  assert.deepEqual(planForwarding("-P FORWARD ACCEPT\n", "knarr0"), []);
  assert.deepEqual(planForwarding("", "knarr0"), []);
  const docker = "-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n";
  assert.deepEqual(
    planForwarding(docker, "knarr0").map((args) => args.join(" ")),
    [
      "-w -I FORWARD -i knarr0 -m comment --comment knarr knarr0 -j ACCEPT",
      "-w -I FORWARD -o knarr0 -m comment --comment knarr knarr0 -j ACCEPT",
    ],
  );
  const done = `${docker}-A FORWARD -i knarr0 -m comment --comment "knarr knarr0" -j ACCEPT\n`;
  assert.deepEqual(planForwarding(done, "knarr0"), []);
});
