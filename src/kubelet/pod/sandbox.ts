// The CRI configuration of a pod's sandbox. Follows kubernetes v1.36 pkg/kubelet/kuberuntime/kuberuntime_sandbox.go
// (generatePodSandboxConfig) and pkg/kubelet/network/dns/dns.go (GetPodDNS).
import { join } from "node:path";
import type { Pod, PodSpec } from "../../kinds/generated/core.v1.ts";
import type { DNSConfig, NamespaceOption, PodSandboxConfig, PortMapping, SecurityProfile } from "../cri/types.ts";
import {
  type AnyContainer,
  podGraceAnnotation,
  podNameLabel,
  podNamespaceLabel,
  podUidLabel,
  specOf,
} from "./model.ts";
import { ConfigError } from "../environment/env.ts";

export interface HostResolver {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

export interface SandboxSettings {
  readonly clusterDns: string;
  readonly clusterDomain: string;
  readonly hostResolver: HostResolver;
  /** Directory of all pods' logs. */
  readonly logsDir: string;
  readonly cgroupParent: string;
  readonly attempt: number;
}

const longestHostname = 63;

/** What `hostname` says inside a pod with a network of its own. Throws ConfigError when a full name was asked for that is too long. */
export function hostnameOf(pod: Pod, clusterDomain: string): string {
  const spec = specOf(pod);
  if (spec.hostnameOverride) return spec.hostnameOverride;
  const short = shortHostname(pod);
  if (!spec.setHostnameAsFQDN) return short;
  const full = fullHostname(pod, clusterDomain) ?? short;
  if (full.length > 64)
    throw new ConfigError(
      `failed to construct FQDN from pod hostname and cluster domain, FQDN ${full} is too long (64 characters is the max, ${full.length} characters requested)`,
    );
  return full;
}

export const shortHostname = (pod: Pod): string =>
  specOf(pod).hostname ?? pod.metadata.name.slice(0, longestHostname).replace(/[-.]+$/, "");

/** The name under the pod's subdomain, if it has one. */
export function fullHostname(pod: Pod, clusterDomain: string): string | undefined {
  const { subdomain } = specOf(pod);
  return subdomain && `${shortHostname(pod)}.${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}`;
}

/** Reads the text of a resolv.conf. */
export function parseResolvConf(text: string): HostResolver {
  const servers: string[] = [];
  let searches: string[] = [];
  let options: string[] = [];
  for (const line of text.split("\n")) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/);
    if (keyword === "nameserver" && values[0]) servers.push(values[0]);
    else if (keyword === "search") searches = values.filter((domain) => domain !== ".");
    else if (keyword === "options") options = values;
  }
  return { servers, searches, options };
}

