// The mounts of a container: its volumes (sub-paths safely), /etc/hosts and the termination message file.
// Follows kubernetes v1.36 pkg/kubelet/kubelet_pods.go (makeMounts, hostsFileContent) and pkg/volume/util/subpath.
// A handful of tiny files per container: written at once, they cost less than handing them to other threads.
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Pod, VolumeMount } from "../../kinds/generated/core.v1.ts";
import { bindMount, mountPoints } from "../../host/mount.ts";
import type { Mount } from "../cri/types.ts";
import { ConfigError } from "../environment/env.ts";
import { expandReferences } from "../environment/expand.ts";
import { type AnyContainer, specOf } from "../pod/model.ts";
import { fullHostname, shortHostname } from "../pod/sandbox.ts";
import type { MountedVolumes } from "./setup.ts";

const propagations = {
  None: "PROPAGATION_PRIVATE",
  HostToContainer: "PROPAGATION_HOST_TO_CONTAINER",
  Bidirectional: "PROPAGATION_BIDIRECTIONAL",
} as const;

export interface MountSettings {
  readonly podDir: string;
  readonly volumes: MountedVolumes;
  readonly environment: ReadonlyMap<string, string>;
  /** The managed hosts file; undefined leaves the runtime's. */
  readonly hostsFile: string | undefined;
  readonly restartCount: number;
}

/** Throws ConfigError when a volume or sub-path is not usable. */
export function containerMounts(container: AnyContainer, settings: MountSettings): Mount[] {
  const mounts: Mount[] = [];
  for (const [index, volumeMount] of (container.volumeMounts ?? []).entries())
    mounts.push(volumeMountOf(container, volumeMount, index, settings));
  if (container.volumeDevices?.length) throw new ConfigError("volumeDevices are not supported");
  const taken = new Set(mounts.map(({ containerPath }) => containerPath));
  if (settings.hostsFile && !taken.has("/etc/hosts"))
    mounts.push({ containerPath: "/etc/hosts", hostPath: settings.hostsFile });
  const messagePath = container.terminationMessagePath ?? "/dev/termination-log";
  if (messagePath) {
    const file = terminationMessageFile(settings.podDir, container.name, settings.restartCount);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, "");
    chmodSync(file, 0o666);
    mounts.push({ containerPath: messagePath, hostPath: file });
  }
  return mounts;
}

/** Where a container's termination message ends up on the host. */
export const terminationMessageFile = (podDir: string, container: string, restartCount: number): string =>
  join(podDir, "containers", container, `termination-${restartCount}`);

function volumeMountOf(container: AnyContainer, spec: VolumeMount, index: number, settings: MountSettings): Mount {
  const volume = settings.volumes.get(spec.name);
  if (!volume) throw new ConfigError(`cannot find volume "${spec.name}" to mount into container "${container.name}"`);
  const subPath = subPathOf(spec, settings.environment);
  let hostPath = volume.path;
  if (subPath) {
    const target = join(settings.podDir, "volume-subpaths", spec.name, container.name, String(index));
    try {
      bindSubPath(volume.path, subPath, target);
    } catch (error) {
      const why = error instanceof ConfigError ? error.message : (error as NodeJS.ErrnoException).code;
      throw new ConfigError(
        `failed to prepare subPath for volumeMount "${spec.name}" of container "${container.name}": ${why}`,
      );
    }
    hostPath = target;
  }
  const containerPath = spec.mountPath.startsWith("/") ? spec.mountPath : `/${spec.mountPath}`;
  if (spec.recursiveReadOnly === "Enabled")
    throw new ConfigError(`recursiveReadOnly of volumeMount "${spec.name}" is not supported by the runtime`);
  return {
    containerPath,
    hostPath,
    readonly: volume.readOnly || spec.readOnly === true,
    propagation: propagations[(spec.mountPropagation ?? "None") as keyof typeof propagations],
  };
}

