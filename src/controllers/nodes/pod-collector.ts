// Removes pods that nobody else will: on nodes that are gone, deleted before they had a node, and the oldest finished ones.
// Follows kubernetes v1.36 pkg/controller/podgc/gc_controller.go.
import { Node, Pod } from "../../kinds/index.ts";
import { parseTime } from "../../machinery/clock.ts";
import { keyOf } from "../../machinery/object.ts";
import { isFinished } from "../../kinds/core/node-room.ts";
import { isTerminating } from "../common/pods.ts";
import { defineController, maps, nothing, type Action, type Plan } from "../framework/controller.ts";
import { disruption } from "./eviction.ts";
import { podsByNode } from "./lifecycle.ts";

export interface LostPodObserved {
  readonly pod: Pod;
  readonly nodeExists: boolean;
}

/** A node may come back (registered anew) within this time. */
const quarantineMs = 40_000;
const finishedThreshold = 12_500;

const remove = (pod: Pod): Action => ({ type: "delete", kind: Pod, object: pod, gracePeriodSeconds: 0 });

/** `missingSince` says when the node was first seen missing. */
export function decideLostPod({ pod, nodeExists }: LostPodObserved, missingSince: number, now: number): Plan {
  if (!pod.spec?.nodeName) return isTerminating(pod) ? { actions: [remove(pod)] } : nothing;
  if (nodeExists) return nothing;
  const left = missingSince + quarantineMs - now;
  if (left > 0) return { actions: [], requeueAfterMs: left };
  const failing = disruption(pod, "DeletionByPodGC", "PodGC: node no longer exists", now, "Failed");
  return { actions: [...(isFinished(pod) ? [] : [failing]), remove(pod)] };
}

/** One per process: the time at which each node was first missed is no fact of the API. */
export function lostPods() {
  const missing = new Map<string, number>();
  return defineController<LostPodObserved>({
    name: "pod-garbage-collector-controller",
    primary: Pod,
    watches: [maps(Node, (node, caches) => caches.of(Pod).byIndex("node", node.metadata.name).map(keyOf))],
    indexes: [podsByNode],
    observe(key, caches) {
      const pod = caches.of(Pod).get(key);
      if (!pod) return undefined;
      const node = pod.spec?.nodeName;
      const nodeExists = node !== undefined && caches.of(Node).get(node) !== undefined;
      if (node && nodeExists) missing.delete(node);
      return { pod, nodeExists };
    },
    decide(observed, now) {
      const node = observed.pod.spec?.nodeName;
      if (node && !observed.nodeExists && !missing.has(node)) missing.set(node, now);
      return decideLostPod(observed, missing.get(node ?? "") ?? now, now);
    },
  });
}

/** The oldest finished pods beyond the threshold. */
export function surplusFinished(pods: readonly Pod[], threshold: number): Pod[] {
  const finished = pods.filter((pod) => isFinished(pod) && !isTerminating(pod));
  if (finished.length <= threshold) return [];
  const age = ({ metadata }: Pod) => parseTime(metadata.creationTimestamp);
  return finished.sort((a, b) => age(a) - age(b)).slice(0, finished.length - threshold);
}

const finishedIndex = { kind: Pod, name: "finished", valuesOf: (pod: Pod) => (isFinished(pod) ? [""] : []) };

export const finishedPods = defineController<readonly Pod[]>({
  name: "finished-pods-controller",
  watches: [maps(Pod, (pod) => (isFinished(pod) ? ["all"] : []))],
  indexes: [finishedIndex],
  observe: (_key, caches) => caches.of(Pod).byIndex(finishedIndex.name, ""),
  decide: (pods) => ({ actions: surplusFinished(pods, finishedThreshold).map(remove) }),
});
