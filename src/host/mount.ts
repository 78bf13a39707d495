// Mounts through the system call itself: 0.1 ms instead of a process.
import { readFileSync } from "node:fs";
import { libc, systemError } from "./libc.ts";

export const mountFlags = {
  readOnly: 1,
  noSuid: 2,
  noDev: 4,
  noExec: 8,
  remount: 32,
  bind: 4096,
  recursive: 16384,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
} as const;

export interface MountOptions {
  readonly type?: string;
  readonly flags?: number;
  /** File-system options such as `size=64m,mode=0700`. */
  readonly data?: string;
}

/** Mounts `source` on `target`; throws a system error (`code` "ENOENT", "EPERM" …). */
export function mount(source: string, target: string, { type = "", flags = 0, data = "" }: MountOptions = {}): void {
  if (libc.mount(source, target, type || null, flags, data || null) !== 0) throw systemError("mount", target);
}

/** Binds a file or directory; `readOnly` needs the second, remounting call that the kernel asks for. */
export function bindMount(source: string, target: string, { readOnly = false, recursive = true } = {}): void {
  mount(source, target, { flags: mountFlags.bind | (recursive ? mountFlags.recursive : 0) });
  if (readOnly) mount(source, target, { flags: mountFlags.bind | mountFlags.remount | mountFlags.readOnly });
}

/** Takes a mount away; with `lazy` also when it is busy. Returns false when nothing was mounted there. */
function unmount(target: string, { lazy = false } = {}): boolean {
  const MNT_DETACH = 2;
  const UMOUNT_NOFOLLOW = 8;
  if (libc.umount2(target, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) === 0) return true;
  const error = systemError("umount", target);
  if (error.code === "EINVAL" || error.code === "ENOENT") return false;
  throw error;
}

export interface MountPoint {
  readonly target: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** The mounts of this mount namespace, in mount order. */
export function mountPoints(): MountPoint[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [, target = "", type = "", options = ""] = line.split(" ");
      return { target: unescapeOctal(target), type, options: options.split(",") };
    });
}

/** Takes away every mount at or below `directory`, deepest first. */
export function unmountTree(directory: string): void {
  const inside = mountPoints().filter(({ target }) => target === directory || target.startsWith(`${directory}/`));
  for (const { target } of inside.toReversed()) unmount(target, { lazy: true });
}

/** Makes `directory` a shared mount of its own, so that mounts below it reach containers. Does nothing when it is one. */
export function makeShared(directory: string): void {
  const line = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .find((entry) => unescapeOctal(entry.split(" ")[4] ?? "") === directory);
  if (line === undefined) bindMount(directory, directory);
  if (!line?.includes(" shared:")) mount("none", directory, { flags: mountFlags.shared });
}

const unescapeOctal = (text: string) =>
  text.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
