// The Endpoints object of a Service, for clients that do not read EndpointSlices.
// Follows kubernetes v1.36 pkg/controller/endpoint/endpoints_controller.go (subsets, labels, capacity).
import type { EndpointAddress, EndpointSubset } from "../../kinds/generated/core.v1.ts";
import type { Endpoint } from "../../kinds/generated/discovery.v1.ts";
import { Endpoints, type Service } from "../../kinds/index.ts";
import { semanticEqual } from "../../machinery/equal.ts";
import type { Action } from "../framework/controller.ts";
import { isHeadless, type EndpointGroup } from "./desired.ts";

export const endpointsManagedBy = "endpoints.kubernetes.io/managed-by";
export const endpointsManager = "endpoint-controller";
const headlessLabel = "service.kubernetes.io/headless";
const overCapacity = "endpoints.kubernetes.io/over-capacity";
const capacity = 1000;

function addressOf({ addresses, hostname, nodeName, targetRef }: Endpoint): EndpointAddress {
  return {
    ip: addresses[0]!,
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(targetRef ? { targetRef } : {}),
  };
}

const byAddress = (a: EndpointAddress, b: EndpointAddress): number => (a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : 0);

/** Endpoints that are on their way out are left out, unless the service publishes whatever there is. */
export function subsetsOf(service: Service, groups: readonly EndpointGroup[]): EndpointSubset[] {
  const publishAll = service.spec?.publishNotReadyAddresses === true;
  return groups.flatMap(({ ports, endpoints }) => {
    const shown = endpoints.filter(({ conditions }) => publishAll || !conditions?.terminating);
    const ready = shown.filter(({ conditions }) => conditions?.ready).map(addressOf);
    const notReady = shown.filter(({ conditions }) => !conditions?.ready).map(addressOf);
    if (shown.length === 0) return [];
    return [
      {
        ...(ready.length > 0 ? { addresses: ready.sort(byAddress) } : {}),
        ...(notReady.length > 0 ? { notReadyAddresses: notReady.sort(byAddress) } : {}),
        ports: ports.map(({ name, port, protocol, appProtocol }) => ({
          ...(name ? { name } : {}),
          port: port!,
          ...(protocol ? { protocol } : {}),
          ...(appProtocol ? { appProtocol } : {}),
        })),
      },
    ];
  });
}

/** Ready addresses first, until the object is full. */
function truncate(subsets: readonly EndpointSubset[]): { subsets: EndpointSubset[]; truncated: boolean } {
  let left = capacity;
  const take = (addresses: EndpointAddress[] | undefined) => {
    const taken = addresses?.slice(0, left);
    left -= taken?.length ?? 0;
    return taken;
  };
  const total = subsets.reduce((n, s) => n + (s.addresses?.length ?? 0) + (s.notReadyAddresses?.length ?? 0), 0);
  if (total <= capacity) return { subsets: [...subsets], truncated: false };
  const readyTaken = subsets.map(({ addresses }) => take(addresses));
  const cut = subsets.map((subset, i): EndpointSubset => {
    const notReady = take(subset.notReadyAddresses);
    return {
      ports: subset.ports!,
      ...(readyTaken[i]?.length ? { addresses: readyTaken[i] } : {}),
      ...(notReady?.length ? { notReadyAddresses: notReady } : {}),
    };
  });
  return { subsets: cut.filter((subset) => subset.addresses || subset.notReadyAddresses), truncated: true };
}

export function planEndpoints(
  service: Service,
  groups: readonly EndpointGroup[],
  known: Endpoints | undefined,
): Action[] {
  const { subsets, truncated } = truncate(subsetsOf(service, groups));
  const labels = {
    ...service.metadata.labels,
    [endpointsManagedBy]: endpointsManager,
    ...(isHeadless(service) ? { [headlessLabel]: "" } : {}),
  };
  const { [overCapacity]: _, ...annotations } = known?.metadata.annotations ?? {};
  if (truncated) annotations[overCapacity] = "truncated";
  const { name, namespace } = service.metadata;
  if (!known) {
    const metadata = { name, namespace: namespace!, labels, annotations };
    const object = { apiVersion: "v1", kind: "Endpoints", metadata, subsets };
    return [{ type: "create", kind: Endpoints, object }];
  }
  const same =
    semanticEqual(known.subsets, subsets) &&
    semanticEqual(known.metadata.labels, labels) &&
    semanticEqual(known.metadata.annotations, annotations);
  if (same) return [];
  const object: Endpoints = { ...known, metadata: { ...known.metadata, labels, annotations }, subsets };
  return [{ type: "update", kind: Endpoints, object }];
}
