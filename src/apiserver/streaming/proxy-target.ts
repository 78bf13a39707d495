// Where a proxied request goes: pod, service or node to an address, purely from stored objects.
// Follows kubernetes v1.36 pkg/registry/core/{pod,service,node} (ResourceLocation) and apimachinery/pkg/util/net (names).
import { BlockList, isIP } from "node:net";
import type { Node, Pod, Service } from "../../kinds/generated/core.v1.ts";
import type { EndpointSlice } from "../../kinds/generated/discovery.v1.ts";
import { badRequest, serviceUnavailable } from "../../machinery/errors.ts";

export interface ProxyTarget {
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
}

/** `[scheme:]name[:port]`; throws BadRequest. The port may be a name. */
export function splitName(text: string): { scheme: "http" | "https"; name: string; port: string } {
  const parts = text.split(":");
  const [first = "", second = "", third = ""] = parts;
  const [scheme, name, port] = parts.length >= 3 ? [first, second, third] : ["", first, second];
  if (parts.length > 3 || !name || (scheme !== "" && scheme !== "http" && scheme !== "https")) {
    throw badRequest(`invalid proxy request ${JSON.stringify(text)}`);
  }
  return { scheme: scheme === "https" ? "https" : "http", name, port };
}

const defaultPort = (scheme: string) => (scheme === "https" ? 443 : 80);

const refused = new BlockList();
refused.addSubnet("127.0.0.0", 8);
refused.addSubnet("169.254.0.0", 16);
refused.addSubnet("224.0.0.0", 4);
refused.addAddress("0.0.0.0");
refused.addAddress("::1", "ipv6");
refused.addAddress("::", "ipv6");
refused.addSubnet("fe80::", 10, "ipv6");
refused.addSubnet("ff00::", 8, "ipv6");

/** Addresses in objects come from others: the server's own interfaces must not be reachable through them. */
export function checkAddress(address: string): void {
  const family = isIP(address);
  if (family === 0 || refused.check(address, family === 6 ? "ipv6" : "ipv4")) throw badRequest("address not allowed");
}

export function podTarget(pod: Pod, scheme: "http" | "https", port: string): ProxyTarget {
  const { name } = pod.metadata;
  const host = pod.status?.podIP;
  if (!host) throw badRequest(`address not allowed: pod ${name} has no address yet`);
  checkAddress(host);
  const declared = pod.spec?.containers.find(({ ports }) => ports?.length)?.ports?.[0]?.containerPort;
  const number = port ? portNumber(port) : (declared ?? defaultPort(scheme));
  return { scheme, host, port: number };
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw badRequest(`invalid port ${JSON.stringify(text)}`);
  return port;
}

/** One ready endpoint of the service; `pick` is in 0 ≤ x < 1. Throws ServiceUnavailable when there is none. */
export function serviceTarget(
  service: Service,
  slices: readonly EndpointSlice[],
  { scheme, port, pick }: { readonly scheme: "http" | "https"; readonly port: string; readonly pick: number },
): ProxyTarget {
  const { name } = service.metadata;
  const declared = (service.spec?.ports ?? []).find((one) =>
    port === "" ? true : one.name === port || String(one.port) === port,
  );
  if (!declared)
    throw serviceUnavailable(`no service port ${JSON.stringify(port)} found for service ${JSON.stringify(name)}`);
  if (port === "" && (service.spec?.ports?.length ?? 0) > 1 && declared.name) {
    throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  }
  const candidates = slices.flatMap((slice) => {
    const number = slice.ports?.find((one) => (one.name ?? "") === (declared.name ?? ""))?.port;
    if (number == null) return [];
    const ready = (slice.endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
    return ready.flatMap(({ addresses }) => addresses.slice(0, 1).map((host) => ({ scheme, host, port: number })));
  });
  const chosen = candidates[Math.floor(pick * candidates.length)];
  if (!chosen) throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(name)}`);
  checkAddress(chosen.host);
  return chosen;
}

export function nodeTarget(node: Node, scheme: "http" | "https", port: string): ProxyTarget {
  const host = node.status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
  if (!host) throw badRequest(`node ${node.metadata.name} has no internal address`);
  checkAddress(host);
  return { scheme, host, port: portNumber(port) };
}
