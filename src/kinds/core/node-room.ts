// Whether a node has room for a pod: requests against what is allocatable, host ports against those that are taken.
// Follows kubernetes v1.36 pkg/scheduler/framework/plugins (noderesources/fit.go, nodeports).
import { quantityMillis, quantityValue } from "../../machinery/quantity.ts";
import type { Pod } from "../generated/core.v1.ts";
import { isSidecar, podRequests } from "./pod/resources.ts";

/** Resource name to amount: CPU in thousandths, everything else in its own unit. What is 0 is absent. */
export type Amounts = ReadonlyMap<string, number>;

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** What a pod takes of its node. */
export interface Demand {
  readonly requests: Amounts;
  readonly hostPorts: readonly HostPort[];
}

export const demandOf = (pod: Pod): Demand => ({
  requests: amountsOf(podRequests(pod)),
  hostPorts: hostPortsOf(pod),
});

export function amountsOf(resources: Readonly<Record<string, string>> | undefined): Amounts {
  const amounts = new Map<string, number>();
  for (const [name, quantity] of Object.entries(resources ?? {})) {
    const amount = name === "cpu" ? quantityMillis(quantity) : quantityValue(quantity);
    if (amount > 0) amounts.set(name, amount);
  }
  return amounts;
}

const hostPortsOf = ({ spec }: Pod): HostPort[] =>
  [...(spec?.initContainers ?? []).filter(isSidecar), ...(spec?.containers ?? [])]
    .flatMap(({ ports = [] }) => ports)
    .filter(({ hostPort }) => hostPort)
    .map(({ hostIP, protocol, hostPort }) => ({
      ip: hostIP || "0.0.0.0",
      protocol: protocol ?? "TCP",
      port: hostPort!,
    }));

const samePort = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === "0.0.0.0" || b.ip === "0.0.0.0");

export const portsCollide = (some: readonly HostPort[], others: readonly HostPort[]): boolean =>
  some.some((one) => others.some((other) => samePort(one, other)));

/** A node as its pods fill it. */
export interface Room {
  readonly allocatable: Amounts;
  readonly podCount: number;
  /** By all its pods together. */
  requested(resource: string): number;
}

export interface Shortage {
  /** `pods` where the node has as many as it may. */
  readonly resource: string;
  readonly requested: number;
  readonly used: number;
  readonly capacity: number;
}

/** What the node has too little of for one more pod. */
export function shortages(requests: Amounts, room: Room): Shortage[] {
  const short: Shortage[] = [];
  const check = (resource: string, requested: number, used: number) => {
    const capacity = room.allocatable.get(resource) ?? 0;
    if (requested > capacity - used) short.push({ resource, requested, used, capacity });
  };
  check("pods", 1, room.podCount);
  for (const [resource, amount] of requests) check(resource, amount, room.requested(resource));
  return short;
}

/** A pod that has ended takes nothing of its node. */
export const isFinished = (pod: Pod): boolean => pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
