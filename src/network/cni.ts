// The pod network of one node: the bridge with its routes, made before any pod exists, and the CNI configuration that
// joins pods to it.
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, runOrThrow } from "../host/run.ts";
import { allowForwarding, forbidForwarding } from "./forwarding.ts";
import { addressAt, formatCidr, overlaps, parseCidr, requireCidr } from "./address.ts";

export interface PodNetworkOptions {
  /** Name of the bridge, at most 15 characters, unique per cluster on a machine. */
  readonly bridge: string;
  /** Range of this node's pods; its first address is the bridge's own (the pods' gateway). */
  readonly podCidr: string;
  /** Range of all nodes' pods; `podCidr` when there is one node. */
  readonly clusterCidr?: string;
  readonly serviceCidr: string;
  /** Service addresses that this node answers itself (the cluster DNS address): bound to the bridge. */
  readonly localServiceAddresses?: readonly string[];
  readonly mtu?: number;
}

export interface PodNetwork {
  readonly gateway: string;
  /** False when bridged packets escape the NAT rules, so that the proxy must masquerade between pods of this node. */
  readonly bridgeNetfilter: boolean;
}

/** A line of `ip -json route show table all`. */
export interface Route {
  readonly type?: string;
  readonly dst: string;
  readonly dev?: string;
}

/** A range that the machine uses already. The message names both sides and what to do. */
class AddressConflictError extends Error {}

/** Last in preference: any real route to the pod range wins, only its absence is answered "unreachable". */
const unreachableMetric = 4278198272;

/** Complaints about ranges that overlap with what the machine routes already; our own routes of an earlier run aside. */
export function findConflicts(options: PodNetworkOptions, routes: readonly Route[]): string[] {
  const clusterCidr = requireCidr(options.clusterCidr ?? options.podCidr, "pod range");
  const podCidr = requireCidr(options.podCidr, "pod range of the node");
  const serviceCidr = requireCidr(options.serviceCidr, "service range");
  const conflicts: string[] = [];
  if (overlaps(clusterCidr, serviceCidr) || overlaps(podCidr, serviceCidr))
    conflicts.push(`the pod range ${formatCidr(clusterCidr)} and the service range ${options.serviceCidr} overlap`);
  for (const route of routes) {
    const range = route.dst === "default" ? undefined : parseCidr(route.dst);
    if (!range || range.prefix === 0 || route.dev === options.bridge) continue;
    if (route.type === "multicast" || route.type === "broadcast") continue;
    if (route.type === "unreachable" && route.dst === formatCidr(clusterCidr)) continue;
    const where = route.dev ? `interface ${route.dev}` : `a route of type ${route.type ?? "unicast"}`;
    if (overlaps(clusterCidr, range))
      conflicts.push(`the pod range ${formatCidr(clusterCidr)} overlaps ${route.dst}, which ${where} uses`);
    if (overlaps(serviceCidr, range))
      conflicts.push(`the service range ${formatCidr(serviceCidr)} overlaps ${route.dst}, which ${where} uses`);
  }
  return [...new Set(conflicts)];
}

/** Lines for `ip -batch -` that make the bridge with its addresses and routes; they change nothing when all is there. */
export function planPodNetwork(options: PodNetworkOptions, bridgeExists: boolean): string[] {
  const { bridge, mtu } = options;
  const podCidr = requireCidr(options.podCidr, "pod range of the node");
  const gateway = addressAt(podCidr, 1);
  // A fixed MAC: without one a bridge takes the lowest of its ports and changes it while pods hold the old one.
  const mac = ["0a", "58", ...gateway.split(".").map((part) => Number(part).toString(16).padStart(2, "0"))].join(":");
  return [
    ...(bridgeExists ? [] : [`link add name ${bridge} address ${mac} type bridge`]),
    `link set dev ${bridge}${mtu === undefined ? "" : ` mtu ${mtu}`} up`,
    `addr replace ${gateway}/${podCidr.prefix} brd + dev ${bridge}`,
    ...(options.localServiceAddresses ?? []).map((address) => `addr replace ${address}/32 dev ${bridge}`),
    `route replace unreachable ${formatCidr(requireCidr(options.clusterCidr ?? options.podCidr, "pod range"))} metric ${unreachableMetric}`,
    `route replace ${formatCidr(requireCidr(options.serviceCidr, "service range"))} dev ${bridge} src ${gateway}`,
  ];
}

