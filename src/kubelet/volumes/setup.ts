// Makes the volumes of a pod on this machine and takes them away again.
import type { Stats } from "node:fs";
import { chmod, lstat, mkdir, open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type {
  HostPathVolumeSource,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Volume,
} from "../../kinds/generated/core.v1.ts";
import { quantityValue } from "../../machinery/quantity.ts";
import { mount, mountFlags, mountPoints, unmountTree } from "../../host/mount.ts";
import { specOf } from "../pod/model.ts";
import { writeAtomically } from "./atomic.ts";
import { setVolumeOwnership } from "./ownership.ts";
import { isPayloadVolume, ownershipOf, type PayloadSources, VolumeError, volumePayload } from "./payload.ts";

export interface VolumeSources extends PayloadSources {
  claim(name: string): PersistentVolumeClaim | undefined;
  persistentVolume(name: string): PersistentVolume | undefined;
}

/** Where a volume is, and what its mounts must respect. */
export interface MountedVolume {
  readonly path: string;
  readonly readOnly: boolean;
}

export type MountedVolumes = ReadonlyMap<string, MountedVolume>;

const volumeDir = (podDir: string, name: string) => join(podDir, "volumes", name);

/** Makes every volume that the pod names. Safe to repeat: what is there is brought up to date. Throws VolumeError. */
export async function setUpVolumes(pod: Pod, podDir: string, sources: VolumeSources): Promise<MountedVolumes> {
  const mounted = new Map<string, MountedVolume>();
  for (const volume of specOf(pod).volumes ?? []) {
    try {
      mounted.set(volume.name, await setUpVolume(pod, podDir, volume, sources));
    } catch (error) {
      const message = `MountVolume.SetUp failed for volume "${volume.name}" : ${(error as Error).message}`;
      throw new VolumeError(message, { cause: error });
    }
  }
  return mounted;
}

/** Writes changed configuration into volumes that containers have mounted already. */
export async function refreshPayloads(pod: Pod, podDir: string, sources: VolumeSources): Promise<void> {
  for (const volume of specOf(pod).volumes ?? [])
    if (isPayloadVolume(volume)) await setUpPayload(pod, volumeDir(podDir, volume.name), volume, sources);
}

async function setUpVolume(pod: Pod, podDir: string, volume: Volume, sources: VolumeSources): Promise<MountedVolume> {
  const path = volumeDir(podDir, volume.name);
  if (isPayloadVolume(volume)) {
    await setUpPayload(pod, path, volume, sources);
    return { path, readOnly: true };
  }
  if (volume.emptyDir) return { path: await setUpEmptyDir(pod, path, volume), readOnly: false };
  if (volume.hostPath) return { path: await checkHostPath(volume.hostPath), readOnly: false };
  if (volume.persistentVolumeClaim) {
    const { claimName, readOnly = false } = volume.persistentVolumeClaim;
    return setUpClaim(pod, claimName, readOnly, sources);
  }
  if (volume.ephemeral) return setUpClaim(pod, `${pod.metadata.name}-${volume.name}`, false, sources);
  const type = Object.keys(volume).find((key) => key !== "name") ?? "none";
  throw new VolumeError(`volume type ${type} is not supported`);
}

async function setUpPayload(pod: Pod, path: string, volume: Volume, sources: VolumeSources): Promise<void> {
  const files = volumePayload(pod, volume, sources);
  const fresh = (await mkdir(path, { recursive: true })) !== undefined;
  if (volume.configMap === undefined) ensureTmpfs(path, "mode=0755", fresh);
  await chmod(path, 0o755);
  const { fsGroup } = ownershipOf(pod);
  const changed = await writeAtomically(path, files, fsGroup);
  if (changed && fsGroup !== undefined) await setVolumeOwnership(path, fsGroup, { readOnly: true });
}

/** Secrets and tokens never reach a disk, nor swap where the kernel can do without it (6.4). */
function ensureTmpfs(path: string, data: string, fresh: boolean): void {
  if (!fresh && mountPoints().some(({ target, type }) => target === path && type === "tmpfs")) return;
  const options = { type: "tmpfs", flags: mountFlags.noSuid | mountFlags.noDev };
  try {
    mount("tmpfs", path, { ...options, data: `${data},noswap` });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
    mount("tmpfs", path, { ...options, data });
  }
}

async function setUpEmptyDir(pod: Pod, path: string, { emptyDir }: Volume): Promise<string> {
  const { medium = "", sizeLimit } = emptyDir!;
  if (medium !== "" && medium !== "Memory") throw new VolumeError(`emptyDir medium ${medium} is not supported`);
  const fresh = (await mkdir(path, { recursive: true })) !== undefined;
  if (medium === "Memory") {
    const bytes = sizeLimit ? quantityValue(sizeLimit) : 0;
    ensureTmpfs(path, `mode=0777${bytes > 0 ? `,size=${bytes}` : ""}`, fresh);
  }
  if (!fresh) return path;
  await chmod(path, 0o777);
  const { fsGroup } = ownershipOf(pod);
  if (fsGroup !== undefined) await setVolumeOwnership(path, fsGroup);
  return path;
}

type FileKind = "Directory" | "File" | "Socket" | "CharDevice" | "BlockDevice";

async function kindOf(path: string): Promise<FileKind | undefined> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) return "Directory";
    if (info.isSocket()) return "Socket";
    if (info.isCharacterDevice()) return "CharDevice";
    return info.isBlockDevice() ? "BlockDevice" : "File";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Follows kubernetes v1.36 pkg/volume/hostpath/host_path.go (checkType, messages). */
