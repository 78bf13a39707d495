// The status of a pod, from its spec, its last status and what the runtime has. Pure.
// Follows kubernetes v1.36 pkg/kubelet/kubelet_pods.go (generateAPIPodStatus, getPhase) and status/generate.go (conditions).
import type {
  Container,
  ContainerState,
  ContainerStatus,
  Pod,
  PodCondition,
  PodSpec,
  PodStatus,
} from "../../kinds/generated/core.v1.ts";
import { isSidecar } from "../../kinds/core/pod/resources.ts";
import { formatTime } from "../../machinery/clock.ts";
import { type AnyContainer, restartsAfterExit, type RuntimeContainer, type RuntimePod, specOf } from "./model.ts";
import { qosOf } from "./qos.ts";

/** Why a container does not run: shown as its waiting state. */
export interface Waiting {
  readonly reason: string;
  readonly message: string;
}

export interface StatusFacts {
  readonly now: number;
  readonly hostIP: string;
  readonly runtimeName: string;
  /** Reasons by container name: image errors, configuration errors, CrashLoopBackOff. */
  readonly waiting: ReadonlyMap<string, Waiting>;
  readonly oomKilled: ReadonlySet<string>;
  started(containerId: string): boolean;
  /** Result of the readiness probe; undefined where there is none. */
  ready(containerId: string): boolean | undefined;
  /** What the container left at its termination message path, or the end of its log. */
  terminationMessage(container: RuntimeContainer): string | undefined;
  /** Set when the node has decided the pod's end: its phase is Failed from then on. */
  readonly failure?: Waiting;
  /** The pod will not start any container again. */
  readonly ending: boolean;
}

export function computePodStatus(pod: Pod, runtime: RuntimePod, facts: StatusFacts): PodStatus {
  const spec = specOf(pod);
  const old = pod.status ?? {};
  const initContainerStatuses = (spec.initContainers ?? []).map((container) =>
    containerStatus(container, old.initContainerStatuses, "init", pod, runtime, facts),
  );
  const containerStatuses = spec.containers.map((container) =>
    containerStatus(container, old.containerStatuses, "app", pod, runtime, facts),
  );
  const ephemeralContainerStatuses = (spec.ephemeralContainers ?? []).map((container) =>
    containerStatus(container, old.ephemeralContainerStatuses, "ephemeral", pod, runtime, facts),
  );
  const phase = phaseOf(pod, initContainerStatuses, containerStatuses, facts);
  const sandbox = runtime.sandboxes[0];
  const hostNetwork = spec.hostNetwork === true;
  const ips = hostNetwork ? [facts.hostIP] : sandbox?.ready ? sandbox.ips : (old.podIPs ?? []).map(({ ip }) => ip);
  const failure = phase === "Failed" ? (facts.failure ?? { reason: old.reason, message: old.message }) : undefined;
  const status: PodStatus = {
    ...(old.nominatedNodeName ? { nominatedNodeName: old.nominatedNodeName } : {}),
    ...(old.resourceClaimStatuses ? { resourceClaimStatuses: old.resourceClaimStatuses } : {}),
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    ...(failure?.reason ? { reason: failure.reason } : {}),
    ...(failure?.message ? { message: failure.message } : {}),
    hostIP: facts.hostIP,
    hostIPs: [{ ip: facts.hostIP }],
    ...(ips.length > 0 ? { podIP: ips[0]!, podIPs: ips.map((ip) => ({ ip })) } : {}),
    startTime: old.startTime ?? formatTime(facts.now),
    ...(initContainerStatuses.length > 0 ? { initContainerStatuses } : {}),
    containerStatuses,
    ...(ephemeralContainerStatuses.length > 0 ? { ephemeralContainerStatuses } : {}),
    qosClass: old.qosClass ?? qosOf(spec),
  };
  const conditions = conditionsOf(pod, status, runtime, facts);
  if (!facts.ending || old.containerStatuses || runtime.containers.length > 0) return { ...status, conditions };
  // It ended before anything of it was begun: there is no container to tell of.
  const { initContainerStatuses: _, containerStatuses: __, ...rest } = status;
  return { ...rest, conditions };
}

