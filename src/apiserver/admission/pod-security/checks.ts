// The Pod Security Standards as rows: what a pod must not do at a level and since which version of the standards, and the
// words in which it is told.
// Follows kubernetes v1.36 staging/src/k8s.io/pod-security-admission/policy (checks and messages).
import type { Container, PodSpec, Probe, SecurityContext, Volume } from "../../../kinds/generated/core.v1.ts";

export type Level = "privileged" | "baseline" | "restricted";

type Annotations = Readonly<Record<string, string>>;

/** What keeps a pod from passing: `hostPath volumes` because `volume "data"`. */
export interface Violation {
  readonly reason: string;
  readonly detail: string;
}

/** A violation as `reason (detail)`; undefined when the pod passes. */
type Check = (spec: PodSpec, annotations: Annotations) => string | undefined;

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

const seLinuxTypes = ["", "container_t", "container_init_t", "container_kvm_t"];

/** "pod and containers "a", "b"": who of them has a bad setting; "" for nobody. */
function setters(spec: PodSpec, isBad: (context: SecurityContext) => boolean): string {
  const bad = containersOf(spec).filter((container) => isBad(security(container)));
  const ofPod = isBad((spec.securityContext ?? {}) as SecurityContext) ? ["pod"] : [];
  return [...ofPod, ...(bad.length ? [named(bad)] : [])].join(" and ");
}

const distinct = (values: readonly (string | undefined)[]) =>
  [...new Set(values.filter((value) => value !== undefined))].toSorted();

const seLinux =
  (types: readonly string[]): Check =>
  (spec) => {
    const isBad = ({ seLinuxOptions: options }: SecurityContext) =>
      Boolean(options && (!types.includes(options.type ?? "") || options.user || options.role));
    const who = setters(spec, isBad);
    if (!who) return undefined;
    const all = contextsOf(spec).flatMap(({ seLinuxOptions }) => seLinuxOptions ?? []);
    const badTypes = distinct(all.map(({ type }) => type)).filter((type) => !types.includes(type));
    const what = [
      ...(badTypes.length ? [`${plural(badTypes, "type")} ${quoted(badTypes)}`] : []),
      ...(all.some(({ user }) => user) ? ["user may not be set"] : []),
      ...(all.some(({ role }) => role) ? ["role may not be set"] : []),
    ];
    return `seLinuxOptions (${who} set forbidden securityContext.seLinuxOptions: ${what.join("; ")})`;
  };

const appArmorPrefix = "container.apparmor.security.beta.kubernetes.io/";
const isGoodAppArmor = (value: string) => value === "" || value === "runtime/default" || value.startsWith("localhost/");

const appArmor: Check = (spec, annotations) => {
  const keys = Object.keys(annotations).filter(
    (key) => key.startsWith(appArmorPrefix) && !isGoodAppArmor(annotations[key]!),
  );
  const badType = ({ appArmorProfile }: SecurityContext) =>
    appArmorProfile?.type === "Unconfined" ? appArmorProfile.type : undefined;
  const fields = setters(spec, (context) => badType(context) !== undefined);
  const who = [
    ...(fields ? [fields] : []),
    ...(keys.length ? [`${plural(keys, "annotation")} ${quoted(keys.toSorted())}`] : []),
  ].join(" and ");
  if (!who) return undefined;
  const values = distinct([...contextsOf(spec).map(badType), ...keys.map((key) => annotations[key])]);
  return `${plural(values, "forbidden AppArmor profile")} (${who} must not set AppArmor profile type to ${quoted(values)})`;
};

const seccompPod = "seccomp.security.alpha.kubernetes.io/pod";
const seccompContainer = "container.seccomp.security.alpha.kubernetes.io/";

/** Before there was a field. */
const seccompAnnotations: Check = (spec, annotations) => {
  const isGood = (value: string) =>
    ["runtime/default", "docker/default"].includes(value) || value.startsWith("localhost/");
  const keys = [seccompPod, ...containersOf(spec).map(({ name }) => seccompContainer + name)];
  const bad = keys.filter((key) => annotations[key] !== undefined && !isGood(annotations[key])).toSorted();
  const text = bad.map((key) => `${key}=${JSON.stringify(annotations[key])}`).join(", ");
  return bad.length ? `seccompProfile (forbidden ${plural(bad, "annotation")} ${text})` : undefined;
};

