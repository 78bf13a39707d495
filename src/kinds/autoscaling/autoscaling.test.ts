import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "../../machinery/object.ts";
import { cells, changed, faults, made } from "../testing.ts";
import { HorizontalPodAutoscalerV1 } from "./horizontal-pod-autoscaler-v1.ts";
import { HorizontalPodAutoscaler } from "./horizontal-pod-autoscaler.ts";

const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };
const good = { spec: { scaleTargetRef, maxReplicas: 5 } };

test("an autoscaler watches the CPU unless told otherwise", () => {
  assert.deepEqual(faults(HorizontalPodAutoscaler, good), []);
  const object = made<HorizontalPodAutoscaler>(HorizontalPodAutoscaler, good);
  assert.equal(object.spec.minReplicas, 1);
  assert.equal(object.spec.metrics?.[0]?.resource?.target.averageUtilization, 80);
  const { Reference, Targets, MinPods } = cells(HorizontalPodAutoscaler, object);
  assert.deepEqual([Reference, Targets, MinPods], ["Deployment/web", "cpu: <unknown>/80%", "1"]);
});

test("a behaviour is completed", () => {
  const { spec } = made<HorizontalPodAutoscaler>(
    HorizontalPodAutoscaler,
    changed(good, "spec.behavior", { scaleDown: { stabilizationWindowSeconds: 60 } }),
  );
  assert.deepEqual(spec.behavior?.scaleDown, {
    stabilizationWindowSeconds: 60,
    selectPolicy: "Max",
    policies: [{ type: "Percent", value: 100, periodSeconds: 15 }],
  });
  assert.equal(spec.behavior?.scaleUp?.policies?.length, 2);
});

test("each fault is named by its path", () => {
  const metric = (value: object) => [{ type: "Resource", resource: { name: "cpu", target: value } }];
  const table: [string, unknown, string][] = [
    ["spec.minReplicas", 0, "spec.minReplicas"],
    ["spec.maxReplicas", 0, "spec.maxReplicas"],
    ["spec.minReplicas", 6, "spec.maxReplicas"],
    ["spec.scaleTargetRef.kind", "", "spec.scaleTargetRef.kind"],
    ["spec.metrics", [{ type: "Other" }], "spec.metrics[0].type"],
    ["spec.metrics", [{ type: "Pods" }], "spec.metrics[0].pods"],
    ["spec.metrics", metric({ type: "Utilization" }), "spec.metrics[0].resource.target.averageUtilization"],
    ["spec.metrics", metric({ type: "Value", averageValue: "-1" }), "spec.metrics[0].resource.target.averageValue"],
    ["spec.behavior", { scaleUp: { policies: [] } }, "spec.behavior.scaleUp.policies"],
    [
      "spec.behavior",
      { scaleUp: { stabilizationWindowSeconds: 9999 } },
      "spec.behavior.scaleUp.stabilizationWindowSeconds",
    ],
  ];
  for (const [at, value, field] of table) {
    assert.ok(faults(HorizontalPodAutoscaler, changed(good, at, value)).includes(field), at + JSON.stringify(value));
  }
});

test("version 1 shows and stores what version 2 holds, without loss", () => {
  const { fromStored, toStored } = HorizontalPodAutoscalerV1.storage!;
  const one = made<HorizontalPodAutoscalerV1>(HorizontalPodAutoscalerV1, good);
  assert.equal(one.spec.targetCPUUtilizationPercentage, 80);
  const stored = toStored(one) as HorizontalPodAutoscaler;
  assert.equal(stored.apiVersion, "autoscaling/v2");
  assert.equal(stored.spec.metrics?.[0]?.resource?.target.averageUtilization, 80);
  const rich = made<HorizontalPodAutoscaler>(HorizontalPodAutoscaler, {
    spec: {
      ...good.spec,
      metrics: [
        { type: "Pods", pods: { metric: { name: "rps" }, target: { type: "AverageValue", averageValue: "10" } } },
      ],
      behavior: { scaleDown: { selectPolicy: "Disabled" } },
    },
  });
  rich.status = { desiredReplicas: 1, currentReplicas: 1, conditions: [{ type: "AbleToScale", status: "True" }] };
  assert.deepEqual(toStored(fromStored(rich as KubeObject)), rich);
});
