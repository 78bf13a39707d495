// CPU and memory use of the whole machine, from /proc.
import { readFile } from "node:fs/promises";
import type { NodeUsage } from "../../client/node-connection.ts";
import { type Clock, sleep } from "../../machinery/clock.ts";

interface Jiffies {
  readonly busy: number;
  readonly total: number;
}

async function readJiffies(): Promise<Jiffies> {
  const line = (await readFile("/proc/stat", "utf8")).split("\n")[0]!;
  const values = line.split(/\s+/).slice(1, 9).map(Number);
  const total = values.reduce((sum, value) => sum + value, 0);
  // Columns 4 and 5 are idle time and waiting for disks.
  return { total, busy: total - values[3]! - values[4]! };
}

let last: Jiffies | undefined;

/** The rate is that since the last call, or over 200 ms the first time. */
export async function readNodeUsage(clock: Clock, cpus: number): Promise<Omit<NodeUsage, "containers">> {
  const before = last ?? (await readJiffies());
  if (!last) await sleep(clock, 200);
  const now = await readJiffies();
  last = now;
  const share = now.total > before.total ? (now.busy - before.busy) / (now.total - before.total) : 0;
  const memory = await readFile("/proc/meminfo", "utf8");
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(memory)?.[1] ?? 0);
  return {
    cpuNanoCores: Math.round(share * cpus * 1e9),
    memoryWorkingSetBytes: (kib("MemTotal") - kib("MemAvailable")) * 1024,
  };
}
