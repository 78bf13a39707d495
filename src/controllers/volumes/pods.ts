// Volumes and the pods that use them: claims of ephemeral volumes, and protection of what is in use.
// Follows kubernetes v1.36 pkg/controller/volume/{ephemeral,pvcprotection,pvprotection}.
import { PersistentVolume, PersistentVolumeClaim, Pod } from "../../kinds/index.ts";
import { controllerReference, type KubeObject } from "../../machinery/object.ts";
import { defineController, maps, type Action, type Index } from "../framework/controller.ts";
import type { AnyKind } from "../../kinds/registry.ts";

const claimFinalizer = "kubernetes.io/pvc-protection";
const volumeFinalizer = "kubernetes.io/pv-protection";

/** Names of the claims that the pod uses. */
const claimsOf = (pod: Pod): string[] =>
  (pod.spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }) => {
    if (persistentVolumeClaim) return [persistentVolumeClaim.claimName];
    return ephemeral ? [`${pod.metadata.name}-${name}`] : [];
  });

const keysOfClaims = (pod: Pod): string[] => claimsOf(pod).map((name) => `${pod.metadata.namespace}/${name}`);

const byClaim = "claim";
const podsByClaim: Index = { kind: Pod, name: byClaim, valuesOf: keysOfClaims };

function release(kind: AnyKind, object: KubeObject, finalizer: string): Action[] {
  const finalizers = object.metadata.finalizers ?? [];
  if (!object.metadata.deletionTimestamp || !finalizers.includes(finalizer)) return [];
  const { resourceVersion } = object.metadata;
  const metadata = { finalizers: finalizers.filter((other) => other !== finalizer), resourceVersion };
  return [{ type: "patch", kind, object, patch: { metadata } }];
}

/** A deleted claim stays while a pod that got to a node uses it. */
export const claimProtection = defineController<{ claim: PersistentVolumeClaim; inUse: boolean }>({
  name: "pvc-protection-controller",
  primary: PersistentVolumeClaim,
  watches: [maps(Pod, keysOfClaims)],
  indexes: [podsByClaim],
  observe(key, caches) {
    const claim = caches.of(PersistentVolumeClaim).get(key);
    if (!claim?.metadata.deletionTimestamp) return undefined;
    const inUse = caches
      .of(Pod)
      .byIndex(byClaim, key)
      .some(({ spec }) => spec?.nodeName);
    return { claim, inUse };
  },
  decide: ({ claim, inUse }) => ({ actions: inUse ? [] : release(PersistentVolumeClaim, claim, claimFinalizer) }),
});

/** A deleted volume stays while it is bound. */
export const volumeProtection = defineController<PersistentVolume>({
  name: "pv-protection-controller",
  primary: PersistentVolume,
  watches: [],
  observe: (key, caches) => caches.of(PersistentVolume).get(key),
  decide: (volume) => ({
    actions: volume.status?.phase === "Bound" ? [] : release(PersistentVolume, volume, volumeFinalizer),
  }),
});

/** Makes the claims of a pod's ephemeral volumes; they go with the pod. */
export const ephemeralVolumes = defineController<{ pod: Pod; present: ReadonlySet<string> }>({
  name: "ephemeral-volume-controller",
  primary: Pod,
  watches: [],
  observe(key, caches) {
    const pod = caches.of(Pod).get(key);
    if (!pod || pod.metadata.deletionTimestamp || !pod.spec?.volumes?.some(({ ephemeral }) => ephemeral))
      return undefined;
    const { namespace } = pod.metadata;
    const present = claimsOf(pod).filter((name) => caches.of(PersistentVolumeClaim).get(`${namespace}/${name}`));
    return { pod, present: new Set(present) };
  },
  decide: ({ pod, present }) => ({
    actions: (pod.spec?.volumes ?? []).flatMap(({ name, ephemeral }): Action[] => {
      const claim = `${pod.metadata.name}-${name}`;
      if (!ephemeral?.volumeClaimTemplate || present.has(claim)) return [];
      const { metadata: { labels, annotations } = {}, spec } = ephemeral.volumeClaimTemplate;
      const metadata = {
        name: claim,
        namespace: pod.metadata.namespace!,
        ...(labels ? { labels } : {}),
        ...(annotations ? { annotations } : {}),
        ownerReferences: [controllerReference(pod)],
      };
      const object = { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata, spec };
      return [{ type: "create", kind: PersistentVolumeClaim, object }];
    }),
  }),
});
