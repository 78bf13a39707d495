// The Node object of this machine. Follows kubernetes v1.36 pkg/kubelet/nodestatus/setters.go (condition reasons, texts).
import type { ContainerImage, Node, NodeCondition, NodeStatus, NodeSystemInfo } from "../../kinds/generated/core.v1.ts";
import { formatTime } from "../../machinery/clock.ts";
import type { NewObject } from "../../machinery/object.ts";

/** What the machine is, read once. */
export interface MachineFacts {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly ephemeralBytes: number;
  readonly architecture: string;
  readonly hostname: string;
  readonly info: Omit<NodeSystemInfo, "containerRuntimeVersion">;
}

/** What changes: kept coarse, so that the object is written only when something has happened. */
export interface NodeFacts {
  readonly machine: MachineFacts;
  readonly nodeName: string;
  readonly nodeIP: string;
  readonly maxPods: number;
  readonly runtimeVersion: string;
  readonly images: readonly ContainerImage[];
  /** Why the node is not ready; empty when it is. */
  readonly problems: readonly string[];
  readonly memoryPressure: boolean;
  readonly diskPressure: boolean;
  readonly pidPressure: boolean;
  readonly now: number;
}

/** Memory that is kept from pods, so that the machine's own processes have some. */
const reservedMemoryBytes = 100 << 20;

export const kubeletVersion = "v1.36.0";

export function nodeLabels(nodeName: string, architecture: string): Record<string, string> {
  return {
    "kubernetes.io/hostname": nodeName,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": architecture,
    "beta.kubernetes.io/os": "linux",
    "beta.kubernetes.io/arch": architecture,
  };
}

const kibibytes = (bytes: number): string => `${Math.floor(bytes / 1024)}Ki`;

export function allocatableOf({ machine, maxPods }: Pick<NodeFacts, "machine" | "maxPods">): Record<string, string> {
  return {
    cpu: String(machine.cpus),
    memory: kibibytes(machine.memoryBytes - reservedMemoryBytes),
    "ephemeral-storage": String(Math.floor(machine.ephemeralBytes * 0.9)),
    pods: String(maxPods),
    "hugepages-1Gi": "0",
    "hugepages-2Mi": "0",
  };
}

function conditions(facts: NodeFacts, before: readonly NodeCondition[]): NodeCondition[] {
  const { memoryPressure, diskPressure, pidPressure, problems } = facts;
  const ready = problems.length === 0;
  const rows: [type: string, on: boolean, reason: string, message: string][] = [
    memoryPressure
      ? ["MemoryPressure", true, "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"]
      : ["MemoryPressure", false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
    diskPressure
      ? ["DiskPressure", true, "KubeletHasDiskPressure", "kubelet has disk pressure"]
      : ["DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
    pidPressure
      ? ["PIDPressure", true, "KubeletHasInsufficientPID", "kubelet has insufficient PID available"]
      : ["PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    ready
      ? ["Ready", true, "KubeletReady", "kubelet is posting ready status"]
      : ["Ready", false, "KubeletNotReady", problems.join("; ")],
  ];
  const now = formatTime(facts.now);
  return rows.map(([type, on, reason, message]) => {
    const status = on ? "True" : "False";
    const old = before.find((condition) => condition.type === type);
    return {
      type,
      status,
      reason,
      message,
      lastHeartbeatTime: now,
      lastTransitionTime: old?.status === status ? (old.lastTransitionTime ?? now) : now,
    };
  });
}

export function nodeStatus(facts: NodeFacts, before: NodeStatus | undefined): NodeStatus {
  const { machine } = facts;
  const allocatable = allocatableOf(facts);
  const foreign = (before?.conditions ?? []).filter(
    ({ type }) => !["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"].includes(type),
  );
  return {
    ...before,
    addresses: [
      { type: "InternalIP", address: facts.nodeIP },
      { type: "Hostname", address: facts.nodeName },
    ],
    capacity: {
      ...allocatable,
      memory: kibibytes(machine.memoryBytes),
      "ephemeral-storage": kibibytes(machine.ephemeralBytes),
    },
    allocatable,
    conditions: [...conditions(facts, before?.conditions ?? []), ...foreign],
    nodeInfo: { ...machine.info, containerRuntimeVersion: facts.runtimeVersion },
    images: [...facts.images],
  };
}

export function newNode(facts: NodeFacts): NewObject<Node> {
  const { nodeName, machine } = facts;
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: nodeName,
      labels: nodeLabels(nodeName, machine.architecture),
      annotations: { "volumes.kubernetes.io/controller-managed-attach-detach": "true" },
    },
    spec: {},
    status: nodeStatus(facts, undefined),
  };
}

/** Whether two statuses differ in more than the time of the heartbeat. */
export const withoutHeartbeat = (status: NodeStatus | undefined): NodeStatus => ({
  ...status,
  conditions: (status?.conditions ?? []).map((condition) => ({ ...condition, lastHeartbeatTime: "" })),
});
