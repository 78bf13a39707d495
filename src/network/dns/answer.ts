// What a cluster name means. Pure: a question and a read-only view of the cluster in, records out. Follows the Kubernetes
// DNS specification 1.1.0 and, where that leaves room, CoreDNS' kubernetes plugin (`pods insecure`).
import type { Record as DnsRecord, Question } from "dns-packet";
import type { Endpoint, EndpointSlice } from "../../kinds/generated/discovery.v1.ts";
import type { Service } from "../../kinds/generated/core.v1.ts";
import { contains, parseAddress, parseCidr } from "../address.ts";

/** What the server knows of the cluster. */
export interface Records {
  namespaceExists(name: string): boolean;
  service(namespace: string, name: string): Service | undefined;
  slices(namespace: string, service: string): readonly EndpointSlice[];
  serviceByAddress(address: string): Service | undefined;
  /** Slices with an endpoint at this address. */
  slicesByAddress(address: string): readonly EndpointSlice[];
}

export interface Zone {
  /** `cluster.local`, without a dot at the end. */
  readonly domain: string;
  /** Address of the cluster DNS, for the name server's own name. */
  readonly address: string;
  /** Pod and service ranges: unknown addresses of theirs are nobody's business outside. */
  readonly ranges: readonly string[];
}

export interface Answer {
  readonly rcode: "NOERROR" | "NXDOMAIN";
  readonly answers: readonly DnsRecord[];
  readonly additionals?: readonly DnsRecord[];
  /** The answer is a CNAME to this name, which is to be resolved as well. */
  readonly follow?: string;
}

/** Seconds that clients may keep an answer, positive or negative. */
const ttl = 5;

const absent: Answer = { rcode: "NXDOMAIN", answers: [] };
const nothing: Answer = { rcode: "NOERROR", answers: [] };
const found = (answers: readonly DnsRecord[], additionals?: readonly DnsRecord[]): Answer => ({
  rcode: "NOERROR",
  answers,
  ...(additionals?.length ? { additionals } : {}),
});

/** The start of authority that goes with every negative answer. */
export const startOfAuthority = ({ domain }: Zone): DnsRecord => ({
  name: domain,
  type: "SOA",
  ttl,
  data: {
    mname: `ns.dns.${domain}`,
    rname: `hostmaster.${domain}`,
    serial: 1,
    refresh: 7200,
    retry: 1800,
    expire: 86400,
    minimum: ttl,
  },
});

/** The answer for a name of the cluster, or undefined when the name is somebody else's (to be forwarded). */
export function answer(question: Question, records: Records, zone: Zone): Answer | undefined {
  const name = question.name.toLowerCase().replace(/\.$/, "");
  if (name.endsWith(".in-addr.arpa")) return reverse(question, name, records, zone);
  if (name !== zone.domain && !name.endsWith(`.${zone.domain}`)) return undefined;
  const labels = name === zone.domain ? [] : name.slice(0, -zone.domain.length - 1).split(".");
  const last = labels.at(-1);
  if (last === undefined) return apex(question, zone);
  if (last === "svc") return serviceName(question, labels.slice(0, -1), records, zone);
  if (last === "pod") return podName(question, labels.slice(0, -1), records);
  if (last === "dns" && (labels.length === 1 || (labels.length === 2 && labels[0] === "ns")))
    return labels.length === 2 && question.type === "A" ? found([address(question, zone.address)]) : nothing;
  if (last === "dns-version" && labels.length === 1)
    return question.type === "TXT" ? found([{ name: question.name, type: "TXT", ttl, data: "1.1.0" }]) : nothing;
  return absent;
}

const address = ({ name }: { name: string }, data: string): DnsRecord => ({ name, type: "A", ttl, data });

function apex(question: Question, zone: Zone): Answer {
  if (question.type === "SOA") return found([startOfAuthority(zone)]);
  if (question.type === "NS") return found([{ name: question.name, type: "NS", ttl, data: `ns.dns.${zone.domain}` }]);
  return nothing;
}

/** `1-2-3-4.namespace.pod`: any address, as long as the namespace exists. */
function podName(question: Question, labels: readonly string[], records: Records): Answer {
  const [namespace, dashed, ...more] = labels.toReversed();
  if (namespace === undefined) return nothing;
  if (!records.namespaceExists(namespace)) return absent;
  if (dashed === undefined) return nothing;
  const value = dashed.replaceAll("-", ".");
  if (more.length > 0 || parseAddress(value) === undefined) return absent;
  return question.type === "A" ? found([address(question, value)]) : nothing;
}

/** `[endpoint. | _port._protocol.]service.namespace.svc`. */
function serviceName(question: Question, labels: readonly string[], records: Records, zone: Zone): Answer {
  const [namespace, name, ...rest] = labels.toReversed();
  if (namespace === undefined) return nothing;
  if (name === undefined) return records.namespaceExists(namespace) ? nothing : absent;
  const service = records.service(namespace, name);
  if (!service) return absent;
  if (service.spec?.type === "ExternalName") return externalName(question, service, rest);
  const view: ServiceView = {
    service,
    base: `${name}.${namespace}.svc.${zone.domain}`,
    endpoints: isHeadless(service) ? endpointsOf(service, records.slices(namespace, name)) : [],
  };
  if (rest.length === 0) return wholeService(question, view);
  const [outer, inner] = rest.toReversed();
  if (rest.length === 2 && outer!.startsWith("_") && inner!.startsWith("_"))
    return portRecords(question, view, { port: outer!.slice(1), protocol: inner!.slice(1) });
  if (rest.length !== 1) return absent;
  const hosts = view.endpoints.filter((endpoint) => endpoint.host === outer);
  if (hosts.length === 0) return absent;
  return question.type === "A" ? found(unique(hosts).map((host) => address(question, host.address))) : nothing;
}