function subPathOf({ subPath, subPathExpr }: VolumeMount, environment: ReadonlyMap<string, string>): string {
  if (!subPathExpr) return subPath ?? "";
  return expandReferences(subPathExpr, (name) => {
    const value = environment.get(name);
    if (value === undefined) throw new ConfigError(`missing value for "${name}" in subPathExpr`);
    return value;
  });
}

const O_PATH = 0o10000000;

/** Opens `path` below an open directory without following a link in the last step. */
const openBelow = (fd: number, step: string, flags: number) =>
  openSync(`/proc/self/fd/${fd}/${step}`, O_PATH | constants.O_NOFOLLOW | flags);

/** Makes a directory below an open one; false when there is something already. */
function makeBelow(fd: number, step: string): boolean {
  try {
    mkdirSync(`/proc/self/fd/${fd}/${step}`);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/**
 * Binds `volume/subPath` to `target`. The container may change the volume meanwhile, so the path is resolved first,
 * checked to be inside, and then walked step by step without following links; the bind takes the opened file itself.
 */
export function bindSubPath(volume: string, subPath: string, target: string): void {
  if (mountPoints().some((point) => point.target === target)) return;
  if (subPath.startsWith("/") || subPath.split("/").includes("..")) throw new ConfigError("subPath leaves the volume");
  const root = realpathSync(volume);
  const fd = openInside(root, subPath);
  try {
    const isDirectory = fstatSync(fd).isDirectory();
    mkdirSync(isDirectory ? target : dirname(target), { recursive: true });
    if (!isDirectory) writeFileSync(target, "");
    bindMount(`/proc/self/fd/${fd}`, target);
  } finally {
    closeSync(fd);
  }
}

function openInside(root: string, subPath: string): number {
  let existing: string | undefined;
  try {
    existing = realpathSync(join(root, subPath));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const inside = relative(root, existing ?? join(root, subPath));
  if (inside.split("/")[0] === "..") throw new ConfigError("subPath leaves the volume");
  let fd = openSync(root, O_PATH | constants.O_DIRECTORY);
  // What is made is as open as the volume itself; the umask must not narrow it.
  const mode = fstatSync(fd).mode & 0o7777;
  const steps = inside.split("/").filter(Boolean);
  for (const [index, step] of steps.entries()) {
    const directory = index < steps.length - 1 || existing === undefined ? constants.O_DIRECTORY : 0;
    const parent = fd;
    try {
      const made = existing === undefined && makeBelow(parent, step);
      fd = openBelow(parent, step, directory);
      if (made) chmodSync(`/proc/self/fd/${fd}`, mode);
    } finally {
      closeSync(parent);
    }
  }
  return fd;
}

/** Programs tell by these lines who wrote the file. */
const headers = {
  pod: "# Kubernetes-managed hosts file.\n",
  machine: "# Kubernetes-managed hosts file (host network).\n",
};

/** The hosts file of a pod. On the host network it is the machine's own with the aliases added. */
export function writeHostsFile(pod: Pod, podDir: string, podIPs: readonly string[], clusterDomain: string): string {
  const spec = specOf(pod);
  const base = spec.hostNetwork ? machineHosts() : podHosts(pod, podIPs, clusterDomain);
  const aliases = (spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join("\t")}\n`);
  const extra = aliases.length > 0 ? `\n# Entries added by HostAliases.\n${aliases.join("")}` : "";
  const file = join(podDir, "etc-hosts");
  mkdirSync(podDir, { recursive: true });
  writeFileSync(file, (spec.hostNetwork ? headers.machine : headers.pod) + base + extra);
  chmodSync(file, 0o644);
  return file;
}

function machineHosts(): string {
  try {
    return readFileSync("/etc/hosts", "utf8");
  } catch {
    return "";
  }
}

function podHosts(pod: Pod, podIPs: readonly string[], clusterDomain: string): string {
  const names = [fullHostname(pod, clusterDomain), shortHostname(pod)].filter(Boolean).join("\t");
  const own = podIPs.map((ip) => `${ip}\t${names}\n`).join("");
  const ipv6 = [
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
  ];
  return `127.0.0.1\tlocalhost\n${ipv6.join("\n")}\n${own}`;
}
