// Defaults and bounds of resources by the LimitRanges of a namespace. Follows kubernetes v1.36 plugin/pkg/admission/limitranger.
import type {
  Container,
  LimitRange,
  LimitRangeItem,
  PersistentVolumeClaim,
  Pod,
} from "../../kinds/generated/core.v1.ts";
import { podLimits, podRequests } from "../../kinds/core/pod/resources.ts";
import type { ResourceList } from "../../kinds/core/pod/resources.ts";
import { forbidden } from "../../machinery/errors.ts";
import { compareQuantities, quantityToNumber } from "../../machinery/quantity.ts";
import type { AdmissionPlugin, AdmissionWorld } from "./chain.ts";

const annotation = "kubernetes.io/limit-ranger";

export const limitRanger: AdmissionPlugin = {
  name: "LimitRanger",
  operations: ["CREATE", "UPDATE"],
  resources: ["/pods", "/persistentvolumeclaims"],
  subresources: ["resize"],
  mutate({ operation, resource, object, namespace }, world) {
    if (operation === "CREATE" && resource === "/pods") applyDefaults(object as Pod, itemsOf(world, namespace));
  },
  validate({ operation, resource, subresource, object, old, namespace, name, kind }, world) {
    if (resource === "/pods" && operation === "UPDATE" && subresource !== "resize") return;
    if (old?.metadata.deletionTimestamp) return;
    const items = itemsOf(world, namespace);
    if (items.length === 0) return;
    const faults =
      resource === "/pods" ? podFaults(object as Pod, items) : claimFaults(object as PersistentVolumeClaim, items);
    if (faults.length === 0) return;
    const text = faults.length === 1 ? faults[0]! : `[${faults.join(", ")}]`;
    throw forbidden({ group: kind.group, resource: kind.plural }, name, text);
  },
};

const itemsOf = ({ store }: AdmissionWorld, namespace: string): LimitRangeItem[] =>
  store.list("/limitranges", namespace).entries.flatMap(({ object }) => (object as LimitRange).spec?.limits ?? []);

function applyDefaults(pod: Pod, items: readonly LimitRangeItem[]): void {
  const ofContainers = items.filter(({ type }) => type === "Container");
  if (ofContainers.length === 0 || !pod.spec) return;
  // The first that has a default for a resource gives it.
  const first = ofContainers.toReversed();
  const limits: ResourceList = Object.assign({}, ...first.map((item) => item.default));
  const requests: ResourceList = Object.assign({}, ...first.map((item) => item.defaultRequest));
  const notes: string[] = [];
  const fill = (containers: readonly Container[] | undefined, title: string) => {
    for (const container of containers ?? []) notes.push(...fillContainer(container, { limits, requests }, title));
  };
  fill(pod.spec.containers, "container");
  fill(pod.spec.initContainers, "init container");
  if (notes.length === 0) return;
  const text = `LimitRanger plugin set: ${notes.join("; ")}`;
  pod.metadata!.annotations = { ...pod.metadata!.annotations, [annotation]: text };
}

/** Fills what the container leaves open; returns what to note about it. */
function fillContainer(
  container: Container,
  defaults: { limits: ResourceList; requests: ResourceList },
  title: string,
): string[] {
  const notes: string[] = [];
  const own = container.resources ?? {};
  for (const which of ["requests", "limits"] as const) {
    const missing = Object.keys(defaults[which]).filter((name) => own[which]?.[name] === undefined);
    if (missing.length === 0) continue;
    const added = Object.fromEntries(missing.map((name) => [name, defaults[which][name]!]));
    container.resources = { ...container.resources, [which]: { ...own[which], ...added } };
    notes.push(`${missing.toSorted().join(", ")} ${which.slice(0, -1)} for ${title} ${container.name}`);
  }
  return notes;
}

interface Amounts {
  readonly requests: ResourceList;
  readonly limits: ResourceList;
}

function podFaults(pod: Pod, items: readonly LimitRangeItem[]): string[] {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].map(({ resources }) => ({
    requests: resources?.requests ?? {},
    limits: resources?.limits ?? {},
  }));
  const whole: Amounts = { requests: podRequests(pod), limits: podLimits(pod) };
  return items.flatMap((item) => {
    if (item.type === "Container") return containers.flatMap((amounts) => boundFaults(item, amounts));
    return item.type === "Pod" ? boundFaults(item, whole) : [];
  });
}

function boundFaults(item: LimitRangeItem, { requests, limits }: Amounts): string[] {
  const faults: string[] = [];
  const each = (bounds: ResourceList | undefined, check: (name: string, bound: string) => string | undefined) => {
    for (const name in bounds) {
      const fault = check(name, bounds[name]!);
      if (fault) faults.push(fault);
    }
  };
  each(item.min, (name, bound) => minimumFault(item.type, name, bound, requests[name], limits[name]));
  each(item.max, (name, bound) => maximumFault(item.type, name, bound, requests[name], limits[name]));
  each(item.maxLimitRequestRatio, (name, bound) => ratioFault(item.type, name, bound, requests[name], limits[name]));
  return faults;
}

function minimumFault(type: string, name: string, bound: string, request?: string, limit?: string): string | undefined {
  const text = `minimum ${name} usage per ${type} is ${bound}`;
  if (request === undefined) return `${text}.  No request is specified`;
  if (compareQuantities(request, bound) < 0) return `${text}, but request is ${request}`;
  if (limit !== undefined && compareQuantities(limit, bound) < 0) return `${text}, but limit is ${limit}`;
  return undefined;
}

function maximumFault(type: string, name: string, bound: string, request?: string, limit?: string): string | undefined {
  const text = `maximum ${name} usage per ${type} is ${bound}`;
  if (limit === undefined) return `${text}.  No limit is specified`;
  if (compareQuantities(limit, bound) > 0) return `${text}, but limit is ${limit}`;
  if (request !== undefined && compareQuantities(request, bound) > 0) return `${text}, but request is ${request}`;
  return undefined;
}

function ratioFault(type: string, name: string, bound: string, request?: string, limit?: string): string | undefined {
  const text = `${name} max limit to request ratio per ${type} is ${bound}`;
  const [wanted, most] = [quantityToNumber(request ?? "0"), quantityToNumber(limit ?? "0")];
  if (wanted === 0) return `${text}, but no request is specified or request is 0`;
  if (most === 0) return `${text}, but no limit is specified or limit is 0`;
  const ratio = most / wanted;
  return ratio > quantityToNumber(bound) ? `${text}, but provided ratio is ${ratio.toFixed(6)}` : undefined;
}

function claimFaults({ spec }: PersistentVolumeClaim, items: readonly LimitRangeItem[]): string[] {
  const storage = spec?.resources?.requests?.storage;
  const faults = items
    .filter(({ type }) => type === "PersistentVolumeClaim")
    .flatMap(({ type, min, max }) => [
      min?.storage && minimumFault(type, "storage", min.storage, storage),
      max?.storage && storage !== undefined && compareQuantities(storage, max.storage) > 0
        ? `maximum storage usage per ${type} is ${max.storage}, but request is ${storage}`
        : undefined,
    ]);
  return faults.filter((fault): fault is string => Boolean(fault));
}
