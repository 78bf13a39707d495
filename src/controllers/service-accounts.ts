// Repairs what every namespace starts with: the ServiceAccount "default" and the ConfigMap with the cluster's CA.
// The API server creates both together with the namespace; they are made again when somebody deletes or changes them.
// Follows kubernetes v1.36 pkg/controller/serviceaccount and certificates/rootcacertpublisher.
import { ConfigMap, Namespace, ServiceAccount } from "../kinds/index.ts";
import { defineController, maps, nothing, type Controller } from "./framework/controller.ts";

const accountName = "default";
const caName = "kube-root-ca.crt";
const caKey = "ca.crt";

const isActive = ({ metadata, status }: Namespace): boolean =>
  metadata.deletionTimestamp === undefined && status?.phase !== "Terminating";

const named = (name: string) => (object: { metadata: { name: string; namespace?: string } }) =>
  object.metadata.name === name ? [object.metadata.namespace!] : [];

export const serviceAccounts = defineController<{ namespace: Namespace; account: ServiceAccount | undefined }>({
  name: "serviceaccount-controller",
  primary: Namespace,
  watches: [maps(ServiceAccount, named(accountName))],
  observe(key, caches) {
    const namespace = caches.of(Namespace).get(key);
    if (!namespace || !isActive(namespace)) return undefined;
    return { namespace, account: caches.of(ServiceAccount).get(`${key}/${accountName}`) };
  },
  decide({ namespace, account }) {
    if (account) return nothing;
    const metadata = { name: accountName, namespace: namespace.metadata.name };
    const object = { apiVersion: "v1", kind: "ServiceAccount", metadata };
    return { actions: [{ type: "create", kind: ServiceAccount, object }] };
  },
});

export const rootCaPublisher = (rootCaPem: string): Controller =>
  defineController<{ namespace: Namespace; configMap: ConfigMap | undefined }>({
    name: "root-ca-certificate-publisher-controller",
    primary: Namespace,
    watches: [maps(ConfigMap, named(caName))],
    observe(key, caches) {
      const namespace = caches.of(Namespace).get(key);
      if (!namespace || !isActive(namespace)) return undefined;
      return { namespace, configMap: caches.of(ConfigMap).get(`${key}/${caName}`) };
    },
    decide({ namespace, configMap }) {
      const data = { [caKey]: rootCaPem };
      if (!configMap) {
        const metadata = { name: caName, namespace: namespace.metadata.name };
        const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data };
        return { actions: [{ type: "create", kind: ConfigMap, object }] };
      }
      const keys = Object.keys(configMap.data ?? {});
      if (configMap.data?.[caKey] === rootCaPem && keys.length === 1) return nothing;
      return { actions: [{ type: "update", kind: ConfigMap, object: { ...configMap, data } }] };
    },
  });
