// One scheduling decision: filter, score, choose. Pure: reads the cluster, changes nothing.
// Follows kubernetes v1.36 pkg/scheduler/schedule_one.go (schedulePod, numFeasibleNodesToFind, selectHost).
import { type ClusterView, type NodeState, withNode } from "./cluster-state.ts";
import type { PodInfo } from "./pod-info.ts";
import { type AnyPlugin, type Rejection, Unschedulable } from "./plugin.ts";

export interface NodeRejection extends Rejection {
  readonly plugin: string;
}

export interface Failure {
  readonly nodeCount: number;
  /** By node name. */
  readonly rejections: ReadonlyMap<string, NodeRejection>;
  /** Set when the pod fits nowhere, whatever the nodes look like. */
  readonly everywhere?: string;
  /** Names of the plugins that rejected; a change that none of them cares about cannot help. */
  readonly plugins: ReadonlySet<string>;
}

export type Decision =
  | { readonly type: "fits"; readonly node: NodeState; readonly feasible: number }
  | { readonly type: "failed"; readonly failure: Failure };

/** Pods that are promised a node where others make room for them, by node name. */
export type Nominations = (nodeName: string) => readonly PodInfo[];

export interface CycleOptions {
  readonly plugins: readonly AnyPlugin[];
  readonly nominations?: Nominations;
  /** Where in the list of nodes to begin, so that load and ties go round. */
  readonly start?: number;
}

type States = ReadonlyMap<string, unknown>;

/** Works out what each plugin needs to know of the pod. Throws Unschedulable with the plugin's name. */
function prepareAll(info: PodInfo, cluster: ClusterView, plugins: readonly AnyPlugin[]): States {
  const states = new Map<string, unknown>();
  for (const { name, prepare } of plugins) {
    try {
      states.set(name, prepare?.(info, cluster));
    } catch (error) {
      if (error instanceof Unschedulable) throw new RejectedBy(name, error.reason);
      throw error;
    }
  }
  return states;
}

class RejectedBy extends Unschedulable {
  readonly plugin: string;
  constructor(plugin: string, reason: string) {
    super(reason);
    this.plugin = plugin;
  }
}

function filterAll(
  info: PodInfo,
  node: NodeState,
  states: States,
  plugins: readonly AnyPlugin[],
): NodeRejection | undefined {
  for (const { name, filter } of plugins) {
    const rejection = filter?.(info, node, states.get(name));
    if (rejection) return { ...rejection, plugin: name };
  }
  return undefined;
}

/** Whether the pod may run on a node of this cluster, everything worked out anew: for trying out other states of it. */
export function fitsOn(
  info: PodInfo,
  node: NodeState,
  cluster: ClusterView,
  plugins: readonly AnyPlugin[],
): NodeRejection | undefined {
  try {
    return filterAll(info, node, prepareAll(info, cluster, plugins), plugins);
  } catch (error) {
    if (error instanceof RejectedBy) return { reasons: [error.reason], unresolvable: true, plugin: error.plugin };
    throw error;
  }
}

export function findNode(info: PodInfo, cluster: ClusterView, options: CycleOptions): Decision {
  const { plugins, nominations = () => [], start = 0 } = options;
  const { nodes } = cluster;
  const rejections = new Map<string, NodeRejection>();
  const failed = (everywhere?: string, plugin?: string): Decision => {
    const names = new Set([...rejections.values()].map((rejection) => rejection.plugin));
    if (plugin) names.add(plugin);
    const failure = { nodeCount: nodes.length, rejections, plugins: names };
    return { type: "failed", failure: everywhere === undefined ? failure : { ...failure, everywhere } };
  };
  let states: States;
  try {
    states = prepareAll(info, cluster, plugins);
  } catch (error) {
    if (error instanceof RejectedBy) return failed(error.reason, error.plugin);
    throw error;
  }
  const feasible: NodeState[] = [];
  const enough = feasibleNodesToFind(nodes.length);
  for (let i = 0; i < nodes.length && feasible.length < enough; i++) {
    const node = nodes[(start + i) % nodes.length]!;
    const rejection =
      filterAll(info, node, states, plugins) ?? withNominated(info, node, cluster, plugins, nominations(node.name));
    if (rejection) rejections.set(node.name, rejection);
    else feasible.push(node);
  }
  if (feasible.length === 0) return failed();
  const node = feasible.length === 1 ? feasible[0]! : best(info, feasible, states, plugins);
  return { type: "fits", node, feasible: feasible.length };
}

/** A node that suits must still suit when the pods that were promised it have come. */
function withNominated(
  info: PodInfo,
  node: NodeState,
  cluster: ClusterView,
  plugins: readonly AnyPlugin[],
  nominated: readonly PodInfo[],
): NodeRejection | undefined {
  const others = nominated.filter(
    (other) => other.pod.metadata.uid !== info.pod.metadata.uid && other.priority >= info.priority,
  );
  if (others.length === 0) return undefined;
  const crowded = node.copy();
  for (const other of others) crowded.add(other);
  return fitsOn(info, crowded, withNode(cluster, crowded), plugins);
}

/** All of a small cluster; of a large one a part, so that the time per pod does not grow with the nodes. */
export function feasibleNodesToFind(nodeCount: number): number {
  const least = 100;
  if (nodeCount <= least) return nodeCount;
  const percent = Math.max(5, 50 - Math.floor(nodeCount / 125));
  return Math.max(least, Math.floor((nodeCount * percent) / 100));
}

function best(info: PodInfo, nodes: readonly NodeState[], states: States, plugins: readonly AnyPlugin[]): NodeState {
  const totals = scoreAll(info, nodes, states, plugins);
  let winner = 0;
  for (let i = 1; i < totals.length; i++) if (totals[i]! > totals[winner]!) winner = i;
  return nodes[winner]!;
}

function scoreAll(
  info: PodInfo,
  nodes: readonly NodeState[],
  states: States,
  plugins: readonly AnyPlugin[],
): readonly number[] {
  const totals = nodes.map(() => 0);
  for (const { name, indifferent, score, normalize, weight = 1 } of plugins) {
    const state = states.get(name);
    if (!score || indifferent?.(info, state)) continue;
    const raw = nodes.map((node) => score(info, node, state));
    const scores = normalize ? normalize(raw, nodes, state) : raw;
    for (let i = 0; i < totals.length; i++) totals[i]! += weight * Math.floor(scores[i]!);
  }
  return totals;
}
