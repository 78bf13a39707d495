// What to do next for a pod, from its spec and what the runtime has. Pure: the worker acts.
// Follows kubernetes v1.36 pkg/kubelet/kuberuntime/kuberuntime_manager.go (computePodActions, computeInitContainerActions).
import type { Container, Pod, PodSpec } from "../../kinds/generated/core.v1.ts";
import { isSidecar } from "../../kinds/core/pod/resources.ts";
import {
  type AnyContainer,
  containerHash,
  newestContainer,
  restartsAfterExit,
  type RuntimeContainer,
  type RuntimePod,
  specOf,
} from "./model.ts";

export type ContainerRole = "init" | "sidecar" | "app" | "ephemeral";

/** What happened beside the runtime. Container keys are ids, so that nothing outlives its container. */
export interface PodFacts {
  readonly now: number;
  /** Ids of containers that are being stopped. */
  readonly stopping: ReadonlySet<string>;
  /** Has the container passed its startup probe and postStart hook (true where it has none)? */
  started(containerId: string): boolean;
  /** "liveness" or "startup" when that probe has failed for good, "postStart" when the hook has. */
  failed(containerId: string): "liveness" | "startup" | "postStart" | undefined;
  /** Milliseconds since the epoch until which a container that ended at `finishedAt` must wait. */
  backoffUntil(container: AnyContainer, finishedAt: number): number;
}

export interface StartAction {
  readonly container: AnyContainer;
  readonly role: ContainerRole;
  readonly restartCount: number;
}

export interface KillAction {
  readonly container: RuntimeContainer;
  readonly reason: "liveness" | "startup" | "postStart" | "changed" | "unknown";
  readonly message: string;
}

export interface PodPlan {
  /** Nothing shall run any more: stop every container and the sandbox. */
  readonly killPod: boolean;
  /** Attempt number of a sandbox to make; containers follow when it is there. */
  readonly createSandbox: number | undefined;
  /** In order; the next one only after the one before is started and its postStart hook is done. */
  readonly start: readonly StartAction[];
  readonly kill: readonly KillAction[];
  /** Containers that wait for their back-off: name → milliseconds since the epoch. */
  readonly backoff: ReadonlyMap<string, number>;
}

interface Draft {
  start: StartAction[];
  kill: KillAction[];
  backoff: Map<string, number>;
}

const nothing = (): Draft => ({ start: [], kill: [], backoff: new Map() });

/** How often a container has been restarted when it is started now; status counts when the runtime has forgotten. */
function nextRestartCount(pod: Pod, runtime: RuntimePod, name: string): number {
  const known = newestContainer(runtime, name);
  if (known) return known.restartCount + 1;
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  const all = [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses];
  const before = all.find((status) => status.name === name);
  return before?.containerID ? before.restartCount + 1 : 0;
}

export function computePodPlan(pod: Pod, runtime: RuntimePod, facts: PodFacts): PodPlan {
  const spec = specOf(pod);
  const sandbox = runtime.sandboxes[0];
  const usable = sandbox?.ready === true && (spec.hostNetwork === true || sandbox.ips.length > 0);
  if (!usable) return planNewSandbox(spec, runtime);

  const draft = nothing();
  planEphemeral(pod, spec, runtime, draft);
  const { initialized, failed } = planInit(pod, spec, runtime, facts, draft);
  if (failed) return { killPod: true, createSandbox: undefined, ...nothing() };
  if (!initialized) return { killPod: false, createSandbox: undefined, ...draft };

  let kept = 0;
  for (const container of spec.containers)
    kept += planContainer(container, "app", { pod, spec, runtime, facts, draft });
  if (kept === 0 && !draft.start.some(({ role }) => role === "app"))
    return { killPod: true, createSandbox: undefined, ...nothing() };
  return { killPod: false, createSandbox: undefined, ...draft };
}

/** A pod without a usable sandbox gets one, unless all its work is done. */
function planNewSandbox(spec: PodSpec, runtime: RuntimePod): PodPlan {
  const previous = runtime.sandboxes[0];
  const attempt = previous ? previous.attempt + 1 : 0;
  const idle = { killPod: runtime.sandboxes.some(({ ready }) => ready), ...nothing() };
  const ran = runtime.containers.length > 0;
  if (attempt > 0 && ran && !mayRestart(spec)) return { ...idle, killPod: true, createSandbox: undefined };
  const pending = spec.containers.some((container) => {
    const last = newestContainer(runtime, container.name);
    return last?.state !== "exited" || restartsAfterExit(container, spec, last.exitCode);
  });
  const initialized = spec.containers.some(({ name }) => newestContainer(runtime, name) !== undefined);
  if (!pending && initialized) return { ...idle, killPod: true, createSandbox: undefined };
  return { ...idle, createSandbox: attempt };
}

