import { test } from "node:test";
import assert from "node:assert/strict";
import type { HorizontalPodAutoscalerSpec } from "../../kinds/generated/autoscaling.v2.ts";
import type { HorizontalPodAutoscaler, Pod } from "../../kinds/index.ts";
import { meta, now, pod } from "../testing.ts";
import { emptyMemory, remember, sizeFor, type Memory } from "./behavior.ts";
import { decideSize } from "./decide.ts";

const cpuTarget = (averageUtilization: number) => ({
  type: "Resource",
  resource: { name: "cpu", target: { type: "Utilization", averageUtilization } },
});
const autoscaler = (spec: Partial<HorizontalPodAutoscalerSpec> = {}): HorizontalPodAutoscaler => ({
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  metadata: meta("web"),
  spec: {
    scaleTargetRef: { kind: "Deployment", name: "web" },
    minReplicas: 1,
    maxReplicas: 10,
    metrics: [cpuTarget(50)],
    ...spec,
  },
});
const running = (name: string, cpu = "1"): Pod => {
  const ready = pod(name, {
    readyFor: 3000,
    spec: { containers: [{ name: "app", resources: { requests: { cpu } } }] },
  });
  return { ...ready, status: { ...ready.status!, startTime: "2026-01-01T11:00:00Z" } };
};
/** `millis` by pod; undefined is a pod without metrics. */
function look(
  millis: readonly (number | undefined)[],
  spec: Partial<HorizontalPodAutoscalerSpec> = {},
  memory = emptyMemory,
) {
  const pods = millis.map((_, i) => running(`p${i}`));
  const usage = new Map(
    millis.flatMap((value, i) => {
      if (value === undefined) return [];
      const container = { namespace: "default", pod: `p${i}`, container: "app", memoryWorkingSetBytes: 0 };
      return [[`p${i}`, [{ ...container, cpuNanoCores: value * 1e6 }]] as const];
    }),
  );
  const scale = { specReplicas: millis.length, statusReplicas: millis.length, selector: "app=web" };
  return decideSize({ autoscaler: autoscaler(spec), scale, pods, usage, memory }, now);
}
const conditionOf = ({ status }: ReturnType<typeof look>, type: string) =>
  status.conditions?.find((condition) => condition.type === type);

test("the size follows the load", () => {
  const more = look([900, 900]);
  assert.equal(more.replicas, 4);
  assert.equal(more.status.currentMetrics?.[0]?.resource?.current.averageUtilization, 90);
  assert.match(more.events[0]!.message, /^New size: 4; reason: cpu resource utilization .* above target$/);
  assert.equal(look([100, 100, 100, 100]).replicas, 1);
  // Within a tenth of the target nothing moves.
  assert.equal(look([540, 540]).replicas, undefined);
  assert.equal(conditionOf(look([500, 500]), "AbleToScale")?.reason, "ReadyForNewScale");
});

test("pods without metrics speak against a change", () => {
  assert.equal(look([900, undefined]).replicas, undefined);
  assert.equal(look([100, undefined]).replicas, undefined);
  const none = look([undefined, undefined]);
  assert.equal(none.replicas, undefined);
  assert.equal(conditionOf(none, "ScalingActive")?.reason, "FailedGetResourceMetric");
});

test("bounds hold whatever the load", () => {
  const capped = look([1000, 1000, 1000], { maxReplicas: 4 });
  assert.equal(capped.replicas, 4);
  assert.equal(conditionOf(capped, "ScalingLimited")?.reason, "TooManyReplicas");
  assert.equal(look([1, 1, 1], { minReplicas: 2 }).replicas, 2);
  assert.equal(look([1, 1, 1], { maxReplicas: 2 }).replicas, 2);
  assert.equal(conditionOf(look([]), "ScalingActive")?.reason, "ScalingDisabled");
});

test("growth is bounded by the usual policies, shrinking waits for the window", () => {
  const size = (current: number, proposed: number, memory: Memory = emptyMemory) =>
    sizeFor(autoscaler({ maxReplicas: 100 }), current, proposed, memory, now).replicas;
  assert.equal(size(1, 50), 5);
  assert.equal(size(10, 50), 20);
  const grown = remember(emptyMemory, "changes", { at: now - 5000, replicas: 10 });
  assert.equal(size(20, 50, grown), 20);
  const recent = remember(emptyMemory, "proposals", { at: now - 60_000, replicas: 8 });
  assert.equal(size(10, 2, recent), 8);
  const old = remember(emptyMemory, "proposals", { at: now - 301_000, replicas: 8 });
  assert.equal(size(10, 2, old), 2);
});

test("policies of the behaviour are kept", () => {
  const behavior = {
    scaleUp: { policies: [{ type: "Pods", value: 1, periodSeconds: 60 }] },
    scaleDown: { selectPolicy: "Disabled" },
  };
  const size = (current: number, proposed: number) =>
    sizeFor(autoscaler({ behavior }), current, proposed, emptyMemory, now);
  assert.equal(size(3, 9).replicas, 4);
  assert.equal(size(3, 9).limit.reason, "ScaleUpLimit");
  assert.equal(size(3, 1).replicas, 3);
});
