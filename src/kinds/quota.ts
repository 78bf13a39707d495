// What objects count for in ResourceQuotas, and which quotas they count in. Admission and the status of quotas share it.
// Follows kubernetes v1.36 pkg/quota/v1/evaluator/core (usage, scopes, constraints).
import type { KubeObject } from "../machinery/object.ts";
import { isFinished } from "./core/node-room.ts";
import { podLimits, podRequests } from "./core/pod/resources.ts";
import type { ResourceList } from "./core/pod/resources.ts";
import type {
  Container,
  PersistentVolumeClaim,
  Pod,
  PodAffinityTerm,
  ResourceQuota,
  ScopedResourceSelectorRequirement,
  Service,
} from "./generated/core.v1.ts";

const usages = new WeakMap<KubeObject, ResourceList>();

/** What one object of a collection (`/pods`, `apps/deployments`) counts for, by the resource names of quotas. */
export function quotaUsage(collection: string, object: KubeObject): ResourceList {
  let usage = usages.get(object);
  if (!usage) usages.set(object, (usage = computeUsage(collection, object)));
  return usage;
}

/** Core resources that have a name of their own in quotas besides `count/<plural>`. */
const plainCounts = new Set(["configmaps", "replicationcontrollers", "resourcequotas", "secrets"]);

function computeUsage(collection: string, object: KubeObject): ResourceList {
  const [group = "", plural = ""] = collection.split("/");
  const usage: ResourceList = { [`count/${plural}${group ? `.${group}` : ""}`]: "1" };
  if (group !== "") return usage;
  if (plural === "pods") return Object.assign(usage, podUsage(object as Pod));
  if (plural === "services") return Object.assign(usage, serviceUsage(object as Service));
  if (plural === "persistentvolumeclaims") return Object.assign(usage, claimUsage(object as PersistentVolumeClaim));
  if (plainCounts.has(plural)) usage[plural] = "1";
  return usage;
}

function podUsage(pod: Pod): ResourceList {
  if (isFinished(pod)) return {};
  const usage: ResourceList = { pods: "1" };
  const requests = podRequests(pod);
  for (const name in requests) addRequest(usage, name, requests[name]!);
  const limits = podLimits(pod);
  for (const name of ["cpu", "memory", "ephemeral-storage"]) if (limits[name]) usage[`limits.${name}`] = limits[name];
  return usage;
}

function addRequest(usage: ResourceList, name: string, amount: string): void {
  usage[`requests.${name}`] = amount;
  if (!name.includes("/")) usage[name] = amount;
}

function serviceUsage({ spec }: Service): ResourceList {
  const balanced = spec?.type === "LoadBalancer";
  const ports = spec?.ports?.length ?? 0;
  const onNodes = spec?.type === "NodePort" || (balanced && spec?.allocateLoadBalancerNodePorts !== false);
  const kept = balanced ? (spec?.ports ?? []).filter(({ nodePort }) => nodePort).length : 0;
  return {
    services: "1",
    "services.nodeports": String(onNodes ? ports : kept),
    "services.loadbalancers": balanced ? "1" : "0",
  };
}

function claimUsage({ metadata, spec }: PersistentVolumeClaim): ResourceList {
  const storage = spec?.resources?.requests?.storage;
  const usage: ResourceList = { persistentvolumeclaims: "1", ...(storage ? { "requests.storage": storage } : {}) };
  const storageClass = metadata.annotations?.["volume.beta.kubernetes.io/storage-class"] ?? spec?.storageClassName;
  if (!storageClass) return usage;
  const prefix = `${storageClass}.storageclass.storage.k8s.io`;
  usage[`${prefix}/persistentvolumeclaims`] = "1";
  if (storage) usage[`${prefix}/requests.storage`] = storage;
  return usage;
}

/** Whether the quota's scopes let this object in. */
export function quotaMatches(quota: ResourceQuota, collection: string, object: KubeObject): boolean {
  const scopes: ScopedResourceSelectorRequirement[] = [
    ...(quota.spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: "Exists" })),
    ...(quota.spec?.scopeSelector?.matchExpressions ?? []),
  ];
  if (scopes.length === 0) return true;
  if (collection === "/persistentvolumeclaims") {
    return scopes.every((scope) => claimMatches(scope, object as PersistentVolumeClaim));
  }
  return collection === "/pods" && scopes.every((scope) => podMatches(scope, object as Pod));
}

function podMatches(scope: ScopedResourceSelectorRequirement, pod: Pod): boolean {
  const bestEffort = () => pod.status?.qosClass === "BestEffort";
  const terminating = () => (pod.spec?.activeDeadlineSeconds ?? -1) >= 0;
  switch (scope.scopeName) {
    case "Terminating":
      return terminating();
    case "NotTerminating":
      return !terminating();
    case "BestEffort":
      return bestEffort();
    case "NotBestEffort":
      return !bestEffort();
    case "PriorityClass":
      return nameMatches(scope, pod.spec?.priorityClassName);
    case "CrossNamespacePodAffinity":
      return crossesNamespaces(pod);
    default:
      return false;
  }
}

/** While a claim changes its class it belongs to all the classes involved. */
function claimMatches(scope: ScopedResourceSelectorRequirement, { spec, status }: PersistentVolumeClaim): boolean {
  if (scope.scopeName !== "VolumeAttributesClass") return false;
  const others = [
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  const named = [spec?.volumeAttributesClassName, ...others].filter(Boolean);
  return (named.length > 0 ? named : [undefined]).some((name) => nameMatches(scope, name));
}

function nameMatches({ operator, values = [] }: ScopedResourceSelectorRequirement, name: string | undefined): boolean {
  if (operator === "Exists") return Boolean(name);
  if (operator === "DoesNotExist") return !name;
  if (operator === "In") return name !== undefined && values.includes(name);
  return operator === "NotIn" && (name === undefined || !values.includes(name));
}

function crossesNamespaces({ spec }: Pod): boolean {
  const { podAffinity, podAntiAffinity } = spec?.affinity ?? {};
  const terms: PodAffinityTerm[] = [podAffinity, podAntiAffinity].flatMap((affinity) => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => term.podAffinityTerm),
  ]);
  return terms.some((term) => term.namespaces?.length || term.namespaceSelector);
}

const perContainer = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

/** "must specify limits.cpu for: a,b" when the quota limits what containers leave open; undefined when nothing is missing. */
export function missingForQuota(quota: ResourceQuota, pod: Pod): string | undefined {
  const hard = quota.spec?.hard ?? {};
  const containers: Container[] = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const missing = perContainer
    .filter((name) => hard[name] !== undefined)
    .toSorted()
    .map((name) => ({
      name,
      in: containers.filter((container) => !specifies(container, pod, name)).map((one) => one.name),
    }))
    .filter((row) => row.in.length > 0);
  if (missing.length === 0) return undefined;
  return `must specify ${missing.map((row) => `${row.name} for: ${row.in.join(",")}`).join("; ")}`;
}

function specifies(container: Container, pod: Pod, name: string): boolean {
  const [kind, resource] = name.includes(".") ? (name.split(".") as [string, string]) : ["requests", name];
  const which = kind === "limits" ? "limits" : "requests";
  return (container.resources?.[which]?.[resource] ?? pod.spec?.resources?.[which]?.[resource]) !== undefined;
}
