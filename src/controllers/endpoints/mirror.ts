// Mirrors Endpoints that people write themselves (for Services without selector) into EndpointSlices.
// Follows kubernetes v1.36 pkg/controller/endpointslicemirroring.
import type { EndpointAddress } from "../../kinds/generated/core.v1.ts";
import type { Endpoint, EndpointPort } from "../../kinds/generated/discovery.v1.ts";
import { Endpoints, EndpointSlice, Service } from "../../kinds/index.ts";
import { defineController, nothing, sameName, type Plan } from "../framework/controller.ts";
import { sliceIndexes, slicesOf, wakesService } from "./index.ts";
import { portsKey, type EndpointGroup } from "./desired.ts";
import { endpointsManagedBy } from "./legacy.ts";
import { planSlices, managedByLabel } from "./slices.ts";

const mirrorManager = "endpointslicemirroring-controller.k8s.io";
const skipMirror = "endpointslice.kubernetes.io/skip-mirror";
const leaderAnnotation = "control-plane.alpha.kubernetes.io/leader";

export interface MirrorObserved {
  readonly endpoints: Endpoints | undefined;
  readonly service: Service | undefined;
  readonly slices: readonly EndpointSlice[];
}

function groupsOf({ subsets = [] }: Endpoints): EndpointGroup[] {
  const groups = new Map<string, { ports: EndpointPort[]; endpoints: Endpoint[] }>();
  for (const { ports = [], addresses = [], notReadyAddresses = [] } of subsets) {
    const named = ports.map(({ name = "", ...port }) => ({ ...port, name }));
    const all = [...addresses.map(mirrored(true)), ...notReadyAddresses.map(mirrored(false))];
    const endpoints = all.filter(({ addresses: [ip] }) => !ip!.includes(":"));
    const group = groups.get(portsKey(named));
    if (group) group.endpoints.push(...endpoints);
    else groups.set(portsKey(named), { ports: named, endpoints });
  }
  return [...groups.values()].filter(({ endpoints }) => endpoints.length > 0);
}

const mirrored =
  (ready: boolean) =>
  ({ ip, hostname, nodeName, targetRef }: EndpointAddress): Endpoint => ({
    addresses: [ip],
    conditions: { ready },
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(targetRef ? { targetRef } : {}),
  });

function decideMirror({ endpoints, service, slices }: MirrorObserved): Plan {
  const wanted =
    endpoints &&
    service &&
    !service.spec?.selector &&
    endpoints.metadata.labels?.[skipMirror] !== "true" &&
    endpoints.metadata.labels?.[endpointsManagedBy] === undefined &&
    endpoints.metadata.annotations?.[leaderAnnotation] === undefined;
  if (!wanted) {
    return slices.length > 0
      ? { actions: slices.map((object) => ({ type: "delete", kind: EndpointSlice, object })) }
      : nothing;
  }
  const owner = {
    object: endpoints,
    service: service.metadata.name,
    labels: { ...endpoints.metadata.labels, [managedByLabel]: mirrorManager },
  };
  const groups = groupsOf(endpoints);
  if (groups.length === 0)
    return { actions: slices.map((object) => ({ type: "delete", kind: EndpointSlice, object })) };
  return { actions: planSlices(owner, groups, slices) };
}

export const endpointSliceMirroring = defineController<MirrorObserved>({
  name: "endpointslicemirroring-controller",
  primary: Endpoints,
  watches: [sameName(Service), wakesService],
  indexes: sliceIndexes,
  observe: (key, caches) => ({
    endpoints: caches.of(Endpoints).get(key),
    service: caches.of(Service).get(key),
    slices: slicesOf(caches, key, mirrorManager),
  }),
  decide: decideMirror,
});