const mayRestart = (spec: PodSpec): boolean =>
  spec.restartPolicy !== "Never" ||
  spec.containers.some(({ restartPolicy }) => restartPolicy && restartPolicy !== "Never");

function planEphemeral(pod: Pod, spec: PodSpec, runtime: RuntimePod, draft: Draft): void {
  for (const container of spec.ephemeralContainers ?? []) {
    if (newestContainer(runtime, container.name)) continue;
    const restartCount = nextRestartCount(pod, runtime, container.name);
    if (restartCount === 0) draft.start.push({ container, role: "ephemeral", restartCount });
  }
}

/** Have all init containers done their part, or has one failed for good? */
function planInit(
  pod: Pod,
  spec: PodSpec,
  runtime: RuntimePod,
  facts: PodFacts,
  draft: Draft = nothing(),
): { initialized: boolean; failed: boolean } {
  const sandboxId = runtime.sandboxes[0]?.id;
  const here = (name: string) => {
    const newest = newestContainer(runtime, name);
    return newest?.sandboxId === sandboxId ? newest : undefined;
  };
  const alreadyInitialized = spec.containers.some(({ name }) => here(name) !== undefined);
  for (const container of spec.initContainers ?? []) {
    const current = here(container.name);
    if (isSidecar(container)) {
      const running = planContainer(container, "sidecar", { pod, spec, runtime, facts, draft });
      const ready = running === 1 && current?.state === "running" && facts.started(current.id);
      if (!ready && !alreadyInitialized) return { initialized: false, failed: false };
    } else if (!alreadyInitialized) {
      if (current?.state === "exited" && current.exitCode === 0) continue;
      if (current?.state === "exited" && !restartsAfterExit(container, spec, current.exitCode))
        return { initialized: false, failed: true };
      planInitContainer(container, current, { pod, spec, runtime, facts, draft });
      return { initialized: false, failed: false };
    }
  }
  return { initialized: true, failed: false };
}

interface Scene {
  readonly pod: Pod;
  readonly spec: PodSpec;
  readonly runtime: RuntimePod;
  readonly facts: PodFacts;
  readonly draft: Draft;
}

function planInitContainer(container: Container, current: RuntimeContainer | undefined, scene: Scene): void {
  if (current?.state === "running") return;
  if (current?.state === "unknown") return kill(scene, current, "unknown");
  startOrWait(container, "init", scene, current);
}

/** Plans one long-running container; returns 1 when it runs on or waits to run, 0 when it is done for good. */
function planContainer(container: Container, role: ContainerRole, scene: Scene): 0 | 1 {
  const { runtime, spec, facts } = scene;
  const current = newestContainer(runtime, container.name);
  if (!current || current.state === "created") {
    startOrWait(container, role, scene, undefined);
    return 1;
  }
  if (current.state === "exited") {
    if (!restartsAfterExit(container, spec, current.exitCode)) return 0;
    startOrWait(container, role, scene, current);
    return 1;
  }
  if (facts.stopping.has(current.id)) return 1;
  if (current.state === "unknown") kill(scene, current, "unknown");
  else if (current.hash !== "" && current.hash !== containerHash(container)) kill(scene, current, "changed");
  else {
    const failure = facts.failed(current.id);
    if (failure) kill(scene, current, failure);
  }
  return 1;
}

function startOrWait(
  container: Container,
  role: ContainerRole,
  scene: Scene,
  last: RuntimeContainer | undefined,
): void {
  const { pod, runtime, facts, draft } = scene;
  const until = last ? facts.backoffUntil(container, last.finishedAt) : 0;
  if (until > facts.now) draft.backoff.set(container.name, until);
  else draft.start.push({ container, role, restartCount: nextRestartCount(pod, runtime, container.name) });
}

const explanations: Record<KillAction["reason"], (name: string) => string> = {
  liveness: (name) => `Container ${name} failed liveness probe, will be restarted`,
  startup: (name) => `Container ${name} failed startup probe, will be restarted`,
  postStart: () => "FailedPostStartHook",
  changed: (name) => `Container ${name} definition changed, will be restarted`,
  unknown: (name) => `Container ${name} is in an unknown state, will be restarted`,
};

function kill({ draft, facts }: Scene, container: RuntimeContainer, reason: KillAction["reason"]): void {
  if (facts.stopping.has(container.id)) return;
  draft.kill.push({ container, reason, message: explanations[reason](container.name) });
}
