// Affinity and anti-affinity between pods. Follows kubernetes v1.36 pkg/scheduler/framework/plugins/interpodaffinity.
import { deepEqual } from "../../machinery/equal.ts";
import type { ClusterView, NodeState } from "../cluster-state.ts";
import { type AffinityTerm, podInfo, type PodInfo } from "../pod-info.ts";
import { type ClusterChange, nodeGained, reject, rejectForGood, type Plugin } from "../plugin.ts";

/** Topology value to a count or a weight. */
class Topology {
  readonly #values = new Map<string, number>();

  add(key: string, node: NodeState, amount: number): void {
    const value = node.node.metadata.labels?.[key];
    if (value === undefined) return;
    const id = `${key}\0${value}`;
    this.#values.set(id, (this.#values.get(id) ?? 0) + amount);
  }

  at(key: string, node: NodeState): number {
    const value = node.node.metadata.labels?.[key];
    return value === undefined ? 0 : (this.#values.get(`${key}\0${value}`) ?? 0);
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  /** The sum of everything at a node's own values. */
  sumAt(node: NodeState): number {
    let sum = 0;
    for (const [key, value] of Object.entries(node.node.metadata.labels ?? {})) {
      sum += this.#values.get(`${key}\0${value}`) ?? 0;
    }
    return sum;
  }
}

interface State {
  /** Where existing pods keep the new one away. */
  readonly repelled: Topology;
  /** Where pods are that match all affinity terms of the new one. */
  readonly attracted: Topology;
  /** Where pods are that one of its anti-affinity terms matches. */
  readonly avoided: Topology;
  /** The first pod of a group that wants to be together may go anywhere. */
  readonly matchesItself: boolean;
  readonly preferences: Topology;
}

/** How much an existing pod that must be near a pod like the new one counts for it. */
const hardAffinityWeight = 1;

function prepare(info: PodInfo, cluster: ClusterView): State {
  const matches = (term: AffinityTerm, other: PodInfo) => term.matches(other.pod, cluster.namespaceLabels);
  const state: State = {
    repelled: new Topology(),
    attracted: new Topology(),
    avoided: new Topology(),
    matchesItself: info.affinity.length > 0 && info.affinity.every((term) => matches(term, info)),
    preferences: new Topology(),
  };
  const looksAround = [info.affinity, info.antiAffinity, info.preferredAffinity, info.preferredAntiAffinity];
  const all = looksAround.some(({ length }) => length > 0);
  for (const node of cluster.nodes) {
    for (const other of node.podsWithAffinity) existing(other, node);
    if (all) for (const other of node.pods) incoming(other, node);
  }
  return state;

  function existing(other: PodInfo, node: NodeState): void {
    for (const term of other.antiAffinity) if (matches(term, info)) state.repelled.add(term.topologyKey, node, 1);
    for (const term of other.affinity) {
      if (matches(term, info)) state.preferences.add(term.topologyKey, node, hardAffinityWeight);
    }
    for (const term of other.preferredAffinity) {
      if (matches(term, info)) state.preferences.add(term.topologyKey, node, term.weight);
    }
    for (const term of other.preferredAntiAffinity) {
      if (matches(term, info)) state.preferences.add(term.topologyKey, node, -term.weight);
    }
  }

  function incoming(other: PodInfo, node: NodeState): void {
    if (other.pod.metadata.deletionTimestamp === undefined && info.affinity.length > 0) {
      if (info.affinity.every((term) => matches(term, other))) {
        for (const term of info.affinity) state.attracted.add(term.topologyKey, node, 1);
      }
    }
    for (const term of info.antiAffinity) if (matches(term, other)) state.avoided.add(term.topologyKey, node, 1);
    for (const term of info.preferredAffinity) {
      if (matches(term, other)) state.preferences.add(term.topologyKey, node, term.weight);
    }
    for (const term of info.preferredAntiAffinity) {
      if (matches(term, other)) state.preferences.add(term.topologyKey, node, -term.weight);
    }
  }
}

function attracts(info: PodInfo, node: NodeState, state: State): boolean {
  const { labels } = node.node.metadata;
  if (!info.affinity.every(({ topologyKey }) => labels?.[topologyKey] !== undefined)) return false;
  if (info.affinity.every(({ topologyKey }) => state.attracted.at(topologyKey, node) > 0)) return true;
  return state.attracted.isEmpty && state.matchesItself;
}

const lookElsewhere = (info: PodInfo): boolean => info.affinity.length + info.antiAffinity.length > 0;

function wakes(change: ClusterChange, info: PodInfo): boolean {
  if (change.type === "namespace") return lookElsewhere(info);
  if (nodeGained(change, (old, node) => !deepEqual(old.metadata.labels, node.metadata.labels))) return true;
  if (change.type !== "pod") return false;
  // A pod that came may attract, one that left may have kept this one away, one with other labels may do either.
  const { old, pod } = change;
  if (!old) return info.affinity.length > 0;
  if (!pod) return info.antiAffinity.length > 0 || podInfo(old).antiAffinity.length > 0;
  return !deepEqual(old.metadata.labels, pod.metadata.labels);
}

export const interPodAffinity: Plugin<State> = {
  name: "InterPodAffinity",
  prepare,
  filter(info, node, state) {
    if (!attracts(info, node, state)) return rejectForGood("node(s) didn't match pod affinity rules");
    if (info.antiAffinity.some(({ topologyKey }) => state.avoided.at(topologyKey, node) > 0)) {
      return reject("node(s) didn't match pod anti-affinity rules");
    }
    if (!state.repelled.isEmpty && state.repelled.sumAt(node) > 0)
      return reject("node(s) didn't satisfy existing pods anti-affinity rules");
    return undefined;
  },
  indifferent: (_info, { preferences }) => preferences.isEmpty,
  score: (_info, node, { preferences }) => preferences.sumAt(node),
  normalize(scores) {
    const least = Math.min(...scores);
    const spread = Math.max(...scores) - least;
    return scores.map((score) => (spread === 0 ? 0 : (100 * (score - least)) / spread));
  },
  weight: 2,
  wakes,
};
