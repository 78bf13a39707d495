// Pods of a Job: how they are made, and which to create or delete next.
// Follows kubernetes v1.36 pkg/controller/job/{job_controller.go (manageJob),indexed_job_utils.go,tracking_utils.go}.
import type { Container, PodSpec } from "../../kinds/generated/core.v1.ts";
import { Pod, type Job } from "../../kinds/index.ts";
import type { NewObject } from "../../machinery/object.ts";
import { podFromTemplate } from "../common/pods.ts";
import type { Action } from "../framework/controller.ts";
import { indexAnnotation } from "./indexes.ts";

/** Keeps a finished pod until the Job has counted it. */
export const trackingFinalizer = "batch.kubernetes.io/job-tracking";
const failureCountAnnotation = "batch.kubernetes.io/job-index-failure-count";
const indexVariable = "JOB_COMPLETION_INDEX";

export const isIndexed = (job: Job): boolean => job.spec?.completionMode === "Indexed";
export const isTracked = (pod: Pod): boolean => pod.metadata.finalizers?.includes(trackingFinalizer) ?? false;
export const failuresOf = (pod: Pod): number => Number(pod.metadata.annotations?.[failureCountAnnotation] ?? 0) || 0;

function withIndex<T extends Container>(containers: T[] | undefined): T[] | undefined {
  return containers?.map((container) => {
    if (container.env?.some(({ name }) => name === indexVariable)) return container;
    const fieldRef = { fieldPath: `metadata.labels['${indexAnnotation}']` };
    return { ...container, env: [...(container.env ?? []), { name: indexVariable, valueFrom: { fieldRef } }] };
  });
}

function indexedSpec(job: Job, spec: PodSpec, index: number): PodSpec {
  const initContainers = withIndex(spec.initContainers);
  return {
    ...spec,
    hostname: spec.hostname ?? `${job.metadata.name}-${index}`,
    containers: withIndex(spec.containers)!,
    ...(initContainers ? { initContainers } : {}),
  };
}

/** `failures` counts how often the index failed before. */
function jobPod(job: Job, index: number | undefined, failures: number | undefined): NewObject<Pod> {
  const { template } = job.spec!;
  const pod = podFromTemplate(job, template);
  const metadata = { ...pod.metadata, finalizers: [...(pod.metadata.finalizers ?? []), trackingFinalizer] };
  if (index === undefined) return { ...pod, metadata };
  const annotations = {
    ...metadata.annotations,
    [indexAnnotation]: String(index),
    ...(failures === undefined ? {} : { [failureCountAnnotation]: String(failures) }),
  };
  const labels = { ...metadata.labels, [indexAnnotation]: String(index) };
  const generateName = `${job.metadata.name}-${index}-`;
  return {
    ...pod,
    metadata: { ...metadata, generateName, annotations, labels },
    spec: indexedSpec(job, pod.spec!, index),
  };
}

export const creation = (job: Job, index?: number, failures?: number): Action => ({
  type: "create",
  kind: Pod,
  object: jobPod(job, index, failures),
  announce: job,
});

export const deletion = (job: Job, object: Pod): Action => ({ type: "delete", kind: Pod, object, announce: job });

export function untrack(pod: Pod): Action {
  const finalizers = (pod.metadata.finalizers ?? []).filter((finalizer) => finalizer !== trackingFinalizer);
  const { resourceVersion } = pod.metadata;
  return { type: "patch", kind: Pod, object: pod, patch: { metadata: { finalizers, resourceVersion } } };
}
