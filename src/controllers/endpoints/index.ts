// The controllers that say where the traffic of Services goes: EndpointSlices, and Endpoints for older clients.
import { Endpoints, EndpointSlice, Node, Pod, Service } from "../../kinds/index.ts";
import { keyOf } from "../../machinery/object.ts";
import { matchesLabels } from "../../machinery/selector.ts";
import { defineController, maps, nothing, sameName, type Caches, type Index } from "../framework/controller.ts";
import { groupEndpoints, type EndpointGroup } from "./desired.ts";
import { endpointsManagedBy, endpointsManager, planEndpoints } from "./legacy.ts";
import { managedByLabel, planSlices, serviceNameLabel, sliceOwnerOf } from "./slices.ts";

const sliceManager = "endpointslice-controller.k8s.io";
const zoneLabel = "topology.kubernetes.io/zone";
const byService = "service";

export const sliceIndexes: readonly Index[] = [
  {
    kind: EndpointSlice,
    name: byService,
    valuesOf: ({ metadata }: EndpointSlice) => [`${metadata.namespace}/${metadata.labels?.[serviceNameLabel] ?? ""}`],
  },
];

/** A slice wakes up the service whose name it carries. */
export const wakesService = maps(EndpointSlice, ({ metadata }) => {
  const service = metadata.labels?.[serviceNameLabel];
  return service ? [`${metadata.namespace}/${service}`] : [];
});

export const slicesOf = (caches: Caches, service: string, manager: string): EndpointSlice[] =>
  caches
    .of(EndpointSlice)
    .byIndex(byService, service)
    .filter(
      ({ metadata }) => metadata.labels?.[managedByLabel] === manager && metadata.deletionTimestamp === undefined,
    );

const selectedPods = (caches: Caches, { metadata, spec }: Service): Pod[] =>
  caches
    .of(Pod)
    .list(metadata.namespace)
    .filter((pod) => matchesLabels({ matchLabels: spec?.selector ?? {} }, pod.metadata.labels));

const podsWakeServices = maps(Pod, (pod, caches) =>
  caches
    .of(Service)
    .list(pod.metadata.namespace)
    .filter(({ spec }) => spec?.selector && matchesLabels({ matchLabels: spec.selector }, pod.metadata.labels))
    .map(keyOf),
);

function groupsOf(caches: Caches, service: Service): EndpointGroup[] {
  const pods = selectedPods(caches, service);
  const zones = new Map<string, string>();
  for (const { spec } of pods) {
    const zone = spec?.nodeName && caches.of(Node).get(spec.nodeName)?.metadata.labels?.[zoneLabel];
    if (zone) zones.set(spec.nodeName!, zone);
  }
  return groupEndpoints(service, pods, zones);
}

/** Services whose endpoints are ours to find: those that select pods. */
const isSelecting = ({ spec }: Service): boolean =>
  spec?.selector !== undefined && Object.keys(spec.selector).length > 0;

interface SlicesObserved {
  readonly service: Service;
  readonly groups: readonly EndpointGroup[];
  readonly slices: readonly EndpointSlice[];
}

export const endpointSlice = defineController<SlicesObserved>({
  name: "endpoint-slice-controller",
  primary: Service,
  watches: [podsWakeServices, wakesService],
  indexes: sliceIndexes,
  observe(key, caches) {
    const service = caches.of(Service).get(key);
    if (!service || !isSelecting(service) || service.metadata.deletionTimestamp) return undefined;
    const groups = service.spec?.type === "ExternalName" ? [] : groupsOf(caches, service);
    return { service, groups, slices: slicesOf(caches, key, sliceManager) };
  },
  decide({ service, groups, slices }) {
    if (service.spec?.type === "ExternalName") {
      return { actions: slices.map((object) => ({ type: "delete", kind: EndpointSlice, object })) };
    }
    return { actions: planSlices(sliceOwnerOf(service, sliceManager), groups, slices) };
  },
});

interface EndpointsObserved {
  readonly service: Service | undefined;
  readonly groups: readonly EndpointGroup[];
  readonly endpoints: Endpoints | undefined;
}

export const endpoints = defineController<EndpointsObserved>({
  name: "endpoint-controller",
  primary: Service,
  watches: [podsWakeServices, sameName(Endpoints)],
  observe(key, caches) {
    const service = caches.of(Service).get(key);
    const known = caches.of(Endpoints).get(key);
    if (!service) return known ? { service, groups: [], endpoints: known } : undefined;
    if (!isSelecting(service) || service.spec?.type === "ExternalName") return undefined;
    return { service, groups: groupsOf(caches, service), endpoints: known };
  },
  decide({ service, groups, endpoints: known }) {
    if (service) return { actions: planEndpoints(service, groups, known) };
    if (known?.metadata.labels?.[endpointsManagedBy] !== endpointsManager) return nothing;
    return { actions: [{ type: "delete", kind: Endpoints, object: known }] };
  },
});
