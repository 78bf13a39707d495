// Builders for the kubelet's unit tests.
import type { Container, Pod, PodSpec, PodStatus } from "../kinds/generated/core.v1.ts";
import { containerHash, type RuntimeContainer, type RuntimePod } from "./pod/model.ts";
import type { PodFacts } from "./pod/plan.ts";
import type { StatusFacts } from "./pod/status.ts";

export const second = 1000;
export const now = Date.parse("2026-01-01T00:00:00Z");

export const container = (name: string, more: Partial<Container> = {}): Container => ({
  name,
  image: "img:1",
  ...more,
});

export const sidecar = (name: string): Container => container(name, { restartPolicy: "Always" });

export function pod(spec: Partial<PodSpec> = {}, status?: PodStatus): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "ns", uid: "u", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { restartPolicy: "Always", containers: [container("app")], ...spec },
    ...(status ? { status } : {}),
  };
}

/** A container as the runtime has it, in sandbox `s0`, of the image that `container` makes. */
export const made = (name: string, state: RuntimeContainer["state"], more: Partial<RuntimeContainer> = {}) => ({
  id: `${name}-${more.restartCount ?? 0}`,
  name,
  sandboxId: "s0",
  state,
  createdAt: now,
  startedAt: now,
  finishedAt: state === "exited" ? now : 0,
  exitCode: 0,
  reason: "",
  message: "",
  restartCount: 0,
  hash: containerHash(container(name)),
  imageRef: "sha256:1",
  logPath: "",
  ...more,
});

/** A ready sandbox with the containers given, newest first. */
export const runtime = (...containers: RuntimeContainer[]): RuntimePod => ({
  sandboxes: [{ id: "s0", attempt: 0, ready: true, createdAt: now, ips: ["10.0.0.2"] }],
  containers,
});

export const facts = (more: Partial<PodFacts> = {}): PodFacts => ({
  now,
  stopping: new Set(),
  started: () => true,
  failed: () => undefined,
  backoffUntil: () => 0,
  ...more,
});

export const statusFacts = (more: Partial<StatusFacts> = {}): StatusFacts => ({
  now,
  hostIP: "192.0.2.1",
  runtimeName: "containerd",
  waiting: new Map(),
  oomKilled: new Set(),
  started: () => true,
  ready: () => undefined,
  terminationMessage: () => undefined,
  ending: false,
  ...more,
});
