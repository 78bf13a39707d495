import { test } from "node:test";
import assert from "node:assert/strict";
import type { ContainerState, ContainerStatus, Pod, PodStatus } from "../../generated/core.v1.ts";
import { podColumns } from "./columns.ts";

const now = Date.parse("2026-01-01T01:00:00Z");

const container = (name: string, state: ContainerState, more: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name,
  state,
  ready: false,
  restartCount: 0,
  image: "i",
  imageID: "",
  ...more,
});
const running = (name: string, more: Partial<ContainerStatus> = {}) =>
  container(name, { running: { startedAt: "2026-01-01T00:00:00Z" } }, { ready: true, started: true, ...more });
const ended = (name: string, exitCode: number, reason?: string) =>
  container(name, { terminated: { exitCode, ...(reason ? { reason } : {}) } });
const waiting = (name: string, reason: string, more: Partial<ContainerStatus> = {}) =>
  container(name, { waiting: { reason } }, more);

interface Given {
  readonly containers?: string[];
  readonly init?: string[];
  readonly sidecars?: string[];
  readonly deleted?: boolean;
}

function podWith(status: PodStatus, { containers = ["a"], init = [], sidecars = [], deleted }: Given = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "p",
      uid: "",
      resourceVersion: "",
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...(deleted ? { deletionTimestamp: "2026-01-01T00:59:00Z" } : {}),
    },
    spec: {
      nodeName: "n",
      containers: containers.map((name) => ({ name })),
      initContainers: [
        ...init.map((name) => ({ name })),
        ...sidecars.map((name) => ({ name, restartPolicy: "Always" })),
      ],
    },
    status,
  };
}

const died = { terminated: { exitCode: 1, finishedAt: "2026-01-01T00:55:00Z" } };
const ready = [{ type: "Ready", status: "True" }];

/** READY, STATUS, RESTARTS. */
const cases: readonly [string, Pod, string, string, string][] = [
  ["is new", podWith({ phase: "Pending" }), "0/1", "Pending", "0"],
  ["runs", podWith({ phase: "Running", containerStatuses: [running("a")] }), "1/1", "Running", "0"],
  [
    "crashes again and again",
    podWith({
      phase: "Running",
      containerStatuses: [waiting("a", "CrashLoopBackOff", { restartCount: 3, lastState: died })],
    }),
    "0/1",
    "CrashLoopBackOff",
    "3 (5m ago)",
  ],
  [
    "has no image",
    podWith({ phase: "Pending", containerStatuses: [waiting("a", "ErrImagePull")] }),
    "0/1",
    "ErrImagePull",
    "0",
  ],
  [
    "is done",
    podWith({ phase: "Succeeded", containerStatuses: [ended("a", 0, "Completed")] }),
    "0/1",
    "Completed",
    "0",
  ],
  [
    "failed without a reason",
    podWith({ phase: "Failed", containerStatuses: [ended("a", 3)] }),
    "0/1",
    "ExitCode:3",
    "0",
  ],
  ["was evicted", podWith({ phase: "Failed", reason: "Evicted" }), "0/1", "Evicted", "0"],
  [
    "is starting",
    podWith(
      { phase: "Pending", initContainerStatuses: [ended("i", 0), waiting("j", "PodInitializing")] },
      { init: ["i", "j"] },
    ),
    "0/1",
    "Init:1/2",
    "0",
  ],
  [
    "cannot start",
    podWith(
      { phase: "Pending", initContainerStatuses: [waiting("i", "CrashLoopBackOff", { restartCount: 2 })] },
      { init: ["i"] },
    ),
    "0/1",
    "Init:CrashLoopBackOff",
    "2",
  ],
  [
    "failed to start",
    podWith({ phase: "Failed", initContainerStatuses: [ended("i", 1)] }, { init: ["i"] }),
    "0/1",
    "Init:ExitCode:1",
    "0",
  ],
  [
    "has a sidecar",
    podWith(
      { phase: "Running", initContainerStatuses: [running("s")], containerStatuses: [running("a")] },
      { sidecars: ["s"] },
    ),
    "2/2",
    "Running",
    "0",
  ],
  [
    "is done in part",
    podWith(
      { phase: "Running", conditions: ready, containerStatuses: [ended("a", 0, "Completed"), running("b")] },
      { containers: ["a", "b"] },
    ),
    "1/2",
    "Running",
    "0",
  ],
  [
    "is on its way out",
    podWith({ phase: "Running", containerStatuses: [running("a")] }, { deleted: true }),
    "1/1",
    "Terminating",
    "0",
  ],
  ["went with its node", podWith({ phase: "Running", reason: "NodeLost" }, { deleted: true }), "0/1", "Unknown", "0"],
  [
    "waits for its gates",
    podWith({ phase: "Pending", conditions: [{ type: "PodScheduled", status: "False", reason: "SchedulingGated" }] }),
    "0/1",
    "SchedulingGated",
    "0",
  ],
];
for (const [name, pod, readyText, status, restarts] of cases) {
  test(`a pod that ${name} is ${readyText} ${status}`, () => {
    const cells = podColumns.map((column) => column.value(pod, now));
    assert.deepEqual(cells.slice(0, 5), ["p", readyText, status, restarts, "60m"]);
  });
}

test("wide output tells address, node and gates", () => {
  const pod = podWith({ phase: "Running", podIP: "10.0.0.1", conditions: [{ type: "x/y", status: "True" }] });
  pod.spec!.readinessGates = [{ conditionType: "x/y" }, { conditionType: "x/z" }];
  const wide = podColumns.filter((column) => column.priority === 1);
  assert.deepEqual(
    wide.map((column) => [column.name, column.value(pod, now)]),
    [
      ["IP", "10.0.0.1"],
      ["Node", "n"],
      ["Nominated Node", "<none>"],
      ["Readiness Gates", "1/2"],
    ],
  );
});
