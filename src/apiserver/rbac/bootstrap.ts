// What a cluster has from its first moment on: namespaces, priority classes, roles, the `kubernetes` Service.
import { randomUUID } from "node:crypto";
import type { Clock } from "../../machinery/clock.ts";
import { formatTime } from "../../machinery/clock.ts";
import type { KubeObject, NewObject } from "../../machinery/object.ts";
import type { Store, Write } from "../../store/store.ts";
import { contentsOf } from "../admission/namespace-contents.ts";
import { flowObjects } from "../flowcontrol/bootstrap-objects.ts";
import { addressRange, numberToAddress } from "../services/ranges.ts";
import { defaultRoles, reconciled } from "./default-roles.ts";

export interface BootstrapOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly rootCaPem: string;
  readonly serviceCidr: string;
  /** Where pods reach the API server; without it `default/kubernetes` has no endpoints. */
  readonly endpoint?: { readonly address: string; readonly port: number };
}

const systemNamespaces = ["default", "kube-system", "kube-public", "kube-node-lease"];

/**
 * Writes what is missing in one commit, and nothing when all is there, so that a restart costs no disk write. What a user
 * changed stays as it is, except where the API server listens, and what default roles and bindings lack.
 */
export async function bootstrap(options: BootstrapOptions): Promise<void> {
  const writes = plan(options);
  if (writes.length > 0) await options.store.write(writes);
}

/** The writes that bring the store to its first state. */
function plan({ store, clock, rootCaPem, serviceCidr, endpoint }: BootstrapOptions): Write[] {
  const now = clock.now();
  const writes: Write[] = [];
  const create = (object: NewObject) => {
    const key = {
      collection: collections[object.kind]!,
      namespace: object.metadata.namespace ?? "",
      name: object.metadata.name!,
    };
    if (!store.latest(key)) writes.push({ type: "create", key, object: complete(object, now) });
  };
  for (const name of systemNamespaces) {
    if (store.latest({ collection: "/namespaces", namespace: "", name })) continue;
    create(namespaceObject(name));
    writes.push(...contentsOf(name, rootCaPem, now));
  }
  for (const object of [...priorityClasses, serviceCidrObject(serviceCidr), kubernetesService(serviceCidr)]) {
    create(object);
  }
  for (const object of flowObjects(now)) create(object);
  for (const role of defaultRoles()) writes.push(...catchUp(store, role, now));
  if (endpoint) writes.push(...endpointWrites(store, endpoint, now));
  return writes;
}

/** Makes a default role or binding, or gives the stored one what it lacks. */
function catchUp(store: Store, wanted: NewObject, now: number): Write[] {
  const collection = collections[wanted.kind]!;
  const key = { collection, namespace: wanted.metadata.namespace ?? "", name: wanted.metadata.name! };
  const current = store.latest(key);
  if (!current) return [{ type: "create", key, object: complete(wanted, now) }];
  const next = reconciled(current.object, wanted);
  if (!next) return [];
  const object = next === "replace" ? complete(wanted, now) : next;
  return [{ type: "update", key, expectedRevision: current.revision, object }];
}

const collections: Readonly<Record<string, string>> = {
  Namespace: "/namespaces",
  Service: "/services",
  ClusterRole: "rbac.authorization.k8s.io/clusterroles",
  ClusterRoleBinding: "rbac.authorization.k8s.io/clusterrolebindings",
  Role: "rbac.authorization.k8s.io/roles",
  RoleBinding: "rbac.authorization.k8s.io/rolebindings",
  PriorityClass: "scheduling.k8s.io/priorityclasses",
  ServiceCIDR: "networking.k8s.io/servicecidrs",
  FlowSchema: "flowcontrol.apiserver.k8s.io/flowschemas",
  PriorityLevelConfiguration: "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations",
};