/**
 * Makes the bridge, its routes and kernel settings, so that neither pod nor service addresses can leave the machine
 * unNATed. Safe to repeat. Throws AddressConflictError when the ranges are in use, CommandError when `ip` fails.
 */
export async function ensurePodNetwork(options: PodNetworkOptions): Promise<PodNetwork> {
  const { bridge } = options;
  if (!/^[a-zA-Z][a-zA-Z0-9_-]{0,14}$/.test(bridge))
    throw new Error(`${JSON.stringify(bridge)} is no name for a bridge`);
  const { stdout } = await runOrThrow("ip", ["-json", "-4", "route", "show", "table", "all"]);
  const conflicts = findConflicts(options, stdout.trim() ? (JSON.parse(stdout) as Route[]) : []);
  if (conflicts.length > 0)
    throw new AddressConflictError(`${conflicts.join("; ")}: choose other ranges (or remove the other cluster)`);
  const input = `${planPodNetwork(options, existsSync(`/sys/class/net/${bridge}`)).join("\n")}\n`;
  await runOrThrow("ip", ["-batch", "-"], { input });
  setKernel("/proc/sys/net/ipv4/ip_forward", "1");
  // NodePorts answer on 127.0.0.1 too; the proxy's table drops loopback addresses that come in from pods.
  setKernel(`/proc/sys/net/ipv4/conf/${bridge}/route_localnet`, "1");
  await allowForwarding(bridge);
  return {
    gateway: addressAt(requireCidr(options.podCidr, "pod range"), 1),
    bridgeNetfilter: await filterBridge(bridge),
  };
}

/** Lets NAT see packets between two pods of the bridge: without it, answers bypass the translation of service addresses. */
async function filterBridge(bridge: string): Promise<boolean> {
  const global = "/proc/sys/net/bridge/bridge-nf-call-iptables";
  if (!existsSync(global)) await run("modprobe", ["br_netfilter"]).catch(() => undefined);
  return existsSync(global) && setKernel(`/sys/class/net/${bridge}/bridge/nf_call_iptables`, "1");
}

function setKernel(file: string, value: string): boolean {
  try {
    writeFileSync(file, value);
    return true;
  } catch {
    return false;
  }
}

/** Removes the bridge and its routes. Nothing happens when they are gone already. */
export async function removePodNetwork(
  options: Pick<PodNetworkOptions, "bridge" | "podCidr" | "clusterCidr">,
): Promise<void> {
  const range = formatCidr(requireCidr(options.clusterCidr ?? options.podCidr, "pod range"));
  const input = `link del dev ${options.bridge}\nroute del unreachable ${range} metric ${unreachableMetric}\n`;
  await run("ip", ["-force", "-batch", "-"], { input });
  await forbidForwarding(options.bridge);
}

export interface CniConfigOptions {
  /** Directory that the container runtime reads; only this cluster's. */
  readonly confDir: string;
  /** Where address reservations are kept. They must not outlive the pods: a directory below /run is right. */
  readonly dataDir: string;
  readonly networkName: string;
  readonly bridge: string;
  readonly podCidr: string;
  readonly mtu?: number;
}

/** The CNI configuration list as a plain object. Host ports and masquerading are the proxy's, so no plugin for them. */
export function renderCniConfig(options: Omit<CniConfigOptions, "confDir">): object {
  const subnet = requireCidr(options.podCidr, "pod range of the node");
  return {
    cniVersion: "0.4.0",
    name: options.networkName,
    plugins: [
      {
        type: "bridge",
        bridge: options.bridge,
        isGateway: true,
        ipMasq: false,
        hairpinMode: true,
        ...(options.mtu === undefined ? {} : { mtu: options.mtu }),
        ipam: {
          type: "host-local",
          dataDir: options.dataDir,
          ranges: [[{ subnet: formatCidr(subnet), gateway: addressAt(subnet, 1) }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
    ],
  };
}

/** Writes the configuration for the container runtime and returns its path. */
export function writeCniConfig(options: CniConfigOptions): string {
  mkdirSync(options.confDir, { recursive: true });
  const file = join(options.confDir, "10-knarr.conflist");
  writeFileSync(`${file}.new`, `${JSON.stringify(renderCniConfig(options), undefined, 2)}\n`);
  renameSync(`${file}.new`, file);
  return file;
}
