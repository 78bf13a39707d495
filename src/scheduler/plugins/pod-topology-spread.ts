// Even spreading over zones, nodes or any other label. Follows kubernetes v1.36
// pkg/scheduler/framework/plugins/podtopologyspread; by default, pods of one controller spread over hosts and zones.
import type { Pod, TopologySpreadConstraint } from "../../kinds/generated/core.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { controllerOf } from "../../machinery/object.ts";
import { matchesLabels } from "../../machinery/selector.ts";
import type { ClusterView, NodeState } from "../cluster-state.ts";
import { podAllowsNode, untolerated } from "../../kinds/core/node-fit.ts";
import { type PodInfo, withKeys } from "../pod-info.ts";
import { nodeGained, reject, rejectForGood, type Plugin } from "../plugin.ts";

interface Constraint {
  readonly topologyKey: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly selectsItself: boolean;
  /** How many of the selected pods are on a node. */
  readonly selectedOn: (node: NodeState) => number;
  readonly counts: (node: NodeState) => boolean;
}

interface Spread {
  readonly constraint: Constraint;
  /** Topology value to the number of selected pods there. */
  readonly domains: ReadonlyMap<string, number>;
  readonly fewest: number;
}

interface State {
  readonly hard: readonly Spread[];
  readonly soft: readonly Spread[];
}

const valueAt = (node: NodeState, key: string): string | undefined => node.node.metadata.labels?.[key];

function constraintOf(pod: Pod, declared: TopologySpreadConstraint): Constraint {
  const selector = withKeys(declared, pod);
  const { topologyKey, maxSkew, minDomains = 1, nodeAffinityPolicy, nodeTaintsPolicy } = declared;
  const selects = ({ metadata }: Pod) =>
    metadata.namespace === pod.metadata.namespace &&
    metadata.deletionTimestamp === undefined &&
    matchesLabels(selector, metadata.labels);
  return {
    topologyKey,
    maxSkew,
    minDomains,
    selectsItself: selects(pod),
    selectedOn(node) {
      let selected = 0;
      for (const other of node.pods) if (selects(other.pod)) selected++;
      return selected;
    },
    counts: ({ node }) =>
      (nodeAffinityPolicy === "Ignore" || podAllowsNode(pod.spec, node)) &&
      (nodeTaintsPolicy !== "Honor" ||
        !untolerated(pod.spec?.tolerations, node.spec?.taints, ["NoSchedule", "NoExecute"])),
  };
}

/** Pods of one controller are best apart: on hosts first, and over zones. */
function defaultConstraints(pod: Pod): Constraint[] {
  const owner = controllerOf(pod)?.uid;
  if (owner === undefined) return [];
  const selectedOn = (node: NodeState) => node.controlledBy(owner);
  const common = {
    minDomains: 1,
    selectsItself: true,
    selectedOn,
    counts: ({ node }: NodeState) => podAllowsNode(pod.spec, node),
  };
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
    hard: measure(hard, cluster),
    soft: declared.length > 0 ? measure(soft, cluster) : each(soft, cluster),
  };
}

/** Only nodes that have the labels of all constraints count. */
function measure(constraints: readonly Constraint[], cluster: ClusterView): Spread[] {
  if (constraints.length === 0) return [];
  const labelled = cluster.nodes.filter((n) => constraints.every((c) => valueAt(n, c.topologyKey) !== undefined));
  return constraints.map((constraint) => spreadOf(constraint, labelled));
}

/** Each constraint by itself: a cluster without zones still spreads over hosts. */
const each = (constraints: readonly Constraint[], cluster: ClusterView): Spread[] =>
  constraints.flatMap((constraint) => measure([constraint], cluster)).filter(({ domains }) => domains.size > 0);

function spreadOf(constraint: Constraint, nodes: readonly NodeState[]): Spread {
  const domains = new Map<string, number>();
  for (const node of nodes) {
    if (!constraint.counts(node)) continue;
    const value = valueAt(node, constraint.topologyKey)!;
    domains.set(value, (domains.get(value) ?? 0) + constraint.selectedOn(node));
  }
  const fewest = domains.size < constraint.minDomains ? 0 : Math.min(...domains.values());
  return { constraint, domains, fewest };
}

const mismatch = "node(s) didn't match pod topology spread constraints";

export const podTopologySpread: Plugin<State> = {
  name: "PodTopologySpread",
  prepare,
  filter(_pod, node, { hard }) {
    for (const { constraint, domains, fewest } of hard) {
      const value = valueAt(node, constraint.topologyKey);
      if (value === undefined) return rejectForGood(`${mismatch} (missing required label)`);
      const skew = (domains.get(value) ?? 0) + (constraint.selectsItself ? 1 : 0) - fewest;
      if (skew > constraint.maxSkew) return reject(mismatch);
    }
    return undefined;
  },
  indifferent: (_pod, { soft }) => soft.length === 0,
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
  normalize(costs) {
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
