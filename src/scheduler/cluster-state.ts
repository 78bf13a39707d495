// Nodes and what runs on them, pods on their way there included. Filters and scores read it; the shell feeds it.
import type { Node, Pod } from "../kinds/generated/core.v1.ts";
import { amountsOf, type Amounts, type Room } from "../kinds/core/node-room.ts";
import { type NamespaceLabels, podInfo, type PodInfo } from "./pod-info.ts";

/** One node with its pods. Mutable: copy it before trying something out. */
export class NodeState implements Room {
  readonly node: Node;
  readonly name: string;
  readonly allocatable: Amounts;
  /** Image name to bytes. */
  readonly images: ReadonlyMap<string, number>;
  readonly #pods = new Map<string, PodInfo>();
  readonly #withAffinity = new Set<PodInfo>();
  readonly #requested = new Map<string, number>();
  readonly #controlled = new Map<string, number>();
  scoringCpuMillis = 0;
  scoringMemoryBytes = 0;

  constructor(node: Node) {
    this.node = node;
    this.name = node.metadata.name;
    this.allocatable = amountsOf(node.status?.allocatable);
    const images = (node.status?.images ?? []).flatMap(({ names = [], sizeBytes = 0 }) =>
      names.map((name) => [name, sizeBytes] as const),
    );
    this.images = new Map(images);
  }

  get pods(): Iterable<PodInfo> {
    return this.#pods.values();
  }

  get podCount(): number {
    return this.#pods.size;
  }

  /** Pods with any affinity or anti-affinity to other pods. */
  get podsWithAffinity(): Iterable<PodInfo> {
    return this.#withAffinity;
  }

  requested(resource: string): number {
    return this.#requested.get(resource) ?? 0;
  }

  /** How many pods of a controller, by its uid, are here to stay. */
  controlledBy(uid: string): number {
    return this.#controlled.get(uid) ?? 0;
  }

  add(info: PodInfo): void {
    this.remove(info.pod.metadata.uid);
    this.#pods.set(info.pod.metadata.uid, info);
    this.#count(info, 1);
    const terms = [info.affinity, info.antiAffinity, info.preferredAffinity, info.preferredAntiAffinity];
    if (terms.some(({ length }) => length > 0)) this.#withAffinity.add(info);
  }

  remove(uid: string): void {
    const info = this.#pods.get(uid);
    if (!info) return;
    this.#pods.delete(uid);
    this.#withAffinity.delete(info);
    this.#count(info, -1);
  }

  /** The same pods on a (newer) node object. */
  copy(node: Node = this.node): NodeState {
    const copy = new NodeState(node);
    for (const info of this.#pods.values()) copy.add(info);
    return copy;
  }

  #countController(uid: string, sign: 1 | -1): void {
    const count = this.controlledBy(uid) + sign;
    if (count > 0) this.#controlled.set(uid, count);
    else this.#controlled.delete(uid);
  }

  #count(info: PodInfo, sign: 1 | -1): void {
    for (const [name, amount] of info.requests) {
      this.#requested.set(name, (this.#requested.get(name) ?? 0) + sign * amount);
    }
    if (info.controller) this.#countController(info.controller, sign);
    this.scoringCpuMillis += sign * info.scoringCpuMillis;
    this.scoringMemoryBytes += sign * info.scoringMemoryBytes;
  }
}

/** What plugins may look at. */
export interface ClusterView {
  readonly nodes: readonly NodeState[];
  node(name: string): NodeState | undefined;
  readonly namespaceLabels: NamespaceLabels;
  /** How many nodes have an image. */
  nodesWithImage(image: string): number;
}

export class ClusterState implements ClusterView {
  readonly namespaceLabels: NamespaceLabels;
  readonly #nodes = new Map<string, NodeState>();
  readonly #images = new Map<string, number>();
  /** Where each pod is, by uid; pods on nodes that are not known wait here for their node. */
  readonly #places = new Map<
    string,
    { readonly info: PodInfo; readonly nodeName: string; readonly assumed: boolean }
  >();
  #list: readonly NodeState[] | undefined;

  constructor(namespaceLabels: NamespaceLabels = () => undefined) {
    this.namespaceLabels = namespaceLabels;
  }

  get nodes(): readonly NodeState[] {
    return (this.#list ??= [...this.#nodes.values()]);
  }

  node(name: string): NodeState | undefined {
    return this.#nodes.get(name);
  }

  nodesWithImage(image: string): number {
    return this.#images.get(image) ?? 0;
  }

  setNode(node: Node): void {
    const { name } = node.metadata;
    const old = this.#nodes.get(name);
    const state = old ? old.copy(node) : new NodeState(node);
    if (!old) {
      for (const { info, nodeName } of this.#places.values()) if (nodeName === name) state.add(info);
    }
    this.#replace(name, state);
  }

  removeNode(name: string): void {
    this.#replace(name, undefined);
  }

  /** Takes in a pod that is bound to a node. */
  setPod(pod: Pod): void {
    this.#place(pod, pod.spec!.nodeName!, false);
  }

  removePod(uid: string): void {
    const place = this.#places.get(uid);
    if (!place) return;
    this.#places.delete(uid);
    this.#nodes.get(place.nodeName)?.remove(uid);
  }

  /** Counts a pod on a node although its binding is not seen yet; `forget` takes it back. */
  assume(pod: Pod, nodeName: string): void {
    this.#place(pod, nodeName, true);
  }

  forget(uid: string): void {
    if (this.#places.get(uid)?.assumed) this.removePod(uid);
  }

  has(uid: string): boolean {
    return this.#places.has(uid);
  }

  #place(pod: Pod, nodeName: string, assumed: boolean): void {
    const { uid } = pod.metadata;
    const old = this.#places.get(uid);
    if (old && old.nodeName !== nodeName) this.removePod(uid);
    const info = podInfo(pod);
    this.#places.set(uid, { info, nodeName, assumed });
    this.#nodes.get(nodeName)?.add(info);
  }

  #replace(name: string, state: NodeState | undefined): void {
    const old = this.#nodes.get(name);
    for (const image of old?.images.keys() ?? []) this.#images.set(image, this.#images.get(image)! - 1);
    for (const image of state?.images.keys() ?? []) this.#images.set(image, (this.#images.get(image) ?? 0) + 1);
    for (const image of old?.images.keys() ?? []) if (this.#images.get(image) === 0) this.#images.delete(image);
    if (state) this.#nodes.set(name, state);
    else this.#nodes.delete(name);
    this.#list = undefined;
  }
}

/** The same cluster with one node in another state. */
export function withNode(cluster: ClusterView, state: NodeState): ClusterView {
  return {
    nodes: cluster.nodes.map((node) => (node.name === state.name ? state : node)),
    node: (name) => (name === state.name ? state : cluster.node(name)),
    namespaceLabels: cluster.namespaceLabels,
    nodesWithImage: (image) => cluster.nodesWithImage(image),
  };
}
