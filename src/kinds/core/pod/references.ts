// Which other objects of its namespace a pod names: ConfigMaps, Secrets, claims and resource claims.
// Follows kubernetes v1.36 pkg/api/v1/pod/util.go (VisitPodSecretNames, VisitPodConfigmapNames).
import type { Pod, PodSpec, Volume } from "../../generated/core.v1.ts";

/** Pods are immutable, so what one names is worked out once. */
const known = new WeakMap<Pod, ReadonlySet<string>>();

/** `configMap/name`, `secret/name`, `claim/name`. */
export function podReferences(pod: Pod): ReadonlySet<string> {
  let references = known.get(pod);
  if (!references) known.set(pod, (references = collect(pod.metadata.name, pod.spec!)));
  return references;
}

function collect(podName: string, spec: PodSpec): Set<string> {
  const found = new Set<string>();
  const add = (kind: "configMap" | "secret" | "claim", name: string | undefined) =>
    name && found.add(`${kind}/${name}`);
  for (const { name } of spec.imagePullSecrets ?? []) add("secret", name);
  for (const containers of [spec.initContainers, spec.containers, spec.ephemeralContainers]) {
    for (const { envFrom, env } of containers ?? []) {
      for (const { configMapRef, secretRef } of envFrom ?? []) {
        add("configMap", configMapRef?.name);
        add("secret", secretRef?.name);
      }
      for (const { valueFrom } of env ?? []) {
        add("configMap", valueFrom?.configMapKeyRef?.name);
        add("secret", valueFrom?.secretKeyRef?.name);
      }
    }
  }
  for (const volume of spec.volumes ?? []) {
    add("configMap", volume.configMap?.name);
    add("claim", volume.persistentVolumeClaim?.claimName);
    if (volume.ephemeral) add("claim", `${podName}-${volume.name}`);
    for (const source of volume.projected?.sources ?? []) {
      add("configMap", source.configMap?.name);
      add("secret", source.secret?.name);
    }
    for (const name of volumeSecrets(volume)) add("secret", name);
  }
  return found;
}

const volumeSecrets = ({
  secret,
  azureFile,
  csi,
  cephfs,
  cinder,
  flexVolume,
  iscsi,
  rbd,
  scaleIO,
  storageos,
}: Volume) => [
  secret?.secretName,
  azureFile?.secretName,
  csi?.nodePublishSecretRef?.name,
  ...[cephfs, cinder, flexVolume, iscsi, rbd, scaleIO, storageos].map((source) => source?.secretRef?.name),
];

/** Names of the ResourceClaims that the pod uses: those it names and those made for it. */
export const podResourceClaims = ({ spec, status }: Pod): readonly string[] =>
  [
    ...(spec?.resourceClaims ?? []).map(({ resourceClaimName }) => resourceClaimName),
    ...(status?.resourceClaimStatuses ?? []).map(({ resourceClaimName }) => resourceClaimName),
    status?.extendedResourceClaimStatus?.resourceClaimName,
  ].filter((name) => name !== undefined);
