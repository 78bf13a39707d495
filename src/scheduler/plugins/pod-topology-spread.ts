// Even spreading over zones, nodes or any other label. Follows kubernetes v1.36
// pkg/scheduler/framework/plugins/podtopologyspread; by default, pods of one controller spread over hosts and zones.
import type { Pod, TopologySpreadConstraint } from "../../kinds/generated/core.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { controllerOf } from "../../machinery/object.ts";
import { matchesLabels } from "../../machinery/selector.ts";
import type { ClusterView, NodeState } from "../cluster-state.ts";
import { podAllowsNode } from "../node-selector.ts";
import { type PodInfo, withKeys } from "../pod-info.ts";
import { nodeGained, reject, rejectForGood, type Plugin } from "../plugin.ts";
import { untolerated } from "../taints.ts";

interface Constraint {
  readonly topologyKey: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly selects: (other: Pod) => boolean;
  readonly counts: (node: NodeState) => boolean;
}

interface Spread {
  readonly constraint: Constraint;
  /** Topology value to the number of selected pods there. */
  readonly domains: ReadonlyMap<string, number>;
  readonly fewest: number;
  readonly selectsItself: boolean;
}

interface State {
  readonly hard: readonly Spread[];
  readonly soft: readonly Spread[];
}

const valueAt = (node: NodeState, key: string): string | undefined => node.node.metadata.labels?.[key];

function constraintOf(pod: Pod, declared: TopologySpreadConstraint): Constraint {
  const selector = withKeys(declared, pod);
  const { topologyKey, maxSkew, minDomains = 1, nodeAffinityPolicy, nodeTaintsPolicy } = declared;
  return {
    topologyKey,
    maxSkew,
    minDomains,
    selects: (other) =>
      other.metadata.namespace === pod.metadata.namespace &&
      other.metadata.deletionTimestamp === undefined &&
      matchesLabels(selector, other.metadata.labels),
    counts: ({ node }) =>
      (nodeAffinityPolicy === "Ignore" || podAllowsNode(pod, node)) &&
      (nodeTaintsPolicy !== "Honor" || !untolerated(pod, node.spec?.taints, ["NoSchedule", "NoExecute"])),
  };
}

/** Pods of one controller are best apart: on hosts first, and over zones. */
function defaultConstraints(pod: Pod): Constraint[] {
  const owner = controllerOf(pod)?.uid;
  if (owner === undefined) return [];
  const selects = (other: Pod) => other.metadata.deletionTimestamp === undefined && controllerOf(other)?.uid === owner;
  const common = { minDomains: 1, selects, counts: ({ node }: NodeState) => podAllowsNode(pod, node) };
  return [
    { ...common, topologyKey: "kubernetes.io/hostname", maxSkew: 3 },
    { ...common, topologyKey: "topology.kubernetes.io/zone", maxSkew: 5 },
  ];
}

function prepare({ pod }: PodInfo, cluster: ClusterView): State {
  const declared = pod.spec?.topologySpreadConstraints ?? [];
  const of = (when: string) => declared.filter((c) => c.whenUnsatisfiable === when).map((c) => constraintOf(pod, c));
  const hard = of("DoNotSchedule");
  const soft = declared.length > 0 ? of("ScheduleAnyway") : defaultConstraints(pod);
  return {
    hard: measure(pod, hard, cluster),
    soft: declared.length > 0 ? measure(pod, soft, cluster) : each(pod, soft, cluster),
  };
}

/** Only nodes that have the labels of all constraints count. */
function measure(pod: Pod, constraints: readonly Constraint[], cluster: ClusterView): Spread[] {
  if (constraints.length === 0) return [];
  const labelled = cluster.nodes.filter((n) => constraints.every((c) => valueAt(n, c.topologyKey) !== undefined));
  return constraints.map((constraint) => spreadOf(pod, constraint, labelled));
}

/** Each constraint by itself: a cluster without zones still spreads over hosts. */
const each = (pod: Pod, constraints: readonly Constraint[], cluster: ClusterView): Spread[] =>
  constraints.flatMap((constraint) => measure(pod, [constraint], cluster)).filter(({ domains }) => domains.size > 0);

function spreadOf(pod: Pod, constraint: Constraint, nodes: readonly NodeState[]): Spread {
  const domains = new Map<string, number>();
  for (const node of nodes) {
    if (!constraint.counts(node)) continue;
    const value = valueAt(node, constraint.topologyKey)!;
    let selected = 0;
    for (const other of node.pods) if (constraint.selects(other.pod)) selected++;
    domains.set(value, (domains.get(value) ?? 0) + selected);
  }
  const fewest = domains.size < constraint.minDomains ? 0 : Math.min(...domains.values());
  return { constraint, domains, fewest, selectsItself: constraint.selects(pod) };
}

const mismatch = "node(s) didn't match pod topology spread constraints";

export const podTopologySpread: Plugin<State> = {
  name: "PodTopologySpread",
  prepare,
  filter(_pod, node, { hard }) {
    for (const { constraint, domains, fewest, selectsItself } of hard) {
      const value = valueAt(node, constraint.topologyKey);
      if (value === undefined) return rejectForGood(`${mismatch} (missing required label)`);
      const skew = (domains.get(value) ?? 0) + (selectsItself ? 1 : 0) - fewest;
      if (skew > constraint.maxSkew) return reject(mismatch);
    }
    return undefined;
  },
  /** The fuller the node's domains, the higher; `normalize` turns it round. Nodes without the labels are last. */
  score(_pod, node, { soft }) {
    let cost = 0;
    for (const { constraint, domains } of soft) {
      const value = valueAt(node, constraint.topologyKey);
      if (value === undefined) return Number.NaN;
      cost += (domains.get(value) ?? 0) * Math.log(domains.size + 2) + (constraint.maxSkew - 1);
    }
    return cost;
  },
  normalize(costs, _nodes, { soft }) {
    if (soft.length === 0) return costs.map(() => 0);
    const known = costs.filter((cost) => !Number.isNaN(cost));
    const most = Math.max(...known);
    const least = Math.min(...known);
    return costs.map((cost) => (Number.isNaN(cost) ? 0 : most === 0 ? 100 : (100 * (most + least - cost)) / most));
  },
  weight: 2,
  wakes: (change, { pod }) => {
    if (change.type === "pod") {
      const seen = change.pod ?? change.old!;
      const changed = !change.old || !change.pod || !deepEqual(change.old.metadata.labels, change.pod.metadata.labels);
      return changed && seen.metadata.namespace === pod.metadata.namespace;
    }
    if (change.type === "node" && !change.node) return true;
    return nodeGained(change, (old, node) => !deepEqual(old.metadata.labels, node.metadata.labels));
  },
};
