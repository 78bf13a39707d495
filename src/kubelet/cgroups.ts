// The cgroups above containers: one tree per cluster with a level per quality of service and one group per pod, on
// cgroup v1 and v2. Where the machine delegates nothing, pods run without limits of their own.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cpuPeriodMicros, type PodLimits } from "./pod/resources.ts";
import type { QosClass } from "./pod/qos.ts";

const base = "/sys/fs/cgroup";

export interface Cgroups {
  readonly version: 1 | 2;
  /** Makes the tree of the cluster. */
  prepare(): void;
  /** Makes or adjusts the group of a pod and returns its path, as the runtime wants it. */
  ensurePod(uid: string, limits: PodLimits): string;
  /** Does nothing while processes are left in it. */
  removePod(uid: string): void;
}

const controllersV1 = ["cpu", "memory", "pids"] as const;

const cgroupVersion = (): 1 | 2 => (existsSync(join(base, "cgroup.controllers")) ? 2 : 1);

/** Every hierarchy that exists on this machine. */
function hierarchies(): string[] {
  if (cgroupVersion() === 2) return [base];
  return readdirSync(base, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(base, entry.name));
}

const levelOf = (qos: QosClass): string => (qos === "Guaranteed" ? "" : qos.toLowerCase());

/** Follows kubernetes v1.36 pkg/kubelet/cm (CpuSharesToCpuWeight). */
const weightOf = (shares: number): number => Math.floor(1 + ((shares - 2) * 9999) / 262142);

export function createCgroups(root: string, warn: (message: string) => void): Cgroups {
  const version = cgroupVersion();
  const top = join("/", root, "kubepods");
  const pathOf = (uid: string, qos: QosClass) => join(top, levelOf(qos), `pod${uid}`);
  let warned = false;
  const attempt = (body: () => void) => {
    try {
      body();
    } catch (error) {
      if (!warned) warn(`cgroups are not writable, pods run without limits of their own: ${(error as Error).message}`);
      warned = true;
    }
  };
  const ensure = (path: string) => {
    if (version === 1) for (const name of controllersV1) mkdirSync(join(base, name, path), { recursive: true });
    else mkdirV2(path);
  };
  return {
    version,
    prepare: () => attempt(() => ["", "burstable", "besteffort"].forEach((level) => ensure(join(top, level)))),
    ensurePod(uid, limits) {
      const path = pathOf(uid, limits.qos);
      attempt(() => {
        ensure(path);
        for (const [file, value] of version === 1 ? settingsV1(path, limits) : settingsV2(path, limits))
          writeFileSync(file, value);
      });
      return path;
    },
    removePod(uid) {
      for (const qos of ["Guaranteed", "Burstable", "BestEffort"] as const) removeTrees(pathOf(uid, qos));
    },
  };
}

function settingsV1(path: string, limits: PodLimits): [file: string, value: string][] {
  const cpu = join(base, "cpu", path);
  const settings: [string, string][] = [[join(cpu, "cpu.shares"), String(limits.cpuShares)]];
  if (existsSync(join(cpu, "cpu.cfs_quota_us"))) {
    settings.push([join(cpu, "cpu.cfs_period_us"), String(cpuPeriodMicros)]);
    settings.push([join(cpu, "cpu.cfs_quota_us"), String(limits.cpuQuota ?? -1)]);
  }
  settings.push([join(base, "memory", path, "memory.limit_in_bytes"), String(limits.memoryBytes ?? -1)]);
  return settings;
}

function settingsV2(path: string, limits: PodLimits): [file: string, value: string][] {
  const directory = join(base, path);
  return [
    [join(directory, "cpu.weight"), String(weightOf(limits.cpuShares))],
    [join(directory, "cpu.max"), `${limits.cpuQuota ?? "max"} ${cpuPeriodMicros}`],
    [join(directory, "memory.max"), String(limits.memoryBytes ?? "max")],
  ];
}

/** Every level on the way hands its controllers down before the next is made. */
function mkdirV2(path: string): void {
  let directory = base;
  for (const step of path.split("/").filter(Boolean)) {
    const wanted = readFileSync(join(directory, "cgroup.controllers"), "utf8").trim().split(" ").filter(Boolean);
    const present = readFileSync(join(directory, "cgroup.subtree_control"), "utf8").trim().split(" ");
    const missing = wanted.filter((name) => !present.includes(name));
    if (missing.length > 0)
      writeFileSync(join(directory, "cgroup.subtree_control"), missing.map((name) => `+${name}`).join(" "));
    directory = join(directory, step);
    if (!existsSync(directory)) mkdirSync(directory);
  }
}

function removeTrees(path: string): void {
  for (const hierarchy of hierarchies()) removeTree(join(hierarchy, path));
}

function removeTree(directory: string): void {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(directory, entry.name));
  try {
    rmdirSync(directory);
  } catch {
    // Busy while a process is left in it; the next removal takes it.
  }
}

/** Removes all cgroups below the cluster's root that no process uses. */
export function removeCgroups(root: string): void {
  if (join("/", root) !== "/") removeTrees(root);
}
