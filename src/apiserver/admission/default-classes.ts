// Claims without a storage class and Ingresses without a class get the default one, if there is one.
// Follows kubernetes v1.36 plugin/pkg/admission/storage/storageclass/setdefault and network/defaultingressclass.
import type { PersistentVolumeClaim } from "../../kinds/generated/core.v1.ts";
import type { Ingress } from "../../kinds/generated/networking.v1.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Store } from "../../store/store.ts";
import type { AdmissionPlugin } from "./chain.ts";

export const defaultStorageClass: AdmissionPlugin = {
  name: "DefaultStorageClass",
  operations: ["CREATE"],
  resources: ["/persistentvolumeclaims"],
  mutate({ object }, { store }) {
    const { spec, metadata } = object as PersistentVolumeClaim;
    if (!spec || spec.storageClassName !== undefined) return;
    if (metadata!.annotations?.["volume.beta.kubernetes.io/storage-class"] !== undefined) return;
    const name = newestDefault(store, "storage.k8s.io/storageclasses", "storageclass.kubernetes.io/is-default-class");
    if (name) spec.storageClassName = name;
  },
};

export const defaultIngressClass: AdmissionPlugin = {
  name: "DefaultIngressClass",
  operations: ["CREATE"],
  resources: ["networking.k8s.io/ingresses"],
  mutate({ object }, { store }) {
    const { spec, metadata } = object as Ingress;
    if (!spec || spec.ingressClassName !== undefined || metadata!.annotations?.["kubernetes.io/ingress.class"]) return;
    const name = newestDefault(
      store,
      "networking.k8s.io/ingressclasses",
      "ingressclass.kubernetes.io/is-default-class",
    );
    if (name) spec.ingressClassName = name;
  },
};

/** The default that was created last; among equals the first by name. */
function newestDefault(store: Store, collection: string, annotation: string): string | undefined {
  let newest: KubeObject | undefined;
  for (const { object } of store.list(collection).entries) {
    if (object.metadata.annotations?.[annotation] !== "true") continue;
    if (!newest || object.metadata.creationTimestamp > newest.metadata.creationTimestamp) newest = object;
  }
  return newest?.metadata.name;
}