function complete(object: NewObject, now: number): KubeObject {
  const system = { uid: randomUUID(), resourceVersion: "", creationTimestamp: formatTime(now) };
  return { ...object, metadata: { ...object.metadata, ...system } as KubeObject["metadata"] };
}

type Fields = Record<string, unknown>;
const object = (apiVersion: string, kind: string, metadata: NewObject["metadata"], fields: Fields): NewObject => ({
  apiVersion,
  kind,
  metadata,
  ...fields,
});

const namespaceObject = (name: string) =>
  object(
    "v1",
    "Namespace",
    { name, labels: { "kubernetes.io/metadata.name": name } },
    { spec: { finalizers: ["kubernetes"] }, status: { phase: "Active" } },
  );

const priorityClass = (name: string, value: number, description: string) =>
  object(
    "scheduling.k8s.io/v1",
    "PriorityClass",
    { name, generation: 1 },
    { value, description, preemptionPolicy: "PreemptLowerPriority" },
  );

const priorityClasses: readonly NewObject[] = [
  priorityClass(
    "system-cluster-critical",
    2_000_000_000,
    "For system pods without which the cluster does not work; they may move to another node.",
  ),
  priorityClass("system-node-critical", 2_000_001_000, "For system pods without which their node does not work."),
];

const serviceCidrObject = (cidr: string) =>
  object("networking.k8s.io/v1", "ServiceCIDR", { name: "kubernetes" }, { spec: { cidrs: [cidr] } });

const kubernetesLabels = { component: "apiserver", provider: "kubernetes" };

function kubernetesService(cidr: string): NewObject {
  const clusterIP = numberToAddress(addressRange(cidr).first);
  return object(
    "v1",
    "Service",
    { name: "kubernetes", namespace: "default", labels: kubernetesLabels },
    {
      spec: {
        type: "ClusterIP",
        clusterIP,
        clusterIPs: [clusterIP],
        ipFamilies: ["IPv4"],
        ipFamilyPolicy: "SingleStack",
        internalTrafficPolicy: "Cluster",
        sessionAffinity: "None",
        ports: [{ name: "https", port: 443, protocol: "TCP", targetPort: 6443 }],
      },
      status: { loadBalancer: {} },
    },
  );
}

/** Endpoints and EndpointSlice of `default/kubernetes`; they follow the address on which the server listens now. */
function endpointWrites(store: Store, { address, port }: { address: string; port: number }, now: number): Write[] {
  const place = { name: "kubernetes", namespace: "default" };
  const ports = [{ name: "https", port, protocol: "TCP" }];
  const slice = object(
    "discovery.k8s.io/v1",
    "EndpointSlice",
    { ...place, labels: { "kubernetes.io/service-name": "kubernetes" }, generation: 1 },
    { addressType: "IPv4", endpoints: [{ addresses: [address], conditions: { ready: true } }], ports },
  );
  const endpoints = object(
    "v1",
    "Endpoints",
    { ...place, labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
    { subsets: [{ addresses: [{ ip: address }], ports }] },
  );
  return [
    ...upsert(store, "discovery.k8s.io/endpointslices", slice, ["endpoints", "ports"], now),
    ...upsert(store, "/endpoints", endpoints, ["subsets"], now),
  ];
}

function upsert(store: Store, collection: string, wanted: NewObject, fields: readonly string[], now: number): Write[] {
  const key = { collection, namespace: wanted.metadata.namespace ?? "", name: wanted.metadata.name! };
  const current = store.latest(key);
  if (!current) return [{ type: "create", key, object: complete(wanted, now) }];
  const [before, after] = [current.object as unknown as Fields, wanted as unknown as Fields];
  if (fields.every((field) => JSON.stringify(before[field]) === JSON.stringify(after[field]))) return [];
  const changed = Object.fromEntries(fields.map((field) => [field, after[field]]));
  return [{ type: "update", key, expectedRevision: current.revision, object: { ...current.object, ...changed } }];
}
