// Gives a volume to the pod's fsGroup. Follows kubernetes v1.36 pkg/volume/volume_linux.go (SetVolumeOwnership).
import { constants } from "node:fs";
import { chmod, chown, lchown, lstat, open, readdir } from "node:fs/promises";

const readWrite = 0o660;
const readOnlyMask = 0o440;
const searchable = 0o110;
const setGid = 0o2000;

const O_PATH = 0o10000000;

/**
 * Containers may change the volume meanwhile and put a link in the place of what was looked at: each file is opened
 * first, and everything is done through that opening.
 */
async function give(path: string, gid: number, readOnly: boolean): Promise<void> {
  await using file = await open(path, O_PATH | constants.O_NOFOLLOW);
  const info = await file.stat();
  if (info.isSymbolicLink()) return lchown(path, info.uid, gid);
  const opened = `/proc/self/fd/${file.fd}`;
  await chown(opened, info.uid, gid);
  const directory = info.isDirectory();
  const mode = info.mode & 0o7777;
  const wanted = mode | (readOnly ? readOnlyMask : readWrite) | (directory ? setGid | searchable : 0);
  if (wanted !== mode) await chmod(opened, wanted);
  if (!directory) return;
  for (const name of await readdir(opened)) {
    await give(`${opened}/${name}`, gid, readOnly).catch((error: NodeJS.ErrnoException) => {
      // Gone since it was listed.
      if (error.code !== "ENOENT") throw error;
    });
  }
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
  await give(path, gid, readOnly);
}
