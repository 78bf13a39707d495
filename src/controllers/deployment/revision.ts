// Which ReplicaSet is the current one, and the annotations that number and size the revisions.
// Follows kubernetes v1.36 pkg/controller/deployment/util/deployment_util.go (annotations, revision history, template hash).
import type { PodTemplateSpec } from "../../kinds/generated/core.v1.ts";
import { ReplicaSet, type Deployment } from "../../kinds/index.ts";
import { semanticEqual } from "../../machinery/equal.ts";
import { stableHash } from "../../machinery/hash.ts";
import { controllerReference, type NewObject } from "../../machinery/object.ts";
import { maxSurge, replicasOf } from "./size.ts";

const hashLabel = "pod-template-hash";
export const revisionAnnotation = "deployment.kubernetes.io/revision";
const revisionHistoryAnnotation = "deployment.kubernetes.io/revision-history";
export const desiredReplicasAnnotation = "deployment.kubernetes.io/desired-replicas";
export const maxReplicasAnnotation = "deployment.kubernetes.io/max-replicas";
const longestHistory = 2000;

const notCopied = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  "deprecated.deployment.rollback.to",
  revisionAnnotation,
  revisionHistoryAnnotation,
  desiredReplicasAnnotation,
  maxReplicasAnnotation,
]);

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  if (template?.metadata?.labels?.[hashLabel] === undefined) return template;
  const { [hashLabel]: _, ...labels } = template.metadata.labels;
  return { ...template, metadata: { ...template.metadata, labels } };
}

const sameTemplate = (a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean =>
  semanticEqual(withoutHash(a), withoutHash(b));

const byAge = (a: ReplicaSet, b: ReplicaSet): number =>
  a.metadata.creationTimestamp.localeCompare(b.metadata.creationTimestamp) ||
  (a.metadata.name < b.metadata.name ? -1 : 1);

/** Oldest first. */
export const oldestFirst = (sets: readonly ReplicaSet[]): ReplicaSet[] => [...sets].sort(byAge);

/** The oldest ReplicaSet that has the deployment's template. */
export const findNewSet = (deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined =>
  oldestFirst(sets).find((set) => sameTemplate(set.spec?.template, deployment.spec?.template));

/** A 64-bit number, as the annotation may come from anywhere. */
export function revisionOf(set: ReplicaSet): bigint {
  const text = set.metadata.annotations?.[revisionAnnotation] ?? "";
  return /^\d{1,19}$/.test(text) ? BigInt(text) : 0n;
}

/** Number of the revision that the current template has or gets. */
export const nextRevision = (oldSets: readonly ReplicaSet[]): bigint =>
  oldSets.map(revisionOf).reduce((last, revision) => (revision > last ? revision : last), 0n) + 1n;

export const sizeAnnotations = (deployment: Deployment): Record<string, string> => ({
  [desiredReplicasAnnotation]: String(replicasOf(deployment)),
  [maxReplicasAnnotation]: String(replicasOf(deployment) + maxSurge(deployment)),
});

function copiedAnnotations(deployment: Deployment): Record<string, string> {
  const all = Object.entries(deployment.metadata.annotations ?? {});
  return Object.fromEntries(all.filter(([key]) => !notCopied.has(key)));
}

/** The annotations of the current ReplicaSet: the deployment's own, the revision and those it had before. */
export function currentSetAnnotations(
  deployment: Deployment,
  set: ReplicaSet,
  revision: bigint,
): Record<string, string> {
  const annotations = { ...set.metadata.annotations, ...copiedAnnotations(deployment) };
  const before = revisionOf(set);
  if (before >= revision) return annotations;
  annotations[revisionAnnotation] = String(revision);
  if (before > 0n) {
    const history = [...(annotations[revisionHistoryAnnotation]?.split(",") ?? []), String(before)];
    while (history.length > 1 && history.join(",").length > longestHistory) history.shift();
    annotations[revisionHistoryAnnotation] = history.join(",");
  }
  return annotations;
}

export const newSetName = (deployment: Deployment): string =>
  `${deployment.metadata.name}-${stableHash(deployment.spec?.template, deployment.status?.collisionCount)}`;

/** The ReplicaSet of a template that has none yet. */
export function newSet(deployment: Deployment, revision: bigint, replicas: number): NewObject<ReplicaSet> {
  const { name, namespace } = deployment.metadata;
  const { selector, template, minReadySeconds } = deployment.spec!;
  const setName = newSetName(deployment);
  const hash = { [hashLabel]: setName.slice(name.length + 1) };
  const labels = { ...template.metadata?.labels, ...hash };
  return {
    apiVersion: "apps/v1",
    kind: ReplicaSet.kind,
    metadata: {
      name: setName,
      namespace: namespace!,
      labels,
      annotations: {
        ...copiedAnnotations(deployment),
        [revisionAnnotation]: String(revision),
        ...sizeAnnotations(deployment),
      },
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas,
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, ...hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}
