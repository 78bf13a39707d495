// Disruption budgets: how many pods may go, one row per budget.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PodDisruptionBudgetStatus } from "../kinds/generated/policy.v1.ts";
import type { PodDisruptionBudget } from "../kinds/index.ts";
import { decideBudget } from "./disruption-budget.ts";
import { ago, meta, now, pod } from "./testing.ts";

type Spec = NonNullable<PodDisruptionBudget["spec"]>;

function statusOf(spec: Spec, healthy: number, scale: number | { problem: string }, disruptedPods = {}) {
  const budget: PodDisruptionBudget = {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: meta("pdb"),
    spec,
    status: { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0, disruptedPods },
  };
  const pods = Array.from({ length: 4 }, (_, i) => pod(`p${i}`, i < healthy ? { readyFor: 10 } : {}));
  const [action] = decideBudget({ budget, pods, scale }, now).actions;
  return (
    action?.type === "updateStatus" ? (action.object as PodDisruptionBudget).status : undefined
  ) as PodDisruptionBudgetStatus;
}

test("disruptions allowed are what is healthy beyond what has to be", () => {
  const rows: [spec: Spec, healthy: number, allowed: number, desired: number][] = [
    [{ minAvailable: 2 }, 4, 2, 2],
    [{ minAvailable: 2 }, 1, 0, 2],
    [{ minAvailable: "50%" }, 4, 2, 2],
    [{ maxUnavailable: 1 }, 4, 1, 3],
    [{ maxUnavailable: "30%" }, 4, 2, 2],
    [{ maxUnavailable: 9 }, 4, 4, 0],
  ];
  for (const [spec, healthy, allowed, desired] of rows) {
    const status = statusOf(spec, healthy, 4);
    assert.deepEqual([status.disruptionsAllowed, status.desiredHealthy], [allowed, desired], JSON.stringify(spec));
  }
});

test("an eviction that was granted counts as done until it shows or is forgotten", () => {
  assert.equal(statusOf({ minAvailable: 2 }, 4, 4, { p0: ago(10) }).disruptionsAllowed, 1);
  assert.equal(statusOf({ minAvailable: 2 }, 4, 4, { p0: ago(200) }).disruptionsAllowed, 2);
});

test("without a known size of the owner nothing may go", () => {
  const status = statusOf({ maxUnavailable: 1 }, 4, { problem: "no scale" });
  assert.equal(status.disruptionsAllowed, 0);
  assert.equal(status.conditions?.[0]?.reason, "SyncFailed");
});