async function checkHostPath({ path, type = "" }: HostPathVolumeSource): Promise<string> {
  const found = await kindOf(path);
  if (type === "") {
    // The runtime would make a missing source a directory as well; here it is done before the container is created.
    if (found === undefined) await mkdir(path, { recursive: true });
    return path;
  }
  if (type === "DirectoryOrCreate" || type === "FileOrCreate") {
    const wanted = type === "FileOrCreate" ? "File" : "Directory";
    if (found === undefined && wanted === "Directory") await mkdir(path, { recursive: true, mode: 0o755 });
    else if (found === undefined) await (await open(path, "wx", 0o644)).close();
    else if (found !== wanted)
      throw new VolumeError(`hostPath type check failed: ${path} is not a ${wanted.toLowerCase()}`);
    return path;
  }
  if (found !== type) {
    const names: Readonly<Record<string, string>> = {
      Socket: "socket file",
      CharDevice: "character device",
      BlockDevice: "block device",
    };
    throw new VolumeError(`hostPath type check failed: ${path} is not a ${names[type] ?? type.toLowerCase()}`);
  }
  return path;
}

/** Volumes of this provisioner are directories that the node makes itself. */
const localProvisioner = "knarr.dev/local";

async function setUpClaim(pod: Pod, name: string, readOnly: boolean, sources: VolumeSources): Promise<MountedVolume> {
  const claim = sources.claim(name);
  if (!claim) throw new VolumeError(`persistentvolumeclaim "${name}" not found`);
  if (claim.metadata.deletionTimestamp) throw new VolumeError(`persistentvolumeclaim "${name}" is being deleted`);
  const volumeName = claim.spec?.volumeName;
  if (claim.status?.phase !== "Bound" || !volumeName)
    throw new VolumeError(`persistentvolumeclaim "${name}" is not bound`);
  const volume = sources.persistentVolume(volumeName);
  if (!volume) throw new VolumeError(`persistentvolume "${volumeName}" not found`);
  if (claim.spec?.volumeMode === "Block") throw new VolumeError("block volumes are not supported");
  const { hostPath, local } = volume.spec ?? {};
  if (hostPath) return { path: await checkHostPath(hostPath), readOnly };
  if (!local) throw new VolumeError(`persistentvolume "${volumeName}" is of a type that is not supported`);
  const isOurs = volume.metadata.annotations?.["pv.kubernetes.io/provisioned-by"] === localProvisioner;
  const info = await lstat(local.path).catch(() => (isOurs ? makeLocalDirectory(local.path) : undefined));
  if (!info?.isDirectory())
    throw new VolumeError(`path "${local.path}" of local volume "${volumeName}" is not a directory`);
  const { fsGroup } = ownershipOf(pod);
  if (fsGroup !== undefined && !readOnly) {
    const onRootMismatch = specOf(pod).securityContext?.fsGroupChangePolicy === "OnRootMismatch";
    await setVolumeOwnership(local.path, fsGroup, { onRootMismatch });
  }
  return { path: local.path, readOnly };
}

/**
 * The directory of a volume that Knarr provisioned, at its first use. Anybody inside the pod may write there, as people expect
 * of a volume of their own; outside, nobody but root gets past the data directory.
 */
async function makeLocalDirectory(path: string): Promise<Stats> {
  await mkdir(path, { recursive: true, mode: 0o755 });
  await chmod(path, 0o777);
  return lstat(path);
}

/** Unmounts and removes everything that the kubelet made for a pod; claims and host paths stay. */
export async function tearDownPodDir(podDir: string): Promise<void> {
  unmountTree(podDir);
  await rm(podDir, { recursive: true, force: true });
}
