// Watches over nodes: a silent one becomes Unknown, and taints say to the scheduler and to the evictor how it is.
// Follows kubernetes v1.36 pkg/controller/nodelifecycle/node_lifecycle_controller.go (tryUpdateNodeHealth, doNoScheduleTaintingPass).
import type { NodeCondition, Taint } from "../../kinds/generated/core.v1.ts";
import { Lease, Node, Pod } from "../../kinds/index.ts";
import { formatTime, parseTime } from "../../machinery/clock.ts";
import { semanticEqual } from "../../machinery/equal.ts";
import { podCondition } from "../common/pods.ts";
import {
  defineController,
  event,
  patchStatus,
  type Action,
  type Controller,
  type Index,
  type Plan,
} from "../framework/controller.ts";
import { conditionOf } from "./health.ts";

export interface NodeObserved {
  readonly node: Node;
  readonly lease: Lease | undefined;
  readonly pods: readonly Pod[];
  /** Since when anybody listens: heartbeats missed before that are no node's fault. */
  readonly listeningSince: number;
}

const leaseNamespace = "kube-node-lease";
/** A node that has been silent for so long is Unknown. */
const graceMs = 50_000;
/** New nodes get longer for their first word. */
const startupGraceMs = 60_000;

const prefix = "node.kubernetes.io/";
const reported = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] as const;

/** The taint of a condition by its status; other statuses have none. */
const conditionTaints: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: "not-ready", Unknown: "unreachable" },
  MemoryPressure: { True: "memory-pressure" },
  DiskPressure: { True: "disk-pressure" },
  PIDPressure: { True: "pid-pressure" },
  NetworkUnavailable: { True: "network-unavailable" },
};

const managed = new Set(
  [...Object.values(conditionTaints).flatMap((row) => Object.values(row)), "unschedulable"].map(
    (name) => prefix + name,
  ),
);

/** The taints the node should have: its own, and those of its conditions. An evicting one says since when it is there. */
export function taintsOf(node: Node, now: number): Taint[] {
  const known = node.spec?.taints ?? [];
  const wanted: Taint[] = [];
  for (const [type, row] of Object.entries(conditionTaints)) {
    const name = row[conditionOf(node, type)?.status ?? ""];
    if (!name) continue;
    wanted.push({ key: prefix + name, effect: "NoSchedule" });
    if (type === "Ready") wanted.push({ key: prefix + name, effect: "NoExecute" });
  }
  if (node.spec?.unschedulable) wanted.push({ key: `${prefix}unschedulable`, effect: "NoSchedule" });
  const same = (a: Taint, b: Taint) => a.key === b.key && a.effect === b.effect;
  const kept = known.filter((taint) => !managed.has(taint.key) || wanted.some((other) => same(taint, other)));
  const all = [...kept, ...wanted.filter((taint) => !kept.some((other) => same(taint, other)))];
  return all.map((taint) =>
    taint.effect === "NoExecute" && !taint.timeAdded ? { ...taint, timeAdded: formatTime(now) } : taint,
  );
}

/** Milliseconds until the node counts as silent; 0 or less when it does. */
function untilSilent({ node, lease, listeningSince }: NodeObserved, now: number): number {
  const ready = conditionOf(node, "Ready");
  const created = parseTime(node.metadata.creationTimestamp);
  const heard = [parseTime(lease?.spec?.renewTime), parseTime(ready?.lastHeartbeatTime)].filter(
    (at) => !Number.isNaN(at),
  );
  return heard.length > 0
    ? Math.max(listeningSince, ...heard) + graceMs - now
    : Math.max(listeningSince, created) + startupGraceMs - now;
}

function silentConditions(node: Node, now: number): NodeCondition[] {
  const time = formatTime(now);
  const known = node.status?.conditions ?? [];
  const unknown = reported.map((type): NodeCondition => {
    const before = conditionOf(node, type);
    if (before?.status === "Unknown") return before;
    const reason = before ? "NodeStatusUnknown" : "NodeStatusNeverUpdated";
    const message = before ? "Kubelet stopped posting node status." : "Kubelet never posted node status.";
    return {
      lastHeartbeatTime: before?.lastHeartbeatTime ?? node.metadata.creationTimestamp,
      type,
      status: "Unknown",
      reason,
      message,
      lastTransitionTime: time,
    };
  });
  return [...known.filter(({ type }) => !reported.some((other) => other === type)), ...unknown];
}

export function decideNode(observed: NodeObserved, now: number): Plan {
  const { node, pods } = observed;
  const left = untilSilent(observed, now);
  const actions: Action[] = [];
  const ready = conditionOf(node, "Ready");
  const fallsSilent = left <= 0 && ready?.status !== "Unknown";
  const conditions = fallsSilent ? silentConditions(node, now) : node.status?.conditions;
  if (fallsSilent) actions.push(patchStatus(Node, node, { conditions }));
  const judged: Node = conditions ? { ...node, status: { ...node.status, conditions } } : node;
  const taints = taintsOf(judged, now);
  if (!semanticEqual(taints, node.spec?.taints)) {
    const metadata = { resourceVersion: node.metadata.resourceVersion };
    const patch: Action = { type: "patch", kind: Node, object: node, patch: { metadata, spec: { taints } } };
    // The taint goes first: its precondition is the version that was looked at.
    actions.unshift(patch);
  }
  if (conditionOf(judged, "Ready")?.status !== "True") actions.push(...unreadyPods(node, pods, now));
  return { actions, requeueAfterMs: left > 0 ? left + 1000 : undefined };
}

/** Pods on a node that is not ready are not ready either: no traffic should go there. */
function unreadyPods(node: Node, pods: readonly Pod[], now: number): Action[] {
  const affected = pods.filter((pod) => podCondition(pod, "Ready")?.status === "True");
  if (affected.length === 0) return [];
  const lastTransitionTime = formatTime(now);
  const writes = affected.map((pod): Action => {
    const conditions = pod.status!.conditions!.map((condition) =>
      condition.type === "Ready" ? { ...condition, status: "False", lastTransitionTime } : condition,
    );
    return patchStatus(Pod, pod, { conditions });
  });
  const message = `Node ${node.metadata.name} status is now: NodeNotReady`;
  return [event(node, "Normal", "NodeNotReady", message), ...writes];
}

export const podsByNode: Index = {
  kind: Pod,
  name: "node",
  valuesOf: ({ spec }: Pod) => (spec?.nodeName ? [spec.nodeName] : []),
};

/** Heartbeats wake nobody: each node is looked at when its last known one runs out. */
export const nodeLifecycle = (listeningSince: number): Controller =>
  defineController<NodeObserved>({
    name: "node-controller",
    primary: Node,
    watches: [],
    reads: [Lease, Pod],
    indexes: [podsByNode],
    observe(key, caches) {
      const node = caches.of(Node).get(key);
      if (!node || node.metadata.deletionTimestamp) return undefined;
      const lease = caches.of(Lease).get(`${leaseNamespace}/${key}`);
      return { node, lease, pods: caches.of(Pod).byIndex("node", key), listeningSince };
    },
    decide: decideNode,
  });