const badSeccomp = ({ seccompProfile }: SecurityContext) =>
  seccompProfile && !["RuntimeDefault", "Localhost"].includes(seccompProfile.type) ? seccompProfile.type : undefined;

const seccomp: Check = (spec) => {
  const who = setters(spec, (context) => badSeccomp(context) !== undefined);
  const values = quoted(distinct(contextsOf(spec).map(badSeccomp)));
  return who && `seccompProfile (${who} must not set securityContext.seccompProfile.type to ${values})`;
};

/** By the version in which they became safe. */
const safeSysctls: Readonly<Record<number, readonly string[]>> = {
  0: [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_syncookies",
  ],
  27: ["net.ipv4.ip_local_reserved_ports"],
  29: ["fin_timeout", "keepalive_intvl", "keepalive_probes", "keepalive_time"].map((name) => `net.ipv4.tcp_${name}`),
  32: ["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"],
};

const sysctls =
  (version: number): Check =>
  ({ securityContext }) => {
    const safe = Object.keys(safeSysctls).flatMap((since) =>
      Number(since) <= version ? safeSysctls[Number(since)]! : [],
    );
    const bad = (securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !safe.includes(name));
    return bad.length ? `forbidden sysctls (${bad.join(", ")})` : undefined;
  };

const probeHosts = (probe: Pick<Probe, "httpGet" | "tcpSocket"> | undefined) =>
  [probe?.httpGet?.host, probe?.tcpSocket?.host].filter(Boolean);

