// From requests and limits to cgroup values. Follows kubernetes v1.36 pkg/kubelet/cm/helpers_linux.go (MilliCPUToShares,
// MilliCPUToQuota, ResourceConfigForPod) and pkg/kubelet/qos/policy.go (GetContainerOOMScoreAdjust).
import type { PodSpec, ResourceRequirements } from "../../kinds/generated/core.v1.ts";
import { quantityMillis, quantityValue } from "../../machinery/quantity.ts";
import type { LinuxContainerResources } from "../cri/types.ts";
import type { AnyContainer } from "./model.ts";
import { isSidecar } from "../../kinds/core/pod/resources.ts";
import { type QosClass, qosOf } from "./qos.ts";

export const cpuPeriodMicros = 100_000;
const minShares = 2;
const maxShares = 262_144;
const minQuotaMicros = 1000;

const sharesOf = (milliCpu: number): number =>
  milliCpu <= 0 ? minShares : Math.min(Math.max(Math.floor((milliCpu * 1024) / 1000), minShares), maxShares);

/** Microseconds per period; 0 means no limit. */
const quotaOf = (milliCpu: number): number =>
  milliCpu <= 0 ? 0 : Math.max(Math.floor((milliCpu * cpuPeriodMicros) / 1000), minQuotaMicros);

const milliOf = (text: string | undefined): number => (text === undefined ? 0 : quantityMillis(text));
const bytesOf = (text: string | undefined): number => (text === undefined ? 0 : quantityValue(text));

/** -997 is killed last, 1000 first. */
function oomScoreOf(spec: PodSpec, container: AnyContainer, nodeMemoryBytes: number): number {
  const qos = qosOf(spec);
  if (qos === "Guaranteed" || spec.priorityClassName === "system-node-critical") return -997;
  if (qos === "BestEffort") return 1000;
  const request = bytesOf(container.resources?.requests?.["memory"]);
  const score = Math.floor(1000 - (1000 * request) / nodeMemoryBytes);
  return Math.min(Math.max(score, 3), 999);
}

export function containerResources(
  spec: PodSpec,
  container: AnyContainer,
  nodeMemoryBytes: number,
): LinuxContainerResources {
  const { requests, limits } = container.resources ?? {};
  const quota = quotaOf(milliOf(limits?.["cpu"]));
  const memory = bytesOf(limits?.["memory"]);
  return {
    cpuShares: sharesOf(milliOf(requests?.["cpu"] ?? limits?.["cpu"])),
    cpuPeriod: cpuPeriodMicros,
    ...(quota > 0 ? { cpuQuota: quota } : {}),
    ...(memory > 0 ? { memoryLimitInBytes: memory } : {}),
    oomScoreAdj: oomScoreOf(spec, container, nodeMemoryBytes),
  };
}

/** Limits of a pod as a whole; undefined where there is none. */
export interface PodLimits {
  readonly qos: QosClass;
  readonly cpuShares: number;
  readonly cpuQuota: number | undefined;
  readonly memoryBytes: number | undefined;
}

/** The largest need at any time: app containers and sidecars together, or one init container with earlier sidecars. */
function podTotal(spec: PodSpec, amount: (resources: ResourceRequirements | undefined) => number): number {
  let together = 0;
  let peak = 0;
  for (const container of spec.initContainers ?? []) {
    if (isSidecar(container)) together += amount(container.resources);
    peak = Math.max(peak, isSidecar(container) ? together : together + amount(container.resources));
  }
  for (const container of spec.containers) together += amount(container.resources);
  return Math.max(peak, together);
}

export function podLimits(spec: PodSpec): PodLimits {
  const { overhead = {}, resources } = spec;
  const everyLimits = (name: string) =>
    [...(spec.initContainers ?? []), ...spec.containers].every((c) => c.resources?.limits?.[name] !== undefined);
  const cpuRequest = podTotal(spec, (r) => milliOf(r?.requests?.["cpu"] ?? r?.limits?.["cpu"]));
  const shares = sharesOf(
    (resources?.requests?.["cpu"] ? milliOf(resources.requests["cpu"]) : cpuRequest) + milliOf(overhead["cpu"]),
  );
  const cpuLimit = resources?.limits?.["cpu"]
    ? milliOf(resources.limits["cpu"])
    : everyLimits("cpu")
      ? podTotal(spec, (r) => milliOf(r?.limits?.["cpu"]))
      : 0;
  const memoryLimit = resources?.limits?.["memory"]
    ? bytesOf(resources.limits["memory"])
    : everyLimits("memory")
      ? podTotal(spec, (r) => bytesOf(r?.limits?.["memory"]))
      : 0;
  return {
    qos: qosOf(spec),
    cpuShares: shares,
    cpuQuota: cpuLimit > 0 ? quotaOf(cpuLimit + milliOf(overhead["cpu"])) : undefined,
    memoryBytes: memoryLimit > 0 ? memoryLimit + bytesOf(overhead["memory"]) : undefined,
  };
}
