// Takes pods off nodes whose NoExecute taints they do not tolerate (any longer).
// Follows kubernetes v1.36 pkg/controller/tainteviction/taint_eviction.go.
import type { Taint, Toleration } from "../../kinds/generated/core.v1.ts";
import { Node, Pod } from "../../kinds/index.ts";
import { formatTime, parseTime } from "../../machinery/clock.ts";
import { keyOf } from "../../machinery/object.ts";
import { tolerates, untolerated } from "../../kinds/core/node-fit.ts";
import {
  defineController,
  event,
  maps,
  nothing,
  patchStatus,
  type Action,
  type Plan,
} from "../framework/controller.ts";
import { evictingTaints } from "./health.ts";
import { podsByNode } from "./lifecycle.ts";

/** When a pod that tolerates the taints has to go: 0 at once, Infinity never. */
export function toleratedUntil(taints: readonly Taint[], tolerations: readonly Toleration[], now: number): number {
  if (taints.length === 0) return Infinity;
  if (untolerated(tolerations, taints, ["NoExecute"])) return 0;
  const added = taints.map(({ timeAdded }) => parseTime(timeAdded)).filter((at) => !Number.isNaN(at));
  const start = added.length > 0 ? Math.min(...added) : now;
  const used = tolerations.filter((toleration) => taints.some((taint) => tolerates(toleration, taint)));
  const seconds = used.map(({ tolerationSeconds }) => tolerationSeconds).filter((time) => time !== undefined);
  return seconds.length > 0 ? start + Math.max(0, Math.min(...seconds)) * 1000 : Infinity;
}

export function decideEviction({ pod, taints }: { pod: Pod; taints: readonly Taint[] }, now: number): Plan {
  const until = toleratedUntil(taints, pod.spec?.tolerations ?? [], now);
  if (until > now) return { actions: [], requeueAfterMs: until === Infinity ? undefined : until - now };
  const { namespace, name } = pod.metadata;
  return {
    actions: [
      disruption(pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", now),
      event(pod, "Normal", "TaintManagerEviction", `Marking for deletion Pod ${namespace}/${name}`),
      { type: "delete", kind: Pod, object: pod },
    ],
  };
}

/** Marks a pod that its owner should not hold its end against. */
export function disruption(pod: Pod, reason: string, message: string, now: number, phase?: string): Action {
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== "DisruptionTarget");
  const condition = { type: "DisruptionTarget", status: "True", reason, message, lastTransitionTime: formatTime(now) };
  return patchStatus(Pod, pod, { conditions: [...others, condition], ...(phase ? { phase } : {}) });
}

export const taintEviction = defineController<{ pod: Pod; taints: readonly Taint[] }>({
  name: "taint-eviction-controller",
  primary: Pod,
  watches: [
    maps(Node, (node, caches) =>
      evictingTaints(node).length > 0 ? caches.of(Pod).byIndex("node", node.metadata.name).map(keyOf) : [],
    ),
  ],
  indexes: [podsByNode],
  observe(key, caches) {
    const pod = caches.of(Pod).get(key);
    if (!pod?.spec?.nodeName || pod.metadata.deletionTimestamp) return undefined;
    const node = caches.of(Node).get(pod.spec.nodeName);
    return node && { pod, taints: evictingTaints(node) };
  },
  decide: (observed, now) => (observed.taints.length > 0 ? decideEviction(observed, now) : nothing),
});
