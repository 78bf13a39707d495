// Whether the node takes a pod that is bound to it: the scheduler's questions once more, for pods that came past it.
// Follows kubernetes v1.36 pkg/kubelet/lifecycle/predicate.go (Admit, generalFilter).
import { podAllowsNode, untolerated } from "../../kinds/core/node-fit.ts";
import {
  type Amounts,
  amountsOf,
  type Demand,
  demandOf,
  portsCollide,
  type Shortage,
  shortages,
} from "../../kinds/core/node-room.ts";
import type { Node, Pod, PodSpec } from "../../kinds/generated/core.v1.ts";
import { specOf } from "./model.ts";

/** What status and event of a refused pod say. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

const predicate = (name: string, why: string): Refusal => ({
  reason: name,
  message: `Predicate ${name} failed: ${why}`,
});

/** Why the node cannot take the pod beside the `others`; undefined when it can. */
export function admit(pod: Pod, others: readonly Pod[], node: Node): Refusal | undefined {
  const spec = specOf(pod);
  const os = node.status?.nodeInfo?.operatingSystem ?? "linux";
  if ((pod.metadata.labels?.["kubernetes.io/os"] ?? os) !== os) {
    const message = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label";
    return { reason: "PodOSSelectorNodeLabelDoesNotMatch", message };
  }
  if ((spec.os?.name ?? os) !== os)
    return { reason: "PodOSNotSupported", message: "Failed to admit pod as the OS field doesn't match node OS" };
  const demand = demandOnNode(pod);
  const demands = others.map(demandOnNode);
  const short = firstShortage(demand, demands, amountsOf(node.status?.allocatable));
  if (short) return outOf(short);
  if (!podAllowsNode(spec, node)) return predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
  if (demands.some(({ hostPorts }) => portsCollide(hostPorts, demand.hostPorts)))
    return predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports");
  if (untolerated(spec.tolerations, node.spec?.taints, ["NoExecute"]))
    return predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate");
  return undefined;
}

const known = new WeakMap<PodSpec, Demand>();

function demandOnNode(pod: Pod): Demand {
  const spec = specOf(pod);
  let demand = known.get(spec);
  if (!demand) known.set(spec, (demand = demandOf(pod)));
  return demand;
}

/** Resources of others' making that the node does not know are no concern of the kubelet. */
const isForeign = (resource: string): boolean => resource.includes("/") && !resource.includes("kubernetes.io/");

/** Which shortage is told of, where there are several. */
const order = ["pods", "cpu", "memory", "ephemeral-storage"];

function firstShortage({ requests }: Demand, others: readonly Demand[], allocatable: Amounts): Shortage | undefined {
  const requested = (resource: string) => others.reduce((sum, other) => sum + (other.requests.get(resource) ?? 0), 0);
  const ours = new Map([...requests].filter(([name]) => allocatable.has(name) || !isForeign(name)));
  const short = shortages(ours, { allocatable, podCount: others.length, requested });
  return order.map((name) => short.find(({ resource }) => resource === name)).find(Boolean) ?? short[0];
}

const outOf = ({ resource, requested, used, capacity }: Shortage): Refusal => ({
  reason: `OutOf${resource}`,
  message: `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
});
