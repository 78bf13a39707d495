// What the kubelet knows of a pod besides its spec: the sandboxes and containers that the runtime has for it.
import type { Container, EphemeralContainer, Pod, PodSpec } from "../../kinds/generated/core.v1.ts";
import { fnv32a, stableJson } from "../../machinery/hash.ts";
import type * as cri from "../cri/types.ts";
import { millis } from "../cri/types.ts";

/** Labels and annotations that tie runtime objects to pods; the names are those of upstream, so its tools read them. */
export const podNameLabel = "io.kubernetes.pod.name";
export const podNamespaceLabel = "io.kubernetes.pod.namespace";
export const podUidLabel = "io.kubernetes.pod.uid";
export const containerNameLabel = "io.kubernetes.container.name";
export const hashAnnotation = "io.kubernetes.container.hash";
export const restartCountAnnotation = "io.kubernetes.container.restartCount";
export const podGraceAnnotation = "io.kubernetes.pod.terminationGracePeriod";

export interface RuntimeSandbox {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  /** Milliseconds since the epoch, as all times here. */
  readonly createdAt: number;
  /** Empty on the host network and while unknown. */
  readonly ips: readonly string[];
}

export interface RuntimeContainer {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  readonly state: "created" | "running" | "exited" | "unknown";
  readonly createdAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly restartCount: number;
  readonly hash: string;
  /** Repository digest if the image has one, else its id. */
  readonly imageRef: string;
  readonly logPath: string;
}

/** Newest first in both lists. */
export interface RuntimePod {
  readonly sandboxes: readonly RuntimeSandbox[];
  readonly containers: readonly RuntimeContainer[];
}

export const emptyRuntimePod: RuntimePod = { sandboxes: [], containers: [] };

/** An ephemeral container has the fields of an ordinary one, and more. */
export type AnyContainer = Container | EphemeralContainer;

export const specOf = (pod: Pod): PodSpec => pod.spec!;

/** Changes when the container must be replaced: upstream counts name and image only. */
export const containerHash = ({ name, image }: AnyContainer): string =>
  fnv32a(stableJson({ name, image })).toString(16);

export function* allContainers(spec: PodSpec): Generator<AnyContainer> {
  yield* spec.initContainers ?? [];
  yield* spec.containers;
  yield* spec.ephemeralContainers ?? [];
}

/** The newest container of a name, of any sandbox. */
export const newestContainer = (runtime: RuntimePod, name: string): RuntimeContainer | undefined =>
  runtime.containers.find((container) => container.name === name);

const states = {
  CONTAINER_CREATED: "created",
  CONTAINER_RUNNING: "running",
  CONTAINER_EXITED: "exited",
  CONTAINER_UNKNOWN: "unknown",
} as const;

export function runtimeContainer(status: cri.ContainerStatus, sandboxId: string): RuntimeContainer {
  return {
    id: status.id,
    name: status.labels[containerNameLabel] ?? status.metadata.name,
    sandboxId,
    state: states[status.state],
    createdAt: millis(status.createdAt),
    startedAt: millis(status.startedAt),
    finishedAt: millis(status.finishedAt),
    exitCode: status.exitCode,
    reason: status.reason,
    message: status.message,
    restartCount: Number(status.annotations[restartCountAnnotation] ?? status.metadata.attempt),
    hash: status.annotations[hashAnnotation] ?? "",
    imageRef: status.imageRef,
    logPath: status.logPath,
  };
}

/** Whether a container that ended this way is to be run again, by its own rules, its own policy, or the pod's. */
export function restartsAfterExit(container: AnyContainer, spec: PodSpec, exitCode: number): boolean {
  for (const { action, exitCodes } of container.restartPolicyRules ?? []) {
    if (!exitCodes) continue;
    const listed = exitCodes.values?.includes(exitCode) ?? false;
    if (listed === (exitCodes.operator === "In")) return action === "Restart";
  }
  const policy = container.restartPolicy ?? spec.restartPolicy ?? "Always";
  return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
}
