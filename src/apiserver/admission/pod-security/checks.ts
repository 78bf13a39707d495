// The Pod Security Standards as rows: what a pod must not do at a level, and the words in which it is told.
// Follows kubernetes v1.36 staging/src/k8s.io/pod-security-admission/policy (checks and messages).
import type { Container, PodSpec, Probe, SecurityContext, Volume } from "../../../kinds/generated/core.v1.ts";

export type Level = "privileged" | "baseline" | "restricted";

/** A violation, for example `hostPath volumes (volume "data")`; undefined when the pod passes. */
type Check = (spec: PodSpec) => string | undefined;

const quoted = (values: readonly string[]) => values.map((value) => JSON.stringify(value)).join(", ");
const plural = (values: readonly unknown[], word: string) => (values.length === 1 ? word : `${word}s`);

const containersOf = (spec: PodSpec): Container[] => [
  ...(spec.initContainers ?? []),
  ...(spec.containers ?? []),
  ...((spec.ephemeralContainers as Container[] | undefined) ?? []),
];

const named = (containers: readonly Container[]) =>
  `${plural(containers, "container")} ${quoted(containers.map(({ name }) => name))}`;

/** A check of each container by itself. */
const eachContainer =
  (title: string, isBad: (container: Container, spec: PodSpec) => boolean, must: string): Check =>
  (spec) => {
    const bad = containersOf(spec).filter((container) => isBad(container, spec));
    return bad.length ? `${title} (${named(bad)} ${must})` : undefined;
  };

const security = (container: Container): SecurityContext => container.securityContext ?? {};

const hostNamespaces: Check = ({ hostNetwork, hostPID, hostIPC }) => {
  const used = Object.entries({ hostNetwork, hostPID, hostIPC }).flatMap(([name, on]) => (on ? [`${name}=true`] : []));
  return used.length ? `host namespaces (${used.join(", ")})` : undefined;
};

const defaultCapabilities = new Set(
  "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT".split(
    " ",
  ),
);

const addedCapabilities: Check = (spec) => {
  const extra = (container: Container) =>
    (security(container).capabilities?.add ?? []).filter((name) => !defaultCapabilities.has(name));
  const bad = containersOf(spec).filter((container) => extra(container).length);
  if (!bad.length) return undefined;
  const names = [...new Set(bad.flatMap(extra))].toSorted();
  return `non-default capabilities (${named(bad)} must not include ${quoted(names)} in securityContext.capabilities.add)`;
};

const hostPaths: Check = ({ volumes = [] }) => {
  const bad = volumes.filter((volume) => volume.hostPath).map(({ name }) => name);
  return bad.length ? `hostPath volumes (${plural(bad, "volume")} ${quoted(bad)})` : undefined;
};

const hostPorts: Check = (spec) => {
  const portsOf = (container: Container) => (container.ports ?? []).flatMap(({ hostPort }) => hostPort || []);
  const bad = containersOf(spec).filter((container) => portsOf(container).length);
  if (!bad.length) return undefined;
  const ports = [...new Set(bad.flatMap(portsOf))].toSorted((a, b) => a - b);
  return `hostPort (${named(bad)} ${bad.length === 1 ? "uses" : "use"} ${plural(ports, "hostPort")} ${ports.join(", ")})`;
};

const contextsOf = (spec: PodSpec) => [spec.securityContext ?? {}, ...containersOf(spec).map(security)];

const seLinuxTypes = new Set(["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"]);

const seLinux: Check = (spec) => {
  const bad = contextsOf(spec).flatMap(({ seLinuxOptions }) => {
    const { type = "", user, role } = seLinuxOptions ?? {};
    return [
      ...(seLinuxTypes.has(type) ? [] : [`type ${JSON.stringify(type)}`]),
      ...(user ? ["user may not be set"] : []),
      ...(role ? ["role may not be set"] : []),
    ];
  });
  return bad.length ? `seLinuxOptions (${[...new Set(bad)].join("; ")})` : undefined;
};

const appArmor: Check = (spec) => {
  const bad = contextsOf(spec).some(({ appArmorProfile }) => appArmorProfile?.type === "Unconfined");
  return bad ? `forbidden AppArmor profile (${JSON.stringify("unconfined")})` : undefined;
};

const unconfined: Check = (spec) => {
  const bad = containersOf(spec).filter((container) => security(container).seccompProfile?.type === "Unconfined");
  const who = [
    ...(spec.securityContext?.seccompProfile?.type === "Unconfined" ? ["pod"] : []),
    ...(bad.length ? [named(bad)] : []),
  ];
  return who.length
    ? `seccompProfile (${who.join(" and ")} must not set securityContext.seccompProfile.type to "Unconfined")`
    : undefined;
};

const safeSysctls = new Set([
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ping_group_range",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.tcp_wmem",
]);

const sysctls: Check = ({ securityContext }) => {
  const bad = (securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !safeSysctls.has(name));
  return bad.length ? `forbidden sysctls (${bad.join(", ")})` : undefined;
};

