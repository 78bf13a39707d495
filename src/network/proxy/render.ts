// Services and pods with host ports → fragments of the nftables table. Pure. Chain and set names spell out namespace, name,
// protocol and port, so that `nft list table` reads like the cluster.
import { isFinished } from "../../kinds/core/node-room.ts";
import { isSidecar } from "../../kinds/core/pod/resources.ts";
import type { Pod, Service, ServicePort } from "../../kinds/generated/core.v1.ts";
import type { EndpointSlice } from "../../kinds/generated/discovery.v1.ts";
import { parseAddress, parseCidr, contains, formatCidr } from "../address.ts";
import { type Backend, type Backends, formatBackend, type Place, selectBackends } from "./endpoints.ts";
import { emptyFragment, type Fragment, FragmentBuilder } from "./fragment.ts";

export interface RenderContext extends Place {
  /** Range of this node's pods. */
  readonly podCidr: string;
  /** Range of all nodes' pods; `podCidr` when there is one node. */
  readonly clusterCidr?: string;
  readonly serviceCidr: string;
  /** Addresses that Services of type LoadBalancer get. */
  readonly nodeAddresses?: readonly string[];
  /** Service addresses that a process of this node answers itself (cluster DNS): never translated. */
  readonly localServiceAddresses?: readonly string[];
}

const defaultAffinitySeconds = 10800;

/** One port of a Service with everything its rules need. */
interface PortView {
  readonly title: string;
  readonly protocol: string;
  readonly port: ServicePort;
  readonly backends: Backends;
  readonly affinitySeconds: number | undefined;
}

/** What a Service adds to the table; empty for headless and ExternalName Services. */
export function renderService(service: Service, slices: readonly EndpointSlice[], context: RenderContext): Fragment {
  const spec = service.spec;
  if (!spec || spec.type === "ExternalName" || !spec.clusterIP || spec.clusterIP === "None") return emptyFragment;
  const out = new FragmentBuilder();
  for (const port of spec.ports ?? []) renderPort(out, service, portView(service, port, slices, context), context);
  return out;
}

function portView(service: Service, port: ServicePort, slices: readonly EndpointSlice[], place: Place): PortView {
  const protocol = (port.protocol ?? "TCP").toLowerCase();
  const { namespace, name } = service.metadata;
  return {
    title: `${namespace}/${name}/${protocol}/${port.port}`,
    protocol,
    port,
    backends: selectBackends(slices, port, place),
    affinitySeconds:
      service.spec?.sessionAffinity === "ClientIP"
        ? (service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds)
        : undefined,
  };
}

function renderPort(out: FragmentBuilder, service: Service, view: PortView, context: RenderContext): void {
  const spec = service.spec!;
  const { protocol, port, backends } = view;
  const internalLocal = spec.internalTrafficPolicy === "Local";
  const cluster = renderBalancer(out, "cluster", view, backends.cluster);
  const wantsLocal = internalLocal || (spec.externalTrafficPolicy === "Local" && isExternal(service));
  const local = wantsLocal ? renderBalancer(out, "local", view, backends.local) : undefined;
  renderPlaces(out, backends, context);

  const clusterIps = (spec.clusterIPs ?? [spec.clusterIP!]).filter((ip) => parseAddress(ip) !== undefined);
  for (const ip of clusterIps) {
    if (context.localServiceAddresses?.includes(ip)) continue;
    // Without an element the address stays as it is, and the table's filter refuses it.
    const verdict = internalLocal ? (local ?? (cluster && "drop")) : cluster;
    if (!verdict) continue;
    out.element("service-ips", `${ip} . ${protocol} . ${port.port}`, verdict);
    if (protocol === "udp") noteUdp(out, `${ip}:${port.port}`, internalLocal ? backends.local : backends.cluster);
  }
  if (isExternal(service)) renderExternal(out, service, view, cluster, local, context);
}

const isExternal = (service: Service) =>
  service.spec?.type === "NodePort" ||
  service.spec?.type === "LoadBalancer" ||
  (service.spec?.externalIPs?.length ?? 0) > 0;

/** Ways in from outside: external addresses, the load balancer's and the node port. */
function renderExternal(
  out: FragmentBuilder,
  service: Service,
  view: PortView,
  cluster: string | undefined,
  local: string | undefined,
  context: RenderContext,
): void {
  const spec = service.spec!;
  const { protocol, port, title } = view;
  const targets = spec.externalTrafficPolicy === "Local" ? view.backends.local : view.backends.cluster;
  let verdict = cluster;
  if (cluster && spec.externalTrafficPolicy === "Local") {
    // Whoever is inside the cluster may use any endpoint: only outside clients have a source address worth keeping.
    const rules = [`ip saddr ${context.podCidr} ${cluster}`, `fib saddr type local ${cluster}`, local ?? "drop"];
    out.chains.set(`external/${title}`, rules);
    verdict = `goto external/${title}`;
  }
  const offer = (address: string, to: string | undefined) => {
    if (isInside(address, context) && !context.nodeAddresses?.includes(address)) return;
    const key = `${address} . ${protocol} . ${port.port}`;
    if (to) out.element("service-ips", key, to);
    else out.element("refused-ips", key);
    if (to && protocol === "udp") noteUdp(out, `${address}:${port.port}`, targets);
  };
  for (const ip of spec.externalIPs ?? []) if (parseAddress(ip) !== undefined) offer(ip, verdict);
  if (spec.type === "LoadBalancer") {
    const restricted = verdict && restrictSources(out, service, view, verdict);
    for (const ip of loadBalancerAddresses(service)) offer(ip, restricted);
  }
  if (!port.nodePort || (spec.type !== "NodePort" && spec.type !== "LoadBalancer")) return;
  if (verdict) out.element("node-ports", `${protocol} . ${port.nodePort}`, verdict);
  else out.element("refused-ports", `${protocol} . ${port.nodePort}`);
  if (verdict && protocol === "udp") noteUdp(out, `:${port.nodePort}`, targets);
}

