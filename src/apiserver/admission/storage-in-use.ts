// Volumes and claims carry a finalizer from the start, so that they stay while somebody uses them.
// Follows kubernetes v1.36 plugin/pkg/admission/storage/storageobjectinuseprotection.
import type { AdmissionPlugin } from "./chain.ts";

const finalizers: Readonly<Record<string, string>> = {
  "/persistentvolumeclaims": "kubernetes.io/pvc-protection",
  "/persistentvolumes": "kubernetes.io/pv-protection",
};

export const storageInUse: AdmissionPlugin = {
  name: "StorageObjectInUseProtection",
  operations: ["CREATE"],
  resources: Object.keys(finalizers),
  mutate({ resource, object: { metadata } }) {
    const finalizer = finalizers[resource]!;
    if (!metadata.finalizers?.includes(finalizer)) metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
  },
};