interface EndpointView {
  /** Its label below the Service's name: the pod's hostname, or its address with dashes. */
  readonly host: string;
  readonly address: string;
  readonly ports: readonly PortView[];
}

interface PortView {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

interface ServiceView {
  readonly service: Service;
  readonly base: string;
  /** Of headless Services only. */
  readonly endpoints: readonly EndpointView[];
}

const isHeadless = (service: Service) => !service.spec?.clusterIP || service.spec.clusterIP === "None";

const hostOf = (endpoint: Endpoint, ip: string) => endpoint.hostname || ip.replaceAll(".", "-");

function endpointsOf(service: Service, slices: readonly EndpointSlice[]): EndpointView[] {
  const all = service.spec?.publishNotReadyAddresses ?? false;
  return slices.flatMap((slice) => {
    if (slice.addressType !== "IPv4") return [];
    const ports = (slice.ports ?? []).flatMap(({ name, protocol, port }) =>
      port === undefined ? [] : [{ name: name ?? "", protocol: (protocol ?? "TCP").toLowerCase(), port }],
    );
    return (slice.endpoints ?? [])
      .filter(({ conditions }) => all || (conditions?.ready ?? true))
      .flatMap((endpoint) => endpoint.addresses.map((ip) => ({ host: hostOf(endpoint, ip), address: ip, ports })));
  });
}

const unique = (endpoints: readonly EndpointView[]): EndpointView[] => [
  ...new Map(endpoints.map((endpoint) => [endpoint.address, endpoint])).values(),
];

function wholeService(question: Question, view: ServiceView): Answer {
  if (question.type === "SRV") return serviceRecords(question, view, () => true);
  if (question.type !== "A") return nothing;
  const { spec } = view.service;
  if (isHeadless(view.service)) return found(unique(view.endpoints).map((e) => address(question, e.address)));
  return parseAddress(spec!.clusterIP!) === undefined ? nothing : found([address(question, spec!.clusterIP!)]);
}

function portRecords(question: Question, view: ServiceView, named: { port: string; protocol: string }): Answer {
  const matches = (p: PortView) => p.name === named.port && p.protocol === named.protocol;
  const result = serviceRecords(question, view, matches);
  if (result.answers.length === 0) return absent;
  return question.type === "SRV" ? result : nothing;
}

/** One SRV per port and target, with the targets' addresses alongside. */
function serviceRecords(question: Question, view: ServiceView, matches: (port: PortView) => boolean): Answer {
  const { service, base } = view;
  const srv = (port: number, target: string): DnsRecord => ({
    name: question.name,
    type: "SRV",
    ttl,
    data: { priority: 0, weight: 100, port, target },
  });
  if (!isHeadless(service)) {
    const ports = (service.spec?.ports ?? []).map(({ name, protocol, port }) => ({
      name: name ?? "",
      protocol: (protocol ?? "TCP").toLowerCase(),
      port,
    }));
    const answers = ports.filter(matches).map(({ port }) => srv(port, base));
    return found(answers, answers.length > 0 ? [address({ name: base }, service.spec!.clusterIP!)] : []);
  }
  const answers = new Map<string, DnsRecord>();
  const addresses = new Map<string, DnsRecord>();
  for (const endpoint of view.endpoints) {
    const target = `${endpoint.host}.${base}`;
    for (const { port } of endpoint.ports.filter(matches)) {
      answers.set(`${port} ${target}`, srv(port, target));
      addresses.set(`${target} ${endpoint.address}`, address({ name: target }, endpoint.address));
    }
  }
  return found([...answers.values()], [...addresses.values()]);
}

function externalName(question: Question, service: Service, rest: readonly string[]): Answer {
  const target = service.spec?.externalName?.replace(/\.$/, "");
  if (rest.length > 0 || !target) return absent;
  const alias: DnsRecord = { name: question.name, type: "CNAME", ttl, data: target };
  return { ...found([alias]), ...(question.type === "CNAME" ? {} : { follow: target }) };
}

/** `4.3.2.1.in-addr.arpa`: cluster addresses, then endpoints of headless Services. */
function reverse(question: Question, name: string, records: Records, zone: Zone): Answer | undefined {
  const ip = name.slice(0, -".in-addr.arpa".length).split(".").toReversed().join(".");
  const value = parseAddress(ip);
  if (value === undefined) return undefined;
  const pointer = (data: string): DnsRecord => ({ name: question.name, type: "PTR", ttl, data });
  const names = reverseNames(ip, records, zone);
  if (names.length > 0) return question.type === "PTR" ? found(names.map(pointer)) : nothing;
  const ours = zone.ranges.some((range) => contains(parseCidr(range) ?? { base: 0, prefix: 32 }, value));
  return ours ? absent : undefined;
}

function reverseNames(ip: string, records: Records, zone: Zone): string[] {
  const fqdn = ({ metadata }: Service) => `${metadata.name}.${metadata.namespace}.svc.${zone.domain}`;
  const owner = records.serviceByAddress(ip);
  if (owner) return [fqdn(owner)];
  if (ip === zone.address) return [`ns.dns.${zone.domain}`];
  const names = records.slicesByAddress(ip).flatMap((slice) => {
    const { namespace = "", labels } = slice.metadata;
    const service = records.service(namespace, labels?.["kubernetes.io/service-name"] ?? "");
    if (!service || !isHeadless(service)) return [];
    return endpointsOf(service, [slice]).flatMap((e) => (e.address === ip ? [`${e.host}.${fqdn(service)}`] : []));
  });
  return [...new Set(names)];
}
