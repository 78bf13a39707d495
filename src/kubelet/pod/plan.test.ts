import assert from "node:assert/strict";
import { test } from "node:test";
import { container, facts, made, now, pod, runtime, second, sidecar } from "../testing.ts";
import { emptyRuntimePod, type RuntimePod } from "./model.ts";
import { computePodPlan, type PodFacts } from "./plan.ts";
import type { Pod } from "../../kinds/generated/core.v1.ts";

/** A plan in words: `sandbox 0`, `start app 1`, `kill app liveness`, `wait app`, `end`. */
function planOf(subject: Pod, observed: RuntimePod, more: Partial<PodFacts> = {}): string[] {
  const plan = computePodPlan(subject, observed, facts(more));
  return [
    ...(plan.killPod ? ["end"] : []),
    ...(plan.createSandbox === undefined ? [] : [`sandbox ${plan.createSandbox}`]),
    ...plan.kill.map(({ container: { name }, reason }) => `kill ${name} ${reason}`),
    ...plan.start.map(({ container: { name }, restartCount }) => `start ${name} ${restartCount}`),
    ...[...plan.backoff.keys()].map((name) => `wait ${name}`),
  ];
}

const two = { containers: [container("a"), container("b")] };
const failed = { exitCode: 1 };

const rows: [title: string, actual: () => string[], expected: string[]][] = [
  ["a new pod gets a sandbox", () => planOf(pod(), emptyRuntimePod), ["sandbox 0"]],
  ["with a sandbox the containers start in order", () => planOf(pod(two), runtime()), ["start a 0", "start b 0"]],
  ["running containers are left alone", () => planOf(pod(), runtime(made("app", "running"))), []],
  [
    "an ended container starts again with a higher count",
    () => planOf(pod(), runtime(made("app", "exited", { restartCount: 2 }))),
    ["start app 3"],
  ],
  [
    "a container in its back-off waits",
    () => planOf(pod(), runtime(made("app", "exited", failed)), { backoffUntil: () => now + second }),
    ["wait app"],
  ],
  [
    "OnFailure restarts only what failed",
    () =>
      planOf(pod({ ...two, restartPolicy: "OnFailure" }), runtime(made("a", "exited"), made("b", "exited", failed))),
    ["start b 1"],
  ],
  [
    "Never restarts nothing",
    () => planOf(pod({ restartPolicy: "Never" }), runtime(made("app", "exited", failed))),
    ["end"],
  ],
  [
    "a pod goes on while one container runs",
    () => planOf(pod({ ...two, restartPolicy: "Never" }), runtime(made("a", "exited"), made("b", "running"))),
    [],
  ],
  [
    "a changed image replaces the container",
    () => planOf(pod(), runtime(made("app", "running", { hash: "other" }))),
    ["kill app changed"],
  ],
  [
    "a failed liveness probe kills once",
    () => planOf(pod(), runtime(made("app", "running")), { failed: () => "liveness" }),
    ["kill app liveness"],
  ],
  [
    "a container that is being stopped is left alone",
    () => planOf(pod(), runtime(made("app", "running")), { failed: () => "liveness", stopping: new Set(["app-0"]) }),
    [],
  ],
  [
    "init containers run one after the other",
    () => planOf(pod({ initContainers: [container("i"), container("j")] }), runtime(made("i", "exited"))),
    ["start j 0"],
  ],
  [
    "a running init container holds the rest back",
    () => planOf(pod({ initContainers: [container("i")] }), runtime(made("i", "running"))),
    [],
  ],
  [
    "a failed init container is repeated",
    () => planOf(pod({ initContainers: [container("i")] }), runtime(made("i", "exited", failed))),
    ["start i 1"],
  ],
  [
    "a failed init container ends a pod that never restarts",
    () =>
      planOf(pod({ restartPolicy: "Never", initContainers: [container("i")] }), runtime(made("i", "exited", failed))),
    ["end"],
  ],
  [
    "init containers are not repeated beside running containers",
    () => planOf(pod({ initContainers: [container("i")] }), runtime(made("app", "running"))),
    [],
  ],
  [
    "a sidecar must have started before the next container",
    () => planOf(pod({ initContainers: [sidecar("s")] }), runtime(made("s", "running")), { started: () => false }),
    [],
  ],
  [
    "then the app starts beside the sidecar",
    () => planOf(pod({ initContainers: [sidecar("s")] }), runtime(made("s", "running"))),
    ["start app 0"],
  ],
  [
    "a sidecar that ends is restarted even under Never",
    () =>
      planOf(
        pod({ restartPolicy: "Never", initContainers: [sidecar("s")] }),
        runtime(made("app", "running"), made("s", "exited", failed)),
      ),
    ["start s 1"],
  ],
  [
    "a pod whose apps are done ends although a sidecar runs",
    () =>
      planOf(
        pod({ restartPolicy: "Never", initContainers: [sidecar("s")] }),
        runtime(made("app", "exited"), made("s", "running")),
      ),
    ["end"],
  ],
  [
    "a lost sandbox is replaced",
    () => {
      const { sandboxes, containers } = runtime(made("app", "exited", failed));
      return planOf(pod(), { sandboxes: sandboxes.map((s) => ({ ...s, ready: false })), containers });
    },
    ["sandbox 1"],
  ],
  [
    "but not for a pod that never restarts",
    () => {
      const { sandboxes, containers } = runtime(made("app", "exited", failed));
      const lost = { sandboxes: sandboxes.map((s) => ({ ...s, ready: false })), containers };
      return planOf(pod({ restartPolicy: "Never" }), lost);
    },
    ["end"],
  ],
  [
    "in a new sandbox init containers run again",
    () =>
      planOf(
        pod({ initContainers: [container("i")] }),
        runtime(made("i", "exited", { sandboxId: "old" }), made("app", "exited", { sandboxId: "old" })),
      ),
    ["start i 1"],
  ],
  [
    "ephemeral containers start once",
    () => {
      const subject = pod({ ephemeralContainers: [{ name: "d", image: "img:1" }] });
      return [
        ...planOf(subject, runtime(made("app", "running"))),
        ...planOf(subject, runtime(made("d", "exited"), made("app", "running"))),
      ];
    },
    ["start d 0"],
  ],
  [
    "a container's own rules come before the pod's policy",
    () => {
      const rule = { action: "Restart", exitCodes: { operator: "In", values: [42] } };
      const app = container("app", { restartPolicy: "Never", restartPolicyRules: [rule] });
      const subject = pod({ restartPolicy: "Never", containers: [app] });
      return [
        ...planOf(subject, runtime(made("app", "exited", { exitCode: 42 }))),
        ...planOf(subject, runtime(made("app", "exited", { exitCode: 1 }))),
      ];
    },
    ["start app 1", "end"],
  ],
];

for (const [title, actual, expected] of rows) test(title, () => assert.deepEqual(actual(), expected));