export function dnsOf(
  pod: Pod,
  settings: Pick<SandboxSettings, "clusterDns" | "clusterDomain" | "hostResolver">,
): DNSConfig {
  const spec = specOf(pod);
  const { clusterDns, clusterDomain, hostResolver } = settings;
  const policy = spec.dnsPolicy === "ClusterFirst" && spec.hostNetwork ? "Default" : (spec.dnsPolicy ?? "ClusterFirst");
  const config: DNSConfig = { servers: [], searches: [], options: [] };
  if (policy === "Default") {
    config.servers.push(...hostResolver.servers);
    config.searches.push(...hostResolver.searches);
    config.options.push(...hostResolver.options);
  } else if (policy !== "None") {
    config.servers.push(clusterDns);
    config.searches.push(`${pod.metadata.namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain);
    config.searches.push(...hostResolver.searches);
    config.options.push("ndots:5");
  }
  const own = spec.dnsConfig;
  config.servers = [...new Set([...config.servers, ...(own?.nameservers ?? [])])];
  config.searches = [...new Set([...config.searches, ...(own?.searches ?? [])])];
  config.options = mergeOptions(config.options, own?.options ?? []);
  return config;
}

/** An option given again replaces the one of the same name. */
function mergeOptions(base: readonly string[], added: readonly { name?: string; value?: string }[]): string[] {
  const merged = new Map(base.map((option) => [option.split(":")[0]!, option]));
  for (const { name = "", value } of added)
    merged.set(name, value === undefined || value === "" ? name : `${name}:${value}`);
  return [...merged.values()];
}

export function namespaceOptions(spec: PodSpec): NamespaceOption {
  return {
    network: spec.hostNetwork ? "NODE" : "POD",
    pid: spec.hostPID ? "NODE" : spec.shareProcessNamespace ? "POD" : "CONTAINER",
    ipc: spec.hostIPC ? "NODE" : "POD",
  };
}

export const seccompOf = (profile: { type: string; localhostProfile?: string } | undefined): SecurityProfile => {
  if (profile?.type === "RuntimeDefault") return { profileType: "RuntimeDefault" };
  if (profile?.type === "Localhost")
    return { profileType: "Localhost", localhostRef: join("/var/lib/kubelet/seccomp", profile.localhostProfile ?? "") };
  return { profileType: "Unconfined" };
};

/** `<namespace>_<name>_<uid>`: the directory of a pod's logs, as tools expect it. */
export const logDirectoryOf = (pod: Pod, logsDir: string): string =>
  join(logsDir, `${pod.metadata.namespace}_${pod.metadata.name}_${pod.metadata.uid}`);

function hostPorts(containers: readonly AnyContainer[]): PortMapping[] {
  return containers.flatMap(({ ports = [] }) =>
    ports
      .filter(({ hostPort }) => hostPort)
      .map(({ containerPort, hostPort, hostIP, protocol = "TCP" }) => ({
        protocol: protocol as PortMapping["protocol"],
        containerPort,
        hostPort: hostPort!,
        ...(hostIP ? { hostIp: hostIP } : {}),
      })),
  );
}

export function sandboxConfig(pod: Pod, settings: SandboxSettings): PodSandboxConfig {
  const spec = specOf(pod);
  const { name, uid, namespace = "" } = pod.metadata;
  const security = spec.securityContext ?? {};
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  return {
    metadata: { name, uid, namespace, attempt: settings.attempt },
    // On the host network the machine keeps its own name: there is no other UTS namespace to set one in.
    hostname: spec.hostNetwork ? "" : hostnameOf(pod, settings.clusterDomain),
    logDirectory: logDirectoryOf(pod, settings.logsDir),
    dnsConfig: dnsOf(pod, settings),
    portMappings: spec.hostNetwork ? [] : hostPorts(containers),
    labels: { ...pod.metadata.labels, [podNameLabel]: name, [podNamespaceLabel]: namespace, [podUidLabel]: uid },
    annotations: {
      ...pod.metadata.annotations,
      [podGraceAnnotation]: String(spec.terminationGracePeriodSeconds ?? 30),
    },
    linux: {
      cgroupParent: settings.cgroupParent,
      ...(security.sysctls
        ? { sysctls: Object.fromEntries(security.sysctls.map(({ name: key, value }) => [key, value])) }
        : {}),
      securityContext: {
        namespaceOptions: namespaceOptions(spec),
        privileged: containers.some((container) => container.securityContext?.privileged === true),
        seccomp: { profileType: "RuntimeDefault" },
        ...(security.runAsUser === undefined ? {} : { runAsUser: { value: security.runAsUser } }),
        ...(security.runAsUser !== undefined && security.runAsGroup !== undefined
          ? { runAsGroup: { value: security.runAsGroup } }
          : {}),
        supplementalGroups: supplementalGroups(spec),
      },
    },
  };
}

export function supplementalGroups({ securityContext }: PodSpec): number[] {
  const groups = [...(securityContext?.supplementalGroups ?? [])];
  if (securityContext?.fsGroup !== undefined) groups.push(securityContext.fsGroup);
  return groups;
}
