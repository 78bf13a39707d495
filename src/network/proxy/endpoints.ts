// Which endpoints of a Service port take traffic. Follows kubernetes v1.36 pkg/proxy/topology.go (CategorizeEndpoints).
import type { ServicePort } from "../../kinds/generated/core.v1.ts";
import type { Endpoint, EndpointSlice } from "../../kinds/generated/discovery.v1.ts";

export interface Backend {
  readonly address: string;
  readonly port: number;
}

/** Where the traffic comes in: endpoints of this node count as local, hints name this node or its zone. */
export interface Place {
  readonly nodeName: string;
  readonly zone?: string;
}

export interface Backends {
  /** For traffic that may go to any node. */
  readonly cluster: readonly Backend[];
  /** Those on this node, for traffic policy Local. */
  readonly local: readonly Backend[];
}

type Candidate = Backend & { readonly endpoint: Endpoint };

const isReady = (endpoint: Endpoint) => endpoint.conditions?.ready ?? true;
const isServing = (endpoint: Endpoint) => endpoint.conditions?.serving ?? isReady(endpoint);
const isTerminating = (endpoint: Endpoint) => endpoint.conditions?.terminating ?? false;

/** The backends of a port, each once, ordered by address and port. */
export function selectBackends(slices: readonly EndpointSlice[], port: ServicePort, place: Place): Backends {
  const candidates = slices.flatMap((slice) => candidatesOf(slice, port));
  const local = candidates.filter(({ endpoint }) => endpoint.nodeName === place.nodeName);
  return { cluster: tidy(nearby(usable(candidates), place)), local: tidy(usable(local)) };
}

function candidatesOf(slice: EndpointSlice, port: ServicePort): Candidate[] {
  if (slice.addressType !== "IPv4") return [];
  const found = slice.ports?.find(
    (p) => (p.name ?? "") === (port.name ?? "") && (p.protocol ?? "TCP") === (port.protocol ?? "TCP"),
  );
  if (found?.port === undefined) return [];
  const number = found.port;
  return (slice.endpoints ?? []).flatMap((endpoint) => {
    const address = endpoint.addresses[0];
    return address === undefined ? [] : [{ address, port: number, endpoint }];
  });
}

/** The ready ones; when there is none, those that still serve while they terminate. */
function usable(candidates: readonly Candidate[]): readonly Candidate[] {
  const ready = candidates.filter(({ endpoint }) => isReady(endpoint));
  return ready.length > 0 ? ready : candidates.filter(({ endpoint }) => isServing(endpoint) && isTerminating(endpoint));
}

/** Those meant for this node or zone, provided that every endpoint carries such a hint and one is meant for us. */
function nearby(candidates: readonly Candidate[], { nodeName, zone }: Place): readonly Candidate[] {
  const forNode = (c: Candidate) => c.endpoint.hints?.forNodes;
  if (candidates.length > 0 && candidates.every((c) => forNode(c)?.length)) {
    const near = candidates.filter((c) => forNode(c)!.some(({ name }) => name === nodeName));
    if (near.length > 0) return near;
  }
  const forZone = (c: Candidate) => c.endpoint.hints?.forZones;
  if (zone !== undefined && candidates.length > 0 && candidates.every((c) => forZone(c)?.length)) {
    const near = candidates.filter((c) => forZone(c)!.some(({ name }) => name === zone));
    if (near.length > 0) return near;
  }
  return candidates;
}

function tidy(candidates: readonly Candidate[]): Backend[] {
  const unique = new Map(candidates.map(({ address, port }) => [formatBackend({ address, port }), { address, port }]));
  return [...unique].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, backend]) => backend);
}

export const formatBackend = ({ address, port }: Backend): string => `${address}:${port}`;