type Role = "init" | "app" | "ephemeral";

function containerStatus(
  container: AnyContainer,
  olds: readonly ContainerStatus[] | undefined,
  role: Role,
  pod: Pod,
  runtime: RuntimePod,
  facts: StatusFacts,
): ContainerStatus {
  const spec = specOf(pod);
  const old = olds?.find(({ name }) => name === container.name);
  const all = runtime.containers.filter(({ name }) => name === container.name);
  const current = all[0];
  const waiting = facts.waiting.get(container.name);
  if (!current) return withoutContainer(container, old, role, spec, waiting, facts);

  let state = stateOf(current, old, facts);
  let lastState = all[1] ? stateOf(all[1], old, facts) : old?.lastState;
  const restartable =
    current.state === "exited" && !facts.ending && restartsAfterExit(container, spec, current.exitCode);
  // A container that was never started because of an error, or that waits for its back-off, shows why.
  if (waiting && (restartable || current.state === "created")) {
    if (current.state === "exited") lastState = state;
    state = { waiting: { ...waiting } };
  }
  const running = current.state === "running";
  const started = running && facts.started(current.id);
  const succeededInit =
    role === "init" && !isSidecar(container) && current.state === "exited" && current.exitCode === 0;
  const ready =
    succeededInit || (started && (role !== "init" || isSidecar(container)) && (facts.ready(current.id) ?? true));
  return {
    name: container.name,
    state,
    lastState: lastState?.terminated ? { terminated: lastState.terminated } : {},
    ready: role === "ephemeral" ? false : ready,
    restartCount: current.restartCount,
    image: container.image ?? "",
    imageID: current.imageRef,
    containerID: `${facts.runtimeName}://${current.id}`,
    started: running && (role === "init" && !isSidecar(container) ? true : started),
    ...resourcesOf(container),
    ...volumeMountsOf(container),
  };
}

/** The runtime knows no such container (yet, or any more). */
function withoutContainer(
  container: AnyContainer,
  old: ContainerStatus | undefined,
  role: Role,
  spec: PodSpec,
  waiting: Waiting | undefined,
  facts: StatusFacts,
): ContainerStatus {
  const base = {
    name: container.name,
    lastState: old?.lastState ?? {},
    ready: false,
    restartCount: old?.restartCount ?? 0,
    image: container.image ?? "",
    imageID: "",
    started: false,
  };
  if (old?.state?.terminated) {
    const succeededInit = role === "init" && old.state.terminated.exitCode === 0;
    return { ...old, ready: succeededInit, started: false };
  }
  if (old?.state?.running) {
    const terminated = {
      reason: "ContainerStatusUnknown",
      message: "The container could not be located when the pod was terminated",
      exitCode: 137,
      ...(old.containerID ? { containerID: old.containerID } : {}),
    };
    if (facts.ending) return { ...old, state: { terminated }, ready: false, started: false };
    return { ...base, lastState: { terminated }, state: { waiting: waiting ?? startingUp(role, spec) } };
  }
  return { ...base, state: { waiting: waiting ? { ...waiting } : startingUp(role, spec) } };
}

/** ContainerStatus wants no message where there is none. */
const startingUp = (role: Role, spec: PodSpec) => ({
  reason: role !== "ephemeral" && (spec.initContainers?.length ?? 0) > 0 ? "PodInitializing" : "ContainerCreating",
});

