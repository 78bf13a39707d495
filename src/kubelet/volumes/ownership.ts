// Gives a volume to the pod's fsGroup. Follows kubernetes v1.36 pkg/volume/volume_linux.go (SetVolumeOwnership).
import { chmod, lchown, readdir, lstat } from "node:fs/promises";
import { join } from "node:path";

const readWrite = 0o660;
const readOnlyMask = 0o440;
const searchable = 0o110;
const setGid = 0o2000;

async function give(path: string, gid: number, readOnly: boolean): Promise<boolean> {
  const info = await lstat(path);
  await lchown(path, info.uid, gid);
  if (info.isSymbolicLink()) return false;
  const directory = info.isDirectory();
  const mode = info.mode & 0o7777;
  const wanted = mode | (readOnly ? readOnlyMask : readWrite) | (directory ? setGid | searchable : 0);
  if (wanted !== mode) await chmod(path, wanted);
  return directory;
}

/** Everything below and including `path`; with `onRootMismatch` nothing when the top already belongs to the group. */
export async function setVolumeOwnership(
  path: string,
  gid: number,
  { readOnly = false, onRootMismatch = false } = {},
): Promise<void> {
  if (onRootMismatch) {
    const info = await lstat(path);
    if (info.gid === gid && (info.mode & (setGid | readWrite)) === (setGid | readWrite)) return;
  }
  if (!(await give(path, gid, readOnly))) return;
  for (const name of await readdir(path)) await setVolumeOwnership(join(path, name), gid, { readOnly });
}
