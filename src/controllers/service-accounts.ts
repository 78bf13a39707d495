// Repairs what every namespace starts with: the ServiceAccount "default" and the ConfigMap with the cluster's CA.
// The API server creates both together with the namespace; they are made again when somebody deletes or changes them.
// Follows kubernetes v1.36 pkg/controller/serviceaccount, certificates/rootcacertpublisher and
// pkg/controlplane/controller/clusterauthenticationtrust.
import { ConfigMap, Namespace, ServiceAccount } from "../kinds/index.ts";
import { deepEqual } from "../machinery/equal.ts";
import { defineController, maps, nothing, type Controller } from "./framework/controller.ts";

const accountName = "default";

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

/** Keeps a ConfigMap as it should be in every namespace that is to have it. */
const configMapPublisher = (
  controller: string,
  name: string,
  data: Readonly<Record<string, string>>,
  isPlace: (namespace: Namespace) => boolean = () => true,
): Controller =>
  defineController<{ namespace: Namespace; configMap: ConfigMap | undefined }>({
    name: controller,
    primary: Namespace,
    watches: [maps(ConfigMap, named(name))],
    observe(key, caches) {
      const namespace = caches.of(Namespace).get(key);
      if (!namespace || !isActive(namespace) || !isPlace(namespace)) return undefined;
      return { namespace, configMap: caches.of(ConfigMap).get(`${key}/${name}`) };
    },
    decide({ namespace, configMap }) {
      if (!configMap) {
        const metadata = { name, namespace: namespace.metadata.name };
        const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data };
        return { actions: [{ type: "create", kind: ConfigMap, object }] };
      }
      if (deepEqual(configMap.data, data)) return nothing;
      const object = { ...configMap, data: { ...data } };
      return { actions: [{ type: "update", kind: ConfigMap, object }] };
    },
  });

export const rootCaPublisher = (rootCaPem: string): Controller =>
  configMapPublisher("root-ca-certificate-publisher-controller", "kube-root-ca.crt", { "ca.crt": rootCaPem });

/** How other API servers tell whom this one vouches for. */
export const authenticationTrustPublisher = (data: Readonly<Record<string, string>>): Controller =>
  configMapPublisher(
    "cluster-authentication-trust-controller",
    "extension-apiserver-authentication",
    data,
    ({ metadata }) => metadata.name === "kube-system",
  );
