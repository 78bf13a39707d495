// What one machine contributes to a cluster: pod network, container runtime, kubelet, Service rules, DNS and Ingress.
// It speaks to the cluster only through the client.
import { join } from "node:path";
import type { Client } from "./client/client.ts";
import { wellKnownAddresses, type ClusterSettings } from "./cluster.ts";
import { ensurePrivateDirectory } from "./host/private-directory.ts";
import { startContainerd } from "./kubelet/containerd.ts";
import { startKubelet, type Kubelet } from "./kubelet/kubelet.ts";
import type { Clock } from "./machinery/clock.ts";
import type { Logger } from "./machinery/log.ts";
import { ensurePodNetwork, writeCniConfig, type PodNetwork } from "./network/cni.ts";
import { startDns } from "./network/dns/server.ts";
import { startIngress } from "./network/ingress/ingress.ts";
import { startServiceProxy } from "./network/proxy/proxy.ts";

export interface NodeOptions {
  readonly settings: ClusterSettings;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly network: PodNetwork;
  readonly onProgress: (step: string) => void;
}

/** Where a cluster's sockets and volatile runtime state live: gone with the machine's boot, short enough for a socket. */
export const runDirectory = (settings: Pick<ClusterSettings, "name">): string => `/run/knarr/${settings.name}`;

export const containerdSocket = (settings: ClusterSettings): string =>
  settings.containerRuntimeEndpoint?.replace(/^unix:\/\//, "") ?? join(runDirectory(settings), "containerd.sock");

/** The bridge, its routes and the CNI configuration. The first thing a node makes, so that no address ever leaks. */
export async function prepareNetwork(settings: ClusterSettings): Promise<PodNetwork> {
  const { bridge, podCidr, serviceCidr, name } = settings;
  ensurePrivateDirectory(runDirectory(settings));
  const network = await ensurePodNetwork({
    bridge,
    podCidr,
    serviceCidr,
    localServiceAddresses: [wellKnownAddresses(settings).dns],
  });
  writeCniConfig({
    confDir: join(runDirectory(settings), "cni"),
    dataDir: join(runDirectory(settings), "addresses"),
    networkName: `knarr-${name}`,
    bridge,
    podCidr,
  });
  return network;
}

/** A private containerd for the settings, or nothing when a runtime is given. */
export async function ensureRuntime(
  options: Omit<NodeOptions, "onProgress" | "network">,
): Promise<{ stop(): Promise<void> } | undefined> {
  const { settings, dataDir, clock, log } = options;
  if (settings.containerRuntimeEndpoint) return undefined;
  const registryConfigDir = join(dataDir, "registries");
  return startContainerd({
    dir: join(dataDir, "containerd"),
    stateDir: join(runDirectory(settings), "containerd"),
    socket: containerdSocket(settings),
    cniConfDir: join(runDirectory(settings), "cni"),
    cniBinDir: "/usr/lib/cni",
    registryConfigDir,
    clock,
    log: log.child({ component: "containerd" }),
  });
}

export interface RunningNode extends AsyncDisposable {
  readonly kubelet: Kubelet;
}

/** Starts everything of this machine; resolves when each part works. Disposing leaves containers and rules in place. */
export async function startNode(client: Client, options: NodeOptions): Promise<RunningNode> {
  const { settings, dataDir, clock, log, onProgress } = options;
  const stop = new AbortController();
  const shared = { clock, signal: stop.signal };
  const { dns: dnsAddress, gateway } = wellKnownAddresses(settings);
  ensurePrivateDirectory(join(dataDir, "volumes"));
  const component = (name: string) => ({ ...shared, client: client.as(name), log: log.child({ component: name }) });

  const proxy = startServiceProxy({
    ...component("kube-proxy"),
    nodeName: settings.nodeName,
    nodeAddresses: [settings.nodeAddress],
    table: settings.nftTable,
    podCidr: settings.podCidr,
    serviceCidr: settings.serviceCidr,
    bridge: settings.bridge,
    bridgeNetfilter: options.network.bridgeNetfilter,
    localServiceAddresses: [dnsAddress],
    listeners: ["127.0.0.1", gateway].map((address) => `${address} . ${settings.apiPort}`),
  }).then((started) => (onProgress("Services: nftables rules are in place"), started));
  const dns = startDns({
    ...component("dns"),
    address: dnsAddress,
    clusterDomain: settings.clusterDomain,
    ranges: [settings.podCidr, settings.serviceCidr],
  }).then((started) => (onProgress(`DNS answers on ${dnsAddress}`), started));
  const runtime = ensureRuntime(options).then(() => onProgress("container runtime is ready"));
  const kubelet = runtime.then(() =>
    startKubelet({
      ...component("kubelet"),
      nodeName: settings.nodeName,
      nodeIP: settings.nodeAddress,
      dataDir: join(dataDir, "kubelet"),
      runtimeEndpoint: `unix://${containerdSocket(settings)}`,
      cgroupRoot: settings.cgroupRoot,
      clusterDns: dnsAddress,
      clusterDomain: settings.clusterDomain,
      maxPods: 110,
    }),
  );
  const ingress = startIngress({
    ...component("ingress"),
    httpPort: settings.httpPort,
    httpsPort: settings.httpsPort,
    bind: ["0.0.0.0"],
    addresses: [settings.nodeAddress],
    nodeName: settings.nodeName,
    dataDir: join(dataDir, "ingress"),
  }).then((started) => {
    const { httpPort, httpsPort } = settings;
    onProgress(started.problem ?? `Ingress will listen on ports ${httpPort} and ${httpsPort} once there is one`);
    return started;
  });
  const parts: AsyncDisposable[] = [];
  for (const part of await Promise.allSettled([proxy, dns, ingress, kubelet])) {
    if (part.status === "fulfilled") parts.push(part.value);
    else {
      stop.abort();
      await Promise.all(parts.map((p) => p[Symbol.asyncDispose]()));
      throw part.reason;
    }
  }
  return {
    kubelet: await kubelet,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all(parts.map((part) => part[Symbol.asyncDispose]()));
    },
  };
}
