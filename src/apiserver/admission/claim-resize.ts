// A claim only grows when it is bound and its storage class allows growing.
// Follows kubernetes v1.36 plugin/pkg/admission/storage/persistentvolume/resize.
import type { PersistentVolumeClaim } from "../../kinds/generated/core.v1.ts";
import type { StorageClass } from "../../kinds/generated/storage.v1.ts";
import { forbidden } from "../../machinery/errors.ts";
import { compareQuantities } from "../../machinery/quantity.ts";
import type { AdmissionPlugin } from "./chain.ts";

const sizeOf = (claim: PersistentVolumeClaim) => claim.spec?.resources?.requests?.storage ?? "0";

export const claimResize: AdmissionPlugin = {
  name: "PersistentVolumeClaimResize",
  operations: ["UPDATE"],
  resources: ["/persistentvolumeclaims"],
  validate({ object, old, name }, { store }) {
    const [next, before] = [object as PersistentVolumeClaim, old as PersistentVolumeClaim];
    if (compareQuantities(sizeOf(next), sizeOf(before)) <= 0) return;
    const refuse = (why: string) => forbidden({ group: "", resource: "persistentvolumeclaims" }, name, why);
    if (before.status?.phase !== "Bound") throw refuse("Only bound persistent volume claims can be expanded");
    const className = next.spec?.storageClassName;
    const key = { collection: "storage.k8s.io/storageclasses", namespace: "", name: className ?? "" };
    const storageClass = className ? (store.get(key)?.object as StorageClass | undefined) : undefined;
    if (storageClass?.allowVolumeExpansion) return;
    throw refuse(
      "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
    );
  },
};
