// A new namespace comes with its default ServiceAccount and the cluster's CA, in one commit: nobody ever finds it without.
import { randomUUID } from "node:crypto";
import { formatTime } from "../../machinery/clock.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Write } from "../../store/store.ts";
import type { AdmissionPlugin } from "./chain.ts";

/** Name and content of the ConfigMap that every namespace has. */
export const rootCaConfigMap = "kube-root-ca.crt";
const rootCaNote = "The certificate authority of this cluster's API server, for clients inside the cluster.";

export const namespaceContents: AdmissionPlugin = {
  name: "NamespaceContents",
  operations: ["CREATE"],
  resources: ["/namespaces"],
  validate({ name, transaction }, { rootCaPem, clock, store }) {
    const missing = contentsOf(name, rootCaPem, clock.now()).filter(({ key }) => !store.latest(key));
    transaction.extraWrites.push(...missing);
  },
};

/** The creations that go with a namespace. */
export function contentsOf(namespace: string, rootCaPem: string, now: number): Write[] {
  const metadata = (name: string) => ({
    name,
    namespace,
    uid: randomUUID(),
    resourceVersion: "",
    creationTimestamp: formatTime(now),
  });
  const account: KubeObject = { apiVersion: "v1", kind: "ServiceAccount", metadata: metadata("default") };
  const configMap: KubeObject & { data: Record<string, string> } = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { ...metadata(rootCaConfigMap), annotations: { "kubernetes.io/description": rootCaNote } },
    data: { "ca.crt": rootCaPem },
  };
  return [
    { type: "create", key: { collection: "/serviceaccounts", namespace, name: "default" }, object: account },
    { type: "create", key: { collection: "/configmaps", namespace, name: rootCaConfigMap }, object: configMap },
  ];
}
