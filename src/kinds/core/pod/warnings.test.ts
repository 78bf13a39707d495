import { test } from "node:test";
import assert from "node:assert/strict";
import type { PodSpec } from "../../generated/core.v1.ts";
import { podSpecWarnings } from "./warnings.ts";

test("an ordinary spec gives no warning", () => {
  assert.deepEqual(podSpecWarnings({ containers: [{ name: "c", env: [{ name: "A" }, { name: "B" }] }] }, "spec"), []);
  assert.deepEqual(podSpecWarnings(undefined, "spec"), []);
});

test("what works but is surely not meant gives a warning with its path", () => {
  const port = { containerPort: 80, protocol: "TCP" };
  const spec: PodSpec = {
    nodeSelector: { "beta.kubernetes.io/os": "linux" },
    terminationGracePeriodSeconds: -1,
    imagePullSecrets: [{}],
    containers: [
      {
        name: "c",
        env: [{ name: "A" }, { name: "A" }],
        ports: [port, port],
        resources: { limits: { memory: "100m", cpu: "100m" } },
      },
    ],
  };
  assert.deepEqual(podSpecWarnings(spec, "spec"), [
    'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
    'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
    'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer',
    "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
    'spec.imagePullSecrets[0].name: invalid empty name ""',
    "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
  ]);
});