function stateOf(current: RuntimeContainer, old: ContainerStatus | undefined, facts: StatusFacts): ContainerState {
  if (current.state === "running") return { running: { startedAt: formatTime(current.startedAt) } };
  if (current.state === "created") return { waiting: { reason: "ContainerCreating" } };
  const containerID = `${facts.runtimeName}://${current.id}`;
  // What was said about an end stays: its files may be gone by now.
  const told = [old?.state?.terminated, old?.lastState?.terminated].find((end) => end?.containerID === containerID);
  if (told && !facts.oomKilled.has(current.id)) return { terminated: told };
  const message = facts.terminationMessage(current) || current.message;
  const reason = facts.oomKilled.has(current.id)
    ? "OOMKilled"
    : current.reason || (current.exitCode === 0 ? "Completed" : "Error");
  return {
    terminated: {
      exitCode: current.exitCode,
      reason,
      ...(message ? { message } : {}),
      ...(current.startedAt > 0 ? { startedAt: formatTime(current.startedAt) } : {}),
      ...(current.finishedAt > 0 ? { finishedAt: formatTime(current.finishedAt) } : {}),
      containerID,
    },
  };
}

function resourcesOf(container: AnyContainer): Pick<ContainerStatus, "resources" | "allocatedResources"> {
  const { resources } = container;
  if (!resources) return {};
  return { resources, ...(resources.requests ? { allocatedResources: resources.requests } : {}) };
}

function volumeMountsOf({ volumeMounts }: AnyContainer): Pick<ContainerStatus, "volumeMounts"> {
  if (!volumeMounts?.length) return {};
  return {
    volumeMounts: volumeMounts.map(({ name, mountPath, readOnly, recursiveReadOnly }) => ({
      name,
      mountPath,
      ...(readOnly ? { readOnly, recursiveReadOnly: recursiveReadOnly === "Enabled" ? "Enabled" : "Disabled" } : {}),
    })),
  };
}

/** Pending, Running, Succeeded or Failed. */
function phaseOf(
  pod: Pod,
  inits: readonly ContainerStatus[],
  apps: readonly ContainerStatus[],
  facts: StatusFacts,
): string {
  const spec = specOf(pod);
  const before = pod.status?.phase;
  if (before === "Failed" || before === "Succeeded") return before;
  const appStarted = apps.some(({ state, lastState }) => state?.running ?? state?.terminated ?? lastState?.terminated);
  const initSpecs = spec.initContainers ?? [];
  let pendingInit = false;
  for (const [index, status] of inits.entries()) {
    const container = initSpecs[index]!;
    const ended = status.state?.terminated;
    if (!isSidecar(container) && ended && ended.exitCode !== 0 && !restartsAfterExit(container, spec, ended.exitCode))
      return "Failed";
    const done = isSidecar(container) ? status.started === true || ended !== undefined : ended?.exitCode === 0;
    if (!done && !appStarted) pendingInit = true;
  }
  if (pendingInit) return facts.ending ? (endedPhase(apps, facts) ?? "Failed") : "Pending";
  return runningPhase(spec, apps, inits, facts);
}

function runningPhase(
  spec: PodSpec,
  apps: readonly ContainerStatus[],
  inits: readonly ContainerStatus[],
  facts: StatusFacts,
): string {
  const running = apps.some(({ state }) => state?.running);
  const waiting = apps.some(({ state, lastState }) => state?.waiting && !lastState?.terminated);
  if (facts.ending) {
    const sidecarRuns = inits.some(({ state }) => state?.running);
    if (!running && !sidecarRuns) return endedPhase(apps, facts) ?? "Failed";
    return waiting ? "Pending" : "Running";
  }
  if (waiting) return "Pending";
  if (running) return "Running";
  const willRestart = apps.some(
    ({ state }, index) =>
      state?.waiting || restartsAfterExit(spec.containers[index]!, spec, state?.terminated?.exitCode ?? 1),
  );
  if (willRestart) return "Running";
  // Sidecars are still to be stopped before the pod counts as ended.
  const sidecarRuns = inits.some(({ state }) => state?.running);
  return sidecarRuns ? "Running" : (endedPhase(apps, facts) ?? "Failed");
}

function endedPhase(apps: readonly ContainerStatus[], facts: StatusFacts): string | undefined {
  if (facts.failure) return "Failed";
  return apps.every(({ state }) => state?.terminated?.exitCode === 0) ? "Succeeded" : undefined;
}