/** Addresses of pods and Services are theirs alone: no other Service can take what is sent to them. */
const isInside = (address: string, { podCidr, clusterCidr = podCidr, serviceCidr }: RenderContext): boolean =>
  [clusterCidr, serviceCidr].some((range) => contains(parseCidr(range)!, parseAddress(address)!));

const loadBalancerAddresses = (service: Service): string[] =>
  (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode }) =>
    ip !== undefined && ipMode !== "Proxy" && parseAddress(ip) !== undefined ? [ip] : [],
  );

/** Puts loadBalancerSourceRanges before the load balancer's verdict; ranges that are no IPv4 ranges admit nobody. */
function restrictSources(out: FragmentBuilder, service: Service, view: PortView, verdict: string): string {
  const given = (service.spec?.loadBalancerSourceRanges ?? []).map((range) => range.trim());
  const ranges = given.flatMap((range) => parseCidr(range) ?? []);
  if (given.length === 0 || ranges.some(({ prefix }) => prefix === 0)) return verdict;
  const allowed = ranges.map((range) => `ip saddr ${formatCidr(range)} ${verdict}`);
  out.chains.set(`balancer/${view.title}`, [...allowed, "drop"]);
  return `goto balancer/${view.title}`;
}

/** The chain that spreads connections over backends; returns the verdict that leads there, undefined without backends. */
function renderBalancer(
  out: FragmentBuilder,
  scope: "cluster" | "local",
  view: PortView,
  backends: readonly Backend[],
): string | undefined {
  if (backends.length === 0) return undefined;
  const name = `${scope}/${view.title}`;
  out.chains.set(name, view.affinitySeconds === undefined ? spread(view, backends) : stick(out, view, backends));
  return `goto ${name}`;
}

function spread({ protocol }: PortView, backends: readonly Backend[]): string[] {
  if (backends.length === 1) return [`meta l4proto ${protocol} dnat to ${formatBackend(backends[0]!)}`];
  const choices = backends.map(({ address, port }, index) => `${index} : ${address} . ${port}`).join(", ");
  return [`meta l4proto ${protocol} dnat to numgen random mod ${backends.length} map { ${choices} }`];
}

/** Session affinity: each backend has a set of the clients it served last, renewed with every new connection. */
function stick(out: FragmentBuilder, view: PortView, backends: readonly Backend[]): string[] {
  const rules: string[] = [];
  const choices: string[] = [];
  for (const [index, backend] of backends.entries()) {
    const suffix = `${view.title}/${backend.address}/${backend.port}`;
    const clients = `clients/${suffix}/${view.affinitySeconds}`;
    out.sets.set(clients, `type ipv4_addr; flags dynamic,timeout; timeout ${view.affinitySeconds}s;`);
    out.chains.set(`backend/${suffix}`, [
      `update @${clients} { ip saddr } meta l4proto ${view.protocol} dnat to ${formatBackend(backend)}`,
    ]);
    rules.push(`ip saddr @${clients} goto backend/${suffix}`);
    choices.push(`${index} : goto backend/${suffix}`);
  }
  return [...rules, `numgen random mod ${backends.length} vmap { ${choices.join(", ")} }`];
}

/**
 * Lists the endpoints by where they are: a pod that reaches itself through a Service must see another source address
 * than its own, and endpoints elsewhere must answer through this node.
 */
function renderPlaces(out: FragmentBuilder, backends: Backends, context: RenderContext): void {
  const pods = parseCidr(context.podCidr);
  for (const { address } of [...backends.cluster, ...backends.local]) {
    const value = parseAddress(address);
    if (!pods || value === undefined) continue;
    if (contains(pods, value)) out.element("hairpin", `${address} . ${address}`);
    else out.element("elsewhere", address);
  }
}

const noteUdp = (out: FragmentBuilder, front: string, backends: readonly Backend[]) =>
  out.udpFlow(
    front,
    backends.map(({ address }) => address),
  );

/** What a pod adds: its host ports, as long as it runs on this node in a network of its own. */
export function renderPod(pod: Pod, context: RenderContext): Fragment {
  const address = pod.status?.podIP;
  if (pod.spec?.nodeName !== context.nodeName || pod.spec.hostNetwork || !address || isFinished(pod))
    return emptyFragment;
  const out = new FragmentBuilder();
  const containers = [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? []).filter(isSidecar)];
  for (const { hostPort, containerPort, protocol = "TCP", hostIP } of containers.flatMap((c) => c.ports ?? [])) {
    if (!hostPort || parseAddress(address) === undefined) continue;
    const key = `${protocol.toLowerCase()} . ${hostPort}`;
    const anywhere = !hostIP || hostIP === "0.0.0.0" || hostIP === "::";
    if (anywhere) out.element("host-ports", key, `${address} . ${containerPort}`);
    else if (parseAddress(hostIP) !== undefined)
      out.element("host-ip-ports", `${hostIP} . ${key}`, `${address} . ${containerPort}`);
    out.element("hairpin", `${address} . ${address}`);
    if (protocol === "UDP") out.udpFlow(anywhere ? `:${hostPort}` : `${hostIP}:${hostPort}`, [address]);
  }
  return out;
}