const probeHost = (probe: Pick<Probe, "httpGet" | "tcpSocket"> | undefined) =>
  Boolean(probe?.httpGet?.host || probe?.tcpSocket?.host);

const actsOnHosts = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Container) =>
  [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].some(probeHost);

const harmlessVolumes =
  "name configMap csi downwardAPI emptyDir ephemeral image persistentVolumeClaim projected secret".split(" ");

const volumeTypes: Check = ({ volumes = [] }) => {
  const typeOf = (volume: Volume) => Object.keys(volume).find((field) => !harmlessVolumes.includes(field));
  const bad = volumes.filter(typeOf);
  if (!bad.length) return undefined;
  const types = [...new Set(bad.map((volume) => typeOf(volume)!))].toSorted();
  const names = quoted(bad.map(({ name }) => name));
  return `restricted volume types (${plural(bad, "volume")} ${names} ${bad.length === 1 ? "uses" : "use"} restricted volume ${plural(types, "type")} ${quoted(types)})`;
};

const dropsNotAll: Check = (spec) => {
  const dropless = containersOf(spec).filter((container) => !security(container).capabilities?.drop?.includes("ALL"));
  const extra = (container: Container) =>
    (security(container).capabilities?.add ?? []).filter((name) => name !== "NET_BIND_SERVICE");
  const adding = containersOf(spec).filter((container) => extra(container).length);
  const faults = [
    ...(dropless.length ? [`${named(dropless)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding.length
      ? [
          `${named(adding)} must not include ${quoted([...new Set(adding.flatMap(extra))].toSorted())} in securityContext.capabilities.add`,
        ]
      : []),
  ];
  return faults.length ? `unrestricted capabilities (${faults.join("; ")})` : undefined;
};

/** A setting that the pod may make for all containers: those that override it badly, or lack it when the pod does. */
const inherited = (title: string, good: (context: SecurityContext) => boolean | undefined, must: string): Check => {
  return (spec) => {
    const ofPod = good((spec.securityContext ?? {}) as SecurityContext);
    const containers = containersOf(spec);
    const explicit = containers.filter((container) => good(security(container)) === false);
    const open = ofPod ? [] : containers.filter((container) => good(security(container)) === undefined);
    const who = [
      ...(ofPod === false ? ["pod"] : []),
      ...(explicit.length ? [named(explicit)] : []),
      ...(ofPod === undefined && open.length ? [`pod or ${named(open)}`] : []),
    ];
    return (ofPod === false && containers.length > 0) || explicit.length || open.length
      ? `${title} (${who.join(" and ")} ${must})`
      : undefined;
  };
};

const runsAsRoot: Check = (spec) => {
  const bad = containersOf(spec).filter((container) => security(container).runAsUser === 0);
  const who = [...(spec.securityContext?.runAsUser === 0 ? ["pod"] : []), ...(bad.length ? [named(bad)] : [])];
  return who.length ? `runAsUser=0 (${who.join(" and ")} must not set runAsUser=0)` : undefined;
};

const baseline: readonly Check[] = [
  appArmor,
  addedCapabilities,
  hostNamespaces,
  hostPaths,
  hostPorts,
  eachContainer("probe or lifecycle host", actsOnHosts, "must not set the host of probes or lifecycle hooks"),
  eachContainer(
    "privileged",
    (one) => security(one).privileged === true,
    "must not set securityContext.privileged=true",
  ),
  eachContainer(
    "procMount",
    (one) => ![undefined, "Default"].includes(security(one).procMount),
    'must not set securityContext.procMount to "Unmasked"',
  ),
  seLinux,
  unconfined,
  sysctls,
  eachContainer(
    "hostProcess",
    (one) => security(one).windowsOptions?.hostProcess === true,
    "must not set securityContext.windowsOptions.hostProcess=true",
  ),
];

const restricted: readonly Check[] = [
  eachContainer(
    "allowPrivilegeEscalation != false",
    (one) => security(one).allowPrivilegeEscalation !== false,
    "must set securityContext.allowPrivilegeEscalation=false",
  ),
  dropsNotAll,
  volumeTypes,
  inherited("runAsNonRoot != true", ({ runAsNonRoot }) => runAsNonRoot, "must set securityContext.runAsNonRoot=true"),
  runsAsRoot,
  inherited(
    "seccompProfile",
    ({ seccompProfile }) =>
      seccompProfile ? ["RuntimeDefault", "Localhost"].includes(seccompProfile.type) : undefined,
    'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"',
  ),
];

const checks: Readonly<Record<Level, readonly Check[]>> = {
  privileged: [],
  baseline,
  // Stricter forms replace the baseline's own.
  restricted: [...baseline.filter((check) => check !== addedCapabilities && check !== unconfined), ...restricted],
};

/** Everything that keeps a pod from a level. */
export const violations = (level: Level, spec: PodSpec): string[] =>
  checks[level].flatMap((check) => check(spec) ?? []);