const hostsOf = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Container) =>
  [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap(probeHosts);

const probes: Check = (spec) => {
  const bad = containersOf(spec).filter((container) => hostsOf(container).length > 0);
  if (!bad.length) return undefined;
  const hosts = distinct(bad.flatMap(hostsOf));
  const uses = `${bad.length === 1 ? "uses" : "use"} ${plural(hosts, "probe or lifecycle host")} ${quoted(hosts)}`;
  return `probe or lifecycle host (${named(bad)} ${uses})`;
};

const hostProcess: Check = (spec) => {
  const who = setters(spec, ({ windowsOptions }) => windowsOptions?.hostProcess === true);
  return who && `hostProcess (${who} must not set securityContext.windowsOptions.hostProcess=true)`;
};

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

/** A setting that the pod may make for all containers. `bad` tells the value that somebody must not set. */
const inherited =
  (
    title: string,
    setting: string,
    isSet: (context: SecurityContext) => boolean,
    bad: (context: SecurityContext) => string | undefined,
    must: string,
  ): Check =>
  (spec) => {
    const who = setters(spec, (context) => bad(context) !== undefined);
    if (who) {
      const values = distinct(contextsOf(spec).map((context) => bad(context as SecurityContext)));
      return `${title} (${who} must not set ${setting}${values.join(", ")})`;
    }
    if (isSet((spec.securityContext ?? {}) as SecurityContext)) return undefined;
    const open = containersOf(spec).filter((container) => !isSet(security(container)));
    return open.length ? `${title} (pod or ${named(open)} must set ${must})` : undefined;
  };

const nonRoot = inherited(
  "runAsNonRoot != true",
  "securityContext.runAsNonRoot=",
  ({ runAsNonRoot }) => runAsNonRoot !== undefined,
  ({ runAsNonRoot }) => (runAsNonRoot === false ? "false" : undefined),
  "securityContext.runAsNonRoot=true",
);

const seccompRequired = inherited(
  "seccompProfile",
  "securityContext.seccompProfile.type to ",
  ({ seccompProfile }) => seccompProfile !== undefined,
  (context) => (badSeccomp(context) === undefined ? undefined : JSON.stringify(badSeccomp(context))),
  'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"',
);

const runsAsRoot: Check = (spec) => {
  const bad = containersOf(spec).filter((container) => security(container).runAsUser === 0);
  const who = [...(spec.securityContext?.runAsUser === 0 ? ["pod"] : []), ...(bad.length ? [named(bad)] : [])];
  return who.length ? `runAsUser=0 (${who.join(" and ")} must not set runAsUser=0)` : undefined;
};

/** Users of the pod's own are none of the node, so it may be root among them. */
const unlessOwnUsers =
  (check: Check): Check =>
  (spec, annotations) =>
    spec.hostUsers === false ? undefined : check(spec, annotations);

const unlessWindows =
  (check: Check): Check =>
  (spec, annotations) =>
    spec.os?.name === "windows" ? undefined : check(spec, annotations);

const procMount = eachContainer(
  "procMount",
  (one) => ![undefined, "Default"].includes(security(one).procMount),
  'must not set securityContext.procMount to "Unmasked"',
);

const escalation = eachContainer(
  "allowPrivilegeEscalation != false",
  (one) => security(one).allowPrivilegeEscalation !== false,
  "must set securityContext.allowPrivilegeEscalation=false",
);

interface Row {
  /** The check from minor version … of Kubernetes on. */
  readonly since: Readonly<Record<number, Check>>;
  /** The row of the baseline that this one stands in for. */
  readonly replaces?: string;
}

const baseline: Readonly<Record<string, Row>> = {
  appArmorProfile: { since: { 0: appArmor } },
  capabilities: { since: { 0: addedCapabilities } },
  hostNamespaces: { since: { 0: hostNamespaces } },
  hostPathVolumes: { since: { 0: hostPaths } },
  hostPorts: { since: { 0: hostPorts } },
  hostProbesAndHostLifecycle: { since: { 34: probes } },
  privileged: {
    since: {
      0: eachContainer(
        "privileged",
        (one) => security(one).privileged === true,
        "must not set securityContext.privileged=true",
      ),
    },
  },
  procMount: { since: { 0: procMount, 34: unlessOwnUsers(procMount) } },
  seLinuxOptions: { since: { 0: seLinux(seLinuxTypes), 31: seLinux([...seLinuxTypes, "container_engine_t"]) } },
  seccompProfile: { since: { 0: seccompAnnotations, 19: seccomp } },
  sysctls: { since: { 0: sysctls(0), 27: sysctls(27), 29: sysctls(29), 32: sysctls(32) } },
  windowsHostProcess: { since: { 0: hostProcess } },
};

const restricted: Readonly<Record<string, Row>> = {
  allowPrivilegeEscalation: { since: { 8: escalation, 25: unlessWindows(escalation) } },
  capabilities: { since: { 22: dropsNotAll, 25: unlessWindows(dropsNotAll) }, replaces: "capabilities" },
  restrictedVolumes: { since: { 0: volumeTypes }, replaces: "hostPathVolumes" },
  runAsNonRoot: { since: { 0: nonRoot, 34: unlessOwnUsers(nonRoot) } },
  runAsUser: { since: { 23: runsAsRoot, 34: unlessOwnUsers(runsAsRoot) } },
  seccompProfile: { since: { 19: seccompRequired, 25: unlessWindows(seccompRequired) }, replaces: "seccompProfile" },
};

function checkAt({ since }: Row, minor: number): Check | undefined {
  const newest = Object.keys(since)
    .map(Number)
    .findLast((one) => one <= minor);
  return newest === undefined ? undefined : since[newest];
}

/** Everything that keeps a pod from a level of the standards of Kubernetes 1.`minor` (Infinity: the latest). */
export function violations(level: Level, minor: number, spec: PodSpec, annotations: Annotations = {}): Violation[] {
  if (level === "privileged") return [];
  const strict = level === "restricted" ? Object.values(restricted).filter((row) => checkAt(row, minor)) : [];
  const replaced = new Set(strict.map(({ replaces }) => replaces));
  const basic = Object.keys(baseline).flatMap((name) => (replaced.has(name) ? [] : [baseline[name]!]));
  return [...basic, ...strict].flatMap((row) => {
    const text = checkAt(row, minor)?.(spec, annotations);
    if (!text) return [];
    const bracket = text.indexOf(" (");
    return [{ reason: text.slice(0, bracket), detail: text.slice(bracket + 2, -1) }];
  });
}
