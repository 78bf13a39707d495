// Dynamic volumes on the nodes' own disks, for StorageClasses with the provisioner `knarr.dev/local`.
import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from "../../kinds/index.ts";
import type { NewObject } from "../../machinery/object.ts";

export const localProvisioner = "knarr.dev/local";
export const provisionedBy = "pv.kubernetes.io/provisioned-by";
const hostnameLabel = "kubernetes.io/hostname";

/** Why no local volume can be made for the claim. */
export function refusal(claim: PersistentVolumeClaim): string | undefined {
  const { accessModes = [], volumeMode, selector, dataSource, dataSourceRef } = claim.spec ?? {};
  const shared = accessModes.find((mode) => mode !== "ReadWriteOnce" && mode !== "ReadWriteOncePod");
  if (shared) return `access mode ${shared} is not supported: local volumes belong to one node`;
  if (volumeMode === "Block") return "volumeMode Block is not supported";
  if (selector) return "claim.spec.selector is not supported";
  if (dataSource ?? dataSourceRef) return "data sources are not supported";
  return undefined;
}

export const volumeName = (claim: PersistentVolumeClaim): string => `pvc-${claim.metadata.uid}`;

/** A volume in a directory of its own on the node; the kubelet makes the directory at first use. */
export function localVolume(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  node: Node,
  storageDir: string,
): NewObject<PersistentVolume> {
  const name = volumeName(claim);
  const { namespace, name: claimName, uid, resourceVersion } = claim.metadata;
  const { accessModes, resources, storageClassName } = claim.spec!;
  const hostname = node.metadata.labels?.[hostnameLabel] ?? node.metadata.name;
  return {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name, annotations: { [provisionedBy]: localProvisioner } },
    spec: {
      capacity: { storage: resources?.requests?.storage ?? "0" },
      accessModes: accessModes ?? ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? "Delete",
      storageClassName: storageClassName!,
      volumeMode: "Filesystem",
      ...(storageClass.mountOptions ? { mountOptions: storageClass.mountOptions } : {}),
      claimRef: {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        namespace: namespace!,
        name: claimName,
        uid,
        resourceVersion,
      },
      local: { path: `${storageDir}/${name}_${namespace}_${claimName}` },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: hostnameLabel, operator: "In", values: [hostname] }] }],
        },
      },
    },
  };
}

/** Removes the directory of a volume that `localVolume` made. A path that is not directly below `storageDir` is refused. */
export async function removeLocalData(
  volume: PersistentVolume,
  storageDir: string,
  remove: (path: string, nodeName: string | undefined) => Promise<void>,
): Promise<void> {
  const path = volume.spec?.local?.path ?? "";
  const name = path.slice(storageDir.length + 1);
  // Anybody who may write volumes could name any path here; only directories of this provisioner's making may go.
  const ours = path.startsWith(`${storageDir}/`) && name.startsWith(`${volume.metadata.name}_`) && !name.includes("/");
  if (!ours) throw new Error(`volume ${volume.metadata.name}: ${path} is no directory of a local volume`);
  const terms = volume.spec?.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  const hostname = terms[0]?.matchExpressions?.find(({ key }) => key === hostnameLabel)?.values?.[0];
  await remove(path, hostname);
}
