// Which Services need which allocations, and what an update keeps or drops of them.
// Follows kubernetes v1.36 pkg/registry/core/service/strategy.go (patchAllocatedValues, dropTypeDependentFields).
import type { Service, ServicePort, ServiceSpec } from "../../kinds/generated/core.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";

export const needsClusterIp = ({ spec }: Service): boolean => spec?.type !== "ExternalName";

export const needsNodePorts = ({ spec }: Service): boolean =>
  spec?.type === "NodePort" || (spec?.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);

export const needsHealthPort = ({ spec }: Service): boolean =>
  spec?.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";

const mayHaveNodePorts = ({ spec }: Service) => spec?.type === "NodePort" || spec?.type === "LoadBalancer";

/** Address families of a new or changed Service: this cluster has IPv4 for Services. */
export function defaultFamilies(draft: Service): void {
  const spec = draft.spec!;
  if (spec.type === "ExternalName") return;
  const headless = spec.clusterIP === "None";
  if (headless && !spec.clusterIPs?.length) spec.clusterIPs = ["None"];
  const selectorless = headless && Object.keys(spec.selector ?? {}).length === 0;
  const dual = selectorless && spec.ipFamilyPolicy === undefined && !spec.ipFamilies?.length;
  spec.ipFamilyPolicy ??= dual ? "RequireDualStack" : "SingleStack";
  if (!spec.ipFamilies?.length) spec.ipFamilies = dual ? ["IPv4", "IPv6"] : ["IPv4"];
}

const portId = ({ protocol, port }: ServicePort) => `${protocol ?? "TCP"}/${port}`;

/** Keeps allocated values that an update leaves out. */
export function keepAllocated(draft: Service, old: Service): void {
  const spec = draft.spec!;
  const before = old.spec!;
  if (needsClusterIp(old) && needsClusterIp(draft)) {
    if (!spec.clusterIP && before.clusterIP) spec.clusterIP = before.clusterIP;
    // A client that knows only the older of the two fields changed it: what it means is complained about, not that they differ.
    if (spec.clusterIP && spec.clusterIP !== before.clusterIP && deepEqual(spec.clusterIPs, before.clusterIPs)) {
      spec.clusterIPs = [spec.clusterIP];
    }
    if (!spec.clusterIPs?.length && spec.clusterIP === before.clusterIP && before.clusterIPs) {
      spec.clusterIPs = before.clusterIPs;
    }
  }
  if (mayHaveNodePorts(old) && mayHaveNodePorts(draft)) {
    const known = new Map((before.ports ?? []).map((port) => [portId(port), port.nodePort]));
    const used = new Set((spec.ports ?? []).map((port) => port.nodePort));
    for (const port of spec.ports ?? []) {
      const kept = known.get(portId(port));
      if (!port.nodePort && kept && !used.has(kept)) port.nodePort = kept;
    }
  }
  if (needsHealthPort(old) && needsHealthPort(draft) && !spec.healthCheckNodePort && before.healthCheckNodePort) {
    spec.healthCheckNodePort = before.healthCheckNodePort;
  }
}

/** Drops values that the old type needed and the new one does not, unless the client changed them. */
export function dropUnneeded(draft: Service, old: Service): void {
  const spec = draft.spec!;
  const before = old.spec!;
  if (needsClusterIp(old) && !needsClusterIp(draft) && (spec.clusterIP ?? "") === (before.clusterIP ?? "")) {
    drop(spec, "clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy");
  }
  if (mayHaveNodePorts(old) && !mayHaveNodePorts(draft) && deepEqual(nodePortsOf(draft), nodePortsOf(old))) {
    for (const port of spec.ports ?? []) delete port.nodePort;
  }
  if (needsHealthPort(old) && !needsHealthPort(draft) && spec.healthCheckNodePort === before.healthCheckNodePort) {
    drop(spec, "healthCheckNodePort");
  }
  if (before.type === "LoadBalancer" && spec.type !== "LoadBalancer") {
    if (spec.allocateLoadBalancerNodePorts === before.allocateLoadBalancerNodePorts) {
      drop(spec, "allocateLoadBalancerNodePorts");
    }
    if (spec.loadBalancerClass === before.loadBalancerClass) drop(spec, "loadBalancerClass");
  }
  if (
    mayHaveNodePorts(old) &&
    !mayHaveNodePorts(draft) &&
    spec.externalTrafficPolicy === before.externalTrafficPolicy
  ) {
    if (!spec.externalIPs?.length) drop(spec, "externalTrafficPolicy");
  }
}

function drop(spec: ServiceSpec, ...fields: (keyof ServiceSpec)[]): void {
  for (const field of fields) delete spec[field];
}

const nodePortsOf = ({ spec }: Service) => (spec?.ports ?? []).map((port) => [portId(port), port.nodePort ?? 0]);
