// Spreads endpoints over EndpointSlices with as few writes as possible: endpoints stay in the slice they are in.
// Follows kubernetes v1.36 staging/src/k8s.io/endpointslice/reconciler.go (reconcileByPortMapping, placeholder slice).
import type { Endpoint } from "../../kinds/generated/discovery.v1.ts";
import { EndpointSlice, type Service } from "../../kinds/index.ts";
import { semanticEqual } from "../../machinery/equal.ts";
import { controllerReference, type KubeObject, type NewObject } from "../../machinery/object.ts";
import type { Action } from "../framework/controller.ts";
import { isHeadless, portsKey, type EndpointGroup } from "./desired.ts";

export const serviceNameLabel = "kubernetes.io/service-name";
export const managedByLabel = "endpointslice.kubernetes.io/managed-by";
const headlessLabel = "service.kubernetes.io/headless";
export const maxEndpointsPerSlice = 100;

/** What a slice has to hold; `slice` is the one that holds it now, if any. */
interface Wanted {
  readonly slice: EndpointSlice | undefined;
  readonly group: Pick<EndpointGroup, "ports">;
  readonly endpoints: Endpoint[];
}

export interface SliceOwner {
  readonly object: KubeObject;
  /** Name of the Service; slices carry it as a label. */
  readonly service: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The labels that slices take over from their Service, and those that say what they are. */
export function sliceOwnerOf(service: Service, manager: string): SliceOwner {
  const { name, labels } = service.metadata;
  return {
    object: service,
    service: name,
    labels: {
      ...labels,
      [managedByLabel]: manager,
      ...(isHeadless(service) ? { [headlessLabel]: "" } : {}),
    },
  };
}

/** The writes that bring the slices in line with the groups. */
export function planSlices(
  owner: SliceOwner,
  groups: readonly EndpointGroup[],
  slices: readonly EndpointSlice[],
): Action[] {
  const usable = slices.filter(({ addressType }) => addressType === "IPv4");
  const wanted = groups.flatMap((group) => distribute(group, usable));
  // Even a service without endpoints has a slice, so that clients can tell "none" from "not yet".
  if (wanted.length === 0) wanted.push({ slice: usable[0], group: { ports: [] }, endpoints: [] });
  const kept = new Set(wanted.map(({ slice }) => slice));
  const spare = usable.filter((slice) => !kept.has(slice));
  const writes = wanted.flatMap(({ slice = spare.shift(), group, endpoints }) => write(owner, slice, group, endpoints));
  const gone = [...spare, ...slices.filter(({ addressType }) => addressType !== "IPv4")];
  return [...writes, ...gone.map((object): Action => ({ type: "delete", kind: EndpointSlice, object }))];
}

const identityOf = ({ addresses, targetRef }: Endpoint): string =>
  targetRef?.uid ?? `${targetRef?.name}/${addresses[0]}`;

/** Keeps what is in a slice with these ports where it is, fills gaps with the rest, and adds slices when all are full. */
function distribute(group: EndpointGroup, slices: readonly EndpointSlice[]): Wanted[] {
  const left = new Map(group.endpoints.map((endpoint) => [identityOf(endpoint), endpoint]));
  const key = portsKey(group.ports);
  const wanted: Wanted[] = [];
  for (const slice of slices.filter(({ ports }) => portsKey(ports) === key)) {
    const endpoints: Endpoint[] = [];
    for (const known of slice.endpoints ?? []) {
      const endpoint = left.get(identityOf(known));
      if (!endpoint) continue;
      endpoints.push(endpoint);
      left.delete(identityOf(known));
    }
    if (endpoints.length > 0) wanted.push({ slice, group, endpoints });
  }
  const rest = [...left.values()];
  for (const { endpoints } of wanted)
    endpoints.push(...rest.splice(0, Math.max(0, maxEndpointsPerSlice - endpoints.length)));
  while (rest.length > 0) {
    const free = slices.find(
      (slice) => portsKey(slice.ports) === key && !wanted.some((other) => other.slice === slice),
    );
    wanted.push({ slice: free, group, endpoints: rest.splice(0, maxEndpointsPerSlice) });
  }
  return wanted;
}

function write(
  owner: SliceOwner,
  slice: EndpointSlice | undefined,
  { ports }: Pick<EndpointGroup, "ports">,
  endpoints: readonly Endpoint[],
): Action[] {
  const labels = { ...owner.labels, [serviceNameLabel]: owner.service };
  if (!slice) return [{ type: "create", kind: EndpointSlice, object: newSlice(owner, labels, ports, endpoints) }];
  const same =
    semanticEqual(slice.endpoints, endpoints) &&
    portsKey(slice.ports) === portsKey(ports) &&
    semanticEqual(slice.metadata.labels, labels);
  if (same) return [];
  const object = { ...slice, metadata: { ...slice.metadata, labels }, ports: [...ports], endpoints: [...endpoints] };
  return [{ type: "update", kind: EndpointSlice, object }];
}

function newSlice(
  { object, service }: SliceOwner,
  labels: Record<string, string>,
  ports: EndpointGroup["ports"],
  endpoints: readonly Endpoint[],
): NewObject<EndpointSlice> {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      generateName: `${service}-`,
      namespace: object.metadata.namespace!,
      labels,
      ownerReferences: [controllerReference(object)],
    },
    addressType: "IPv4",
    ports: [...ports],
    endpoints: [...endpoints],
  };
}
