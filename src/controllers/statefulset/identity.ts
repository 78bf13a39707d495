// What makes each pod of a StatefulSet a certain one: name, labels, host name and claims.
// Follows kubernetes v1.36 pkg/controller/statefulset/stateful_set_utils.go.
import type { PodTemplateSpec, Volume } from "../../kinds/generated/core.v1.ts";
import { PersistentVolumeClaim, Pod, type ControllerRevision, type StatefulSet } from "../../kinds/index.ts";
import type { KubeObject, NewObject, OwnerReference } from "../../machinery/object.ts";
import { podFromTemplate } from "../common/pods.ts";
import { revisionLabel, templateOf } from "../common/revisions.ts";
import type { Action } from "../framework/controller.ts";

const podNameLabel = "statefulset.kubernetes.io/pod-name";
const podIndexLabel = "apps.kubernetes.io/pod-index";

export const replicasOf = (set: StatefulSet): number => set.spec?.replicas ?? 1;
export const firstOrdinal = (set: StatefulSet): number => set.spec?.ordinals?.start ?? 0;

/** Ordinal of a pod by its name; undefined when the name is not one of the set's. */
export function ordinalOf(set: StatefulSet, pod: KubeObject): number | undefined {
  const prefix = `${set.metadata.name}-`;
  const rest = pod.metadata.name.slice(prefix.length);
  return pod.metadata.name.startsWith(prefix) && /^(0|[1-9]\d*)$/.test(rest) ? Number(rest) : undefined;
}

export const isInRange = (set: StatefulSet, ordinal: number): boolean =>
  ordinal >= firstOrdinal(set) && ordinal < firstOrdinal(set) + replicasOf(set);

const claimName = (template: string | undefined, set: StatefulSet, ordinal: number): string =>
  `${template}-${set.metadata.name}-${ordinal}`;

export function podOf(set: StatefulSet, revision: ControllerRevision, ordinal: number): NewObject<Pod> {
  const name = `${set.metadata.name}-${ordinal}`;
  const template = templateOf(revision);
  const pod = podFromTemplate(set, withVolumes(set, template, ordinal));
  const { generateName: _, ...metadata } = pod.metadata;
  return {
    ...pod,
    metadata: {
      ...metadata,
      name,
      labels: { ...metadata.labels, ...identityLabels(name, ordinal), [revisionLabel]: revision.metadata.name },
    },
    spec: {
      ...pod.spec!,
      hostname: name,
      ...(set.spec?.serviceName ? { subdomain: set.spec.serviceName } : {}),
    },
  };
}

const identityLabels = (name: string, ordinal: number) => ({ [podNameLabel]: name, [podIndexLabel]: String(ordinal) });

/** The claims' volumes take the place of volumes that have their names. */
function withVolumes(set: StatefulSet, template: PodTemplateSpec, ordinal: number): PodTemplateSpec {
  const volumes = (set.spec?.volumeClaimTemplates ?? []).map(({ metadata }): Volume => ({
    name: metadata.name,
    persistentVolumeClaim: { claimName: claimName(metadata.name, set, ordinal) },
  }));
  if (volumes.length === 0) return template;
  const own = new Set(volumes.map(({ name }) => name));
  const others = (template.spec?.volumes ?? []).filter(({ name }) => !own.has(name));
  return { ...template, spec: { ...template.spec!, volumes: [...volumes, ...others] } };
}

/** Claims of the pod with this ordinal, whether they exist or not. */
export const claimNames = (set: StatefulSet, ordinal: number): string[] =>
  (set.spec?.volumeClaimTemplates ?? []).map(({ metadata }) => claimName(metadata.name, set, ordinal));

/** Creates what is missing of the claims of one pod. `claims` are those of the namespace by name. */
export function missingClaims(
  set: StatefulSet,
  ordinal: number,
  claims: ReadonlyMap<string, PersistentVolumeClaim>,
): Action[] {
  return (set.spec?.volumeClaimTemplates ?? []).flatMap(({ metadata, spec }): Action[] => {
    const name = claimName(metadata.name, set, ordinal);
    if (claims.has(name)) return [];
    const { labels, annotations } = metadata;
    const owners = wantedOwners(set, ordinal, undefined);
    const object: NewObject<PersistentVolumeClaim> = {
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: {
        name,
        namespace: set.metadata.namespace!,
        labels: { ...labels, ...set.spec?.selector.matchLabels },
        ...(annotations ? { annotations } : {}),
        ...(owners.length > 0 ? { ownerReferences: owners } : {}),
      },
      ...(spec ? { spec } : {}),
    };
    return [{ type: "create", kind: PersistentVolumeClaim, object }];
  });
}

const plainReference = ({ apiVersion, kind, metadata }: KubeObject): OwnerReference => ({
  apiVersion,
  kind,
  name: metadata.name,
  uid: metadata.uid,
});

/** Who a claim goes with: the set when it is deleted with it, a condemned pod when scaling down deletes claims. */
function wantedOwners(set: StatefulSet, ordinal: number, pod: Pod | undefined): OwnerReference[] {
  const { whenDeleted = "Retain", whenScaled = "Retain" } = set.spec?.persistentVolumeClaimRetentionPolicy ?? {};
  if (whenScaled === "Delete" && !isInRange(set, ordinal)) return pod ? [plainReference(pod)] : [];
  return whenDeleted === "Delete" ? [plainReference(set)] : [];
}

/** Gives the claims of one pod the owners that the retention policy asks for. */
export function claimOwnerPatches(
  set: StatefulSet,
  ordinal: number,
  pod: Pod | undefined,
  claims: ReadonlyMap<string, PersistentVolumeClaim>,
): Action[] {
  const wanted = wantedOwners(set, ordinal, pod);
  return claimNames(set, ordinal).flatMap((name): Action[] => {
    const object = claims.get(name);
    if (!object) return [];
    const known = object.metadata.ownerReferences ?? [];
    const ours = (owner: OwnerReference) =>
      owner.uid === set.metadata.uid || (owner.kind === "Pod" && owner.name === `${set.metadata.name}-${ordinal}`);
    const mine = known.filter(ours);
    const same = mine.length === wanted.length && wanted.every(({ uid }) => mine.some((owner) => owner.uid === uid));
    if (same) return [];
    const ownerReferences = [...known.filter((owner) => !ours(owner)), ...wanted];
    const { resourceVersion } = object.metadata;
    return [
      { type: "patch", kind: PersistentVolumeClaim, object, patch: { metadata: { ownerReferences, resourceVersion } } },
    ];
  });
}

/** Repairs the labels that carry a pod's identity. */
export function identityPatch(pod: Pod, ordinal: number): Action[] {
  const labels = identityLabels(pod.metadata.name, ordinal);
  if (Object.entries(labels).every(([key, value]) => pod.metadata.labels?.[key] === value)) return [];
  return [{ type: "patch", kind: Pod, object: pod, patch: { metadata: { labels } } }];
}
