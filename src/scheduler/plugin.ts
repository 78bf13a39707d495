// What a scheduler plugin is: pure functions over one pod, one node and what was worked out once for the pod.
import type { Node, Pod } from "../kinds/generated/core.v1.ts";
import type { ClusterView, NodeState } from "./cluster-state.ts";
import type { PodInfo } from "./pod-info.ts";

/** Why a node cannot take a pod. `unresolvable`: evicting other pods would not help. */
export interface Rejection {
  readonly reasons: readonly string[];
  readonly unresolvable?: boolean;
}

export const reject = (...reasons: string[]): Rejection => ({ reasons });
export const rejectForGood = (...reasons: string[]): Rejection => ({ reasons, unresolvable: true });

/** Something happened that may make room for a pod that did not fit. `old` is absent for new ones, the other for gone ones. */
export type ClusterChange =
  | { readonly type: "node"; readonly old?: Node; readonly node?: Node }
  /** A pod on a node. */
  | { readonly type: "pod"; readonly old?: Pod; readonly pod?: Pod }
  /** A claim, volume or storage class. */
  | { readonly type: "volume" }
  | { readonly type: "namespace" };

/** `State` is what `prepare` works out once per pod and attempt. */
export interface Plugin<State = unknown> {
  readonly name: string;
  /** Throws Unschedulable when no node at all can take the pod. */
  readonly prepare?: (pod: PodInfo, cluster: ClusterView) => State;
  readonly filter?: (pod: PodInfo, node: NodeState, state: State) => Rejection | undefined;
  /** True when all nodes would score alike for the pod: then they are not asked. */
  readonly indifferent?: (pod: PodInfo, state: State) => boolean;
  /** Any number; higher is better. Brought to 0…100 by `normalize` (default: taken as it is). */
  readonly score?: (pod: PodInfo, node: NodeState, state: State) => number;
  readonly normalize?: (scores: readonly number[], nodes: readonly NodeState[], state: State) => number[];
  readonly weight?: number;
  /** Whether a change may help a pod that this plugin rejected. */
  readonly wakes: (change: ClusterChange, pod: PodInfo) => boolean;
}

/** The pod fits nowhere, whatever the nodes look like. */
export class Unschedulable extends Error {
  readonly reason: string;
  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

/** The plugin's own type is forgotten where plugins are listed together. */
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyPlugin = Plugin<any>;

/** 0 for the smallest, 100 for the largest; all alike give 0 (or, reversed, 100). */
export function normalizeByMaximum(scores: readonly number[], reverse: boolean): number[] {
  const most = Math.max(0, ...scores);
  return scores.map((score) => {
    const share = most === 0 ? 0 : (100 * score) / most;
    return reverse ? 100 - share : share;
  });
}

/** What of a node changed that scheduling looks at. */
export const nodeGained = (change: ClusterChange, differs: (old: Node, node: Node) => boolean): boolean =>
  change.type === "node" && change.node !== undefined && (change.old === undefined || differs(change.old, change.node));
