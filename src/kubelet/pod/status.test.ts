import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "../../kinds/generated/core.v1.ts";
import { container, made, now, pod, runtime, sidecar, statusFacts } from "../testing.ts";
import { emptyRuntimePod, type RuntimePod } from "./model.ts";
import { computePodStatus, type StatusFacts } from "./status.ts";
import { statusPatch } from "./status-writer.ts";

const phase = (subject: Pod, observed: RuntimePod, more: Partial<StatusFacts> = {}) =>
  computePodStatus(subject, observed, statusFacts(more)).phase;
const failed = { exitCode: 1 };
const never = { restartPolicy: "Never" };
const withInit = { initContainers: [container("i")] };

const phases: [title: string, actual: () => string | undefined, expected: string][] = [
  ["nothing there yet", () => phase(pod(), emptyRuntimePod), "Pending"],
  ["a container runs", () => phase(pod(), runtime(made("app", "running"))), "Running"],
  ["init runs", () => phase(pod(withInit), runtime(made("i", "running"))), "Pending"],
  ["init is done", () => phase(pod(withInit), runtime(made("i", "exited"))), "Pending"],
  ["init failed for good", () => phase(pod({ ...withInit, ...never }), runtime(made("i", "exited", failed))), "Failed"],
  ["init failed, to be repeated", () => phase(pod(withInit), runtime(made("i", "exited", failed))), "Pending"],
  ["ended, to be restarted", () => phase(pod(), runtime(made("app", "exited"))), "Running"],
  ["all succeeded", () => phase(pod(never), runtime(made("app", "exited"))), "Succeeded"],
  ["one failed", () => phase(pod(never), runtime(made("app", "exited", failed))), "Failed"],
  [
    "OnFailure: a failure is not the end",
    () => phase(pod({ restartPolicy: "OnFailure" }), runtime(made("app", "exited", failed))),
    "Running",
  ],
  [
    "a sidecar that still runs delays the end",
    () =>
      phase(pod({ ...never, initContainers: [sidecar("s")] }), runtime(made("app", "exited"), made("s", "running"))),
    "Running",
  ],
  [
    "a sidecar's exit code does not count",
    () =>
      phase(
        pod({ ...never, initContainers: [sidecar("s")] }),
        runtime(made("app", "exited"), made("s", "exited", failed)),
        { ending: true },
      ),
    "Succeeded",
  ],
  [
    "a deleted pod that has ended",
    () => phase(pod(), runtime(made("app", "exited", failed)), { ending: true }),
    "Failed",
  ],
  [
    "a pod past its deadline",
    () =>
      phase(pod(), runtime(made("app", "exited")), {
        ending: true,
        failure: { reason: "DeadlineExceeded", message: "" },
      }),
    "Failed",
  ],
];
test("a refused pod has a reason, and no containers to tell of, however often it is looked at", () => {
  const refusal = { reason: "NodePorts", message: "why" };
  const first = computePodStatus(pod(withInit), emptyRuntimePod, statusFacts({ ending: true, failure: refusal }));
  const again = computePodStatus(pod(withInit, first), emptyRuntimePod, statusFacts({ ending: true }));
  for (const { phase, reason, message, containerStatuses, initContainerStatuses } of [first, again])
    assert.deepEqual(
      { phase, reason, message, containerStatuses, initContainerStatuses },
      { phase: "Failed", ...refusal, containerStatuses: undefined, initContainerStatuses: undefined },
    );
});

for (const [title, actual, expected] of phases) test(`phase: ${title}`, () => assert.equal(actual(), expected));

const conditionsOf = (subject: Pod, observed: RuntimePod, more: Partial<StatusFacts> = {}) =>
  Object.fromEntries(
    computePodStatus(subject, observed, statusFacts(more)).conditions!.map(({ type, status, reason }) => [
      type,
      reason ? `${status} ${reason}` : status,
    ]),
  );

test("conditions follow the pod's way to Ready and to its end", () => {
  const notReady = "False ContainersNotReady";
  assert.deepEqual(conditionsOf(pod(withInit), emptyRuntimePod), {
    PodReadyToStartContainers: "False",
    Initialized: "False ContainersNotInitialized",
    Ready: notReady,
    ContainersReady: notReady,
    PodScheduled: "True",
  });
  const all = {
    PodReadyToStartContainers: "True",
    Initialized: "True",
    Ready: "True",
    ContainersReady: "True",
    PodScheduled: "True",
  };
  assert.deepEqual(conditionsOf(pod(), runtime(made("app", "running"))), all);
  assert.equal(conditionsOf(pod(), runtime(made("app", "running")), { ready: () => false })["Ready"], notReady);
  assert.equal(conditionsOf(pod(), runtime(made("app", "running")), { started: () => false })["Ready"], notReady);
  assert.equal(conditionsOf(pod(never), runtime(made("app", "exited")))["Ready"], "False PodCompleted");
});

