// Replaces the files of a volume all at once: they live in a time-stamped directory, `..data` points to it, and each
// visible name points through `..data`. Follows kubernetes v1.36 pkg/volume/util/atomic_writer.go (layout).
import {
  chown,
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";

export interface VolumeFile {
  readonly content: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
  readonly uid?: number;
}

/** Relative path → file. */
export type VolumeFiles = ReadonlyMap<string, VolumeFile>;

const dataLink = "..data";

/** Relative and inside: no absolute path, no `..` step, no name that would clash with ours. */
export function isSafeRelativePath(path: string): boolean {
  return path !== "" && !path.startsWith("/") && !path.split("/").includes("..") && !path.startsWith("..");
}

async function sameFile(path: string, file: VolumeFile): Promise<boolean> {
  try {
    const [content, { mode, uid }] = await Promise.all([readFile(path), stat(path)]);
    return (mode & 0o777) === file.mode && (file.uid ?? uid) === uid && Buffer.compare(content, file.content) === 0;
  } catch {
    return false;
  }
}

async function listFiles(directory: string, prefix = ""): Promise<string[]> {
  const entries = await readdir(join(directory, prefix), { withFileTypes: true }).catch(() => []);
  const lists = entries.map((entry) => {
    const path = join(prefix, entry.name);
    return entry.isDirectory() ? listFiles(directory, path) : [path];
  });
  return (await Promise.all(lists)).flat();
}

/**
 * Brings `directory` to hold exactly `files`; returns false when it did already. `gid` owns everything if given. Readers
 * see the old set or the new one, never a mixture.
 */
export async function writeAtomically(directory: string, files: VolumeFiles, gid?: number): Promise<boolean> {
  for (const path of files.keys())
    if (!isSafeRelativePath(path)) throw new Error(`invalid file path in volume: ${path}`);
  const current = await readlink(join(directory, dataLink)).catch(() => undefined);
  if (current !== undefined) {
    const present = await listFiles(join(directory, current));
    const checks = [...files].map(([path, file]) => sameFile(join(directory, current, path), file));
    if (present.length === files.size && (await Promise.all(checks)).every(Boolean)) return false;
  }
  const stamp = await mkdtemp(join(directory, `..${new Date().toISOString().slice(0, 19).replace(/[-T:]/g, "_")}.`));
  await chmod(stamp, 0o755);
  for (const [path, file] of files) await writeOne(join(stamp, path), file, gid);
  if (gid !== undefined) await chown(stamp, 0, gid);
  const next = join(directory, "..data_tmp");
  await rm(next, { force: true });
  await symlink(stamp.slice(directory.length + 1), next);
  await rename(next, join(directory, dataLink));
  await linkVisible(directory, files);
  if (current !== undefined) await rm(join(directory, current), { recursive: true, force: true });
  return true;
}

async function writeOne(path: string, file: VolumeFile, gid: number | undefined): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await writeFile(path, file.content);
  // The umask must not decide.
  await chmod(path, file.mode);
  if (gid !== undefined || file.uid !== undefined) await chown(path, file.uid ?? 0, gid ?? 0);
}

async function linkVisible(directory: string, files: VolumeFiles): Promise<void> {
  const wanted = new Set([...files.keys()].map((path) => path.split("/")[0]!));
  const present = (await readdir(directory)).filter((name) => !name.startsWith(".."));
  for (const name of wanted) if (!present.includes(name)) await symlink(join(dataLink, name), join(directory, name));
  for (const name of present) if (!wanted.has(name)) await rm(join(directory, name), { force: true });
}
