// Questions about pods that several controllers ask, and pods made from templates.
// Follows kubernetes v1.36 pkg/api/v1/pod/util.go (readiness, availability).
import { isFinished } from "../../kinds/core/node-room.ts";
import type { PodTemplateSpec } from "../../kinds/generated/core.v1.ts";
import type { Pod } from "../../kinds/index.ts";
import { parseTime } from "../../machinery/clock.ts";
import { controllerReference, type KubeObject, type NewObject } from "../../machinery/object.ts";

export const podCondition = (pod: Pod, type: string) =>
  pod.status?.conditions?.find((condition) => condition.type === type);

export const isReady = (pod: Pod): boolean => podCondition(pod, "Ready")?.status === "True";

export const isTerminating = ({ metadata }: KubeObject): boolean => metadata.deletionTimestamp !== undefined;

/** Counts for its owner: neither finished nor on its way out. */
export const isActive = (pod: Pod): boolean => !isFinished(pod) && !isTerminating(pod);

/** Milliseconds until the pod has been ready for `minReadySeconds`; 0 when it has, undefined when it is not ready. */
function untilAvailable(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  if (!isReady(pod)) return undefined;
  const since = parseTime(podCondition(pod, "Ready")?.lastTransitionTime);
  if (minReadySeconds === 0) return 0;
  return Number.isNaN(since) ? undefined : Math.max(0, since + minReadySeconds * 1000 - now);
}

export const isAvailable = (pod: Pod, minReadySeconds: number, now: number): boolean =>
  untilAvailable(pod, minReadySeconds, now) === 0;

/** The soonest moment at which one more pod becomes available, as a delay in milliseconds. */
export function nextAvailability(pods: readonly Pod[], minReadySeconds: number, now: number): number | undefined {
  return soonest(pods.map((pod) => untilAvailable(pod, minReadySeconds, now) || undefined));
}

/** The smallest of the given delays. */
export function soonest(delays: readonly (number | undefined)[]): number | undefined {
  const known = delays.filter((delay) => delay !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

/** A pod as the template says, controlled by the owner; the caller adds a name if it must have a certain one. */
export function podFromTemplate(owner: KubeObject, template: PodTemplateSpec): NewObject<Pod> {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      generateName: `${owner.metadata.name}-`,
      namespace: owner.metadata.namespace!,
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(finalizers ? { finalizers } : {}),
      ownerReferences: [controllerReference(owner)],
    },
    ...(template.spec ? { spec: template.spec } : {}),
  };
}