test("readiness gates hold Ready back but not ContainersReady", () => {
  const gated = pod({ readinessGates: [{ conditionType: "example.com/ok" }] });
  const before = conditionsOf(gated, runtime(made("app", "running")));
  assert.deepEqual([before["Ready"], before["ContainersReady"]], ["False ReadinessGatesNotReady", "True"]);
  const open = { ...gated, status: { conditions: [{ type: "example.com/ok", status: "True" }] } };
  const after = conditionsOf(open, runtime(made("app", "running")));
  assert.deepEqual([after["Ready"], after["example.com/ok"]], ["True", "True"]);
});

test("a condition keeps its transition time while its status stays", () => {
  const first = computePodStatus(pod(), runtime(made("app", "running")), statusFacts());
  const later = computePodStatus(pod({}, first), runtime(made("app", "running")), statusFacts({ now: now + 60_000 }));
  assert.deepEqual(later, first);
  assert.equal(statusPatch("u", first, later), undefined);
});

const stateOf = (subject: Pod, observed: RuntimePod, more: Partial<StatusFacts> = {}) =>
  computePodStatus(subject, observed, statusFacts(more)).containerStatuses![0]!;

test("waiting reasons", () => {
  assert.equal(stateOf(pod(), emptyRuntimePod).state!.waiting!.reason, "ContainerCreating");
  assert.equal(stateOf(pod(withInit), emptyRuntimePod).state!.waiting!.reason, "PodInitializing");
  const init = computePodStatus(pod(withInit), emptyRuntimePod, statusFacts()).initContainerStatuses![0]!;
  assert.equal(init.state!.waiting!.reason, "PodInitializing");
  const waiting = new Map([["app", { reason: "CrashLoopBackOff", message: "back-off" }]]);
  const crashed = stateOf(pod(), runtime(made("app", "exited", { exitCode: 1, restartCount: 3 })), { waiting });
  assert.equal(crashed.state!.waiting!.reason, "CrashLoopBackOff");
  assert.equal(crashed.lastState!.terminated!.reason, "Error");
  assert.equal(crashed.restartCount, 3);
});

test("an ended container tells reason, message and its predecessor", () => {
  const observed = runtime(
    made("app", "exited", { restartCount: 1, exitCode: 137 }),
    made("app", "exited", { exitCode: 2 }),
  );
  const more = { oomKilled: new Set(["app-1"]), terminationMessage: () => "said" };
  const { state, lastState } = stateOf(pod(never), observed, more);
  assert.deepEqual([state!.terminated!.reason, state!.terminated!.message], ["OOMKilled", "said"]);
  assert.equal(lastState!.terminated!.exitCode, 2);
});

test("a container that the runtime has forgotten is not started anew in the status", () => {
  const terminated = { exitCode: 0, reason: "Completed" };
  const old = { name: "app", image: "img:1", imageID: "", ready: false, restartCount: 0, state: { terminated } };
  const done = pod(never, { phase: "Succeeded", containerStatuses: [old] });
  assert.deepEqual(stateOf(done, emptyRuntimePod, { ending: true }).state, { terminated });
  const running = { ...old, containerID: "containerd://x", state: { running: {} } };
  const lost = stateOf(pod({}, { containerStatuses: [running] }), emptyRuntimePod);
  assert.equal(lost.lastState!.terminated!.reason, "ContainerStatusUnknown");
});

test("a status patch names only what changed and removes what is gone", () => {
  const before = {
    phase: "Pending",
    reason: "Old",
    podIPs: [{ ip: "1" }],
    conditions: [
      { type: "Ready", status: "False", reason: "ContainersNotReady" },
      { type: "PodScheduled", status: "True" },
    ],
  };
  const after = {
    phase: "Running",
    podIPs: [{ ip: "2" }],
    conditions: [
      { type: "Ready", status: "True" },
      { type: "PodScheduled", status: "True" },
    ],
  };
  assert.deepEqual(statusPatch("u", before, after), {
    metadata: { uid: "u" },
    status: {
      phase: "Running",
      reason: null,
      podIPs: [{ $patch: "replace" }, { ip: "2" }],
      conditions: [{ type: "Ready", status: "True", reason: null }],
    },
  });
});
