// What a pod asks for and may use in all: containers side by side, init containers one after another, sidecars on top.
// Follows kubernetes v1.36 component-helpers/resource/helpers.go (PodRequests, PodLimits).
import { addQuantities, compareQuantities } from "../../../machinery/quantity.ts";
import type { Container, Pod, PodSpec } from "../../generated/core.v1.ts";

/** Resource name to quantity. */
export type ResourceList = Record<string, string>;

/** Adds up, resource by resource. */
function sumResources(...lists: readonly (ResourceList | undefined)[]): ResourceList {
  const out: ResourceList = {};
  for (const list of lists) {
    for (const name in list) {
      const amount = list[name]!;
      const before = out[name];
      out[name] = before === undefined ? amount : addQuantities(before, amount);
    }
  }
  return out;
}

function largest(a: ResourceList, b: ResourceList): ResourceList {
  const out = { ...a };
  for (const name in b) {
    const before = out[name];
    if (before === undefined || compareQuantities(before, b[name]!) < 0) out[name] = b[name]!;
  }
  return out;
}

/** An init container that keeps running beside the others. */
export const isSidecar = (container: Container): boolean => container.restartPolicy === "Always";

/** Requests or limits of all containers together, without pod-level resources and overhead. */
export function containerResources(spec: PodSpec, which: "requests" | "limits"): ResourceList {
  let total = sumResources(...(spec.containers ?? []).map((container) => container.resources?.[which]));
  let sidecars: ResourceList = {};
  let starting: ResourceList = {};
  for (const container of spec.initContainers ?? []) {
    const own = container.resources?.[which] ?? {};
    if (isSidecar(container)) {
      total = sumResources(total, own);
      sidecars = sumResources(sidecars, own);
      starting = largest(starting, sidecars);
    } else {
      starting = largest(starting, sumResources(sidecars, own));
    }
  }
  return largest(total, starting);
}

/** Resources that may be given for the pod as a whole. */
export const isPodLevelResource = (name: string): boolean =>
  name === "cpu" || name === "memory" || name.startsWith("hugepages-");

function effective(pod: Pod, which: "requests" | "limits"): ResourceList {
  const spec = pod.spec;
  if (!spec) return {};
  const total = { ...containerResources(spec, which), ...spec.resources?.[which] };
  const overhead = spec.overhead ?? {};
  if (which === "requests") return sumResources(total, overhead);
  // A resource without a limit stays without one.
  for (const name in overhead) if (total[name] !== undefined) total[name] = addQuantities(total[name], overhead[name]!);
  return total;
}

/** What the scheduler reserves for the pod. */
export const podRequests = (pod: Pod): ResourceList => effective(pod, "requests");

/** The most that the pod may use; resources without a limit are absent. */
export const podLimits = (pod: Pod): ResourceList => effective(pod, "limits");