/** The kubelet's own condition types; all others (readiness gates, PodScheduled) are left as they are. */
const ownConditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"];

interface Verdict {
  readonly type: string;
  readonly status: "True" | "False";
  readonly reason?: string;
  readonly message?: string;
}

function conditionsOf(pod: Pod, status: PodStatus, runtime: RuntimePod, facts: StatusFacts): PodCondition[] {
  const spec = specOf(pod);
  const old = pod.status?.conditions ?? [];
  const containersReady = containersReadyVerdict(status);
  const sandbox = runtime.sandboxes[0];
  const networkReady = sandbox?.ready === true && (spec.hostNetwork === true || sandbox.ips.length > 0);
  const verdicts: Verdict[] = [
    { type: "PodReadyToStartContainers", status: networkReady ? "True" : "False" },
    initializedVerdict(spec, status),
    readyVerdict(spec, old, containersReady),
    { type: "ContainersReady", ...containersReady },
  ];
  if (!old.some(({ type }) => type === "PodScheduled")) verdicts.push({ type: "PodScheduled", status: "True" });
  const kept = old.filter(({ type }) => !ownConditions.includes(type));
  return [...verdicts.map((verdict) => condition(verdict, pod, facts.now)), ...kept];
}

function condition(verdict: Verdict, pod: Pod, now: number): PodCondition {
  const before = pod.status?.conditions?.find(({ type }) => type === verdict.type);
  const same = before?.status === verdict.status && before.lastTransitionTime !== undefined;
  return {
    type: verdict.type,
    status: verdict.status,
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    lastTransitionTime: same ? before.lastTransitionTime! : formatTime(now),
    ...(verdict.reason ? { reason: verdict.reason } : {}),
    ...(verdict.message ? { message: verdict.message } : {}),
  };
}

const bracketed = (names: readonly string[]) => `[${names.join(" ")}]`;

function initializedVerdict(spec: PodSpec, status: PodStatus): Verdict {
  const type = "Initialized";
  if (status.phase === "Succeeded") return { type, status: "True", reason: "PodCompleted" };
  const apps = status.containerStatuses ?? [];
  if (apps.some(({ state, lastState }) => state?.running ?? state?.terminated ?? lastState?.terminated))
    return { type, status: "True" };
  const incomplete = (spec.initContainers ?? []).filter((container: Container, index) => {
    const { started, ready } = status.initContainerStatuses![index]!;
    return !(isSidecar(container) ? started : ready);
  });
  if (incomplete.length === 0) return { type, status: "True" };
  const message = `containers with incomplete status: ${bracketed(incomplete.map(({ name }) => name))}`;
  return { type, status: "False", reason: "ContainersNotInitialized", message };
}

function containersReadyVerdict(status: PodStatus): Omit<Verdict, "type"> {
  if (status.phase === "Succeeded") return { status: "False", reason: "PodCompleted" };
  if (status.phase === "Failed") return { status: "False", reason: "PodFailed" };
  // Sidecars count: they are init containers that are not over.
  const counted = [
    ...(status.initContainerStatuses ?? []).filter(({ state, ready }) => !(state?.terminated && ready)),
    ...(status.containerStatuses ?? []),
  ];
  const unready = counted.filter(({ ready }) => !ready).map(({ name }) => name);
  if (unready.length === 0) return { status: "True" };
  const message = `containers with unready status: ${bracketed(unready)}`;
  return { status: "False", reason: "ContainersNotReady", message };
}

function readyVerdict(
  spec: PodSpec,
  conditions: readonly PodCondition[],
  containersReady: Omit<Verdict, "type">,
): Verdict {
  if (containersReady.status === "False") return { type: "Ready", ...containersReady };
  const complaints = (spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const found = conditions.find(({ type }) => type === conditionType);
    if (!found) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    if (found.status === "True") return [];
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${found.status}`];
  });
  if (complaints.length === 0) return { type: "Ready", status: "True" };
  return { type: "Ready", status: "False", reason: "ReadinessGatesNotReady", message: complaints.join(", ") };
}
