// Gives memory back when a burst of work is over: V8 and malloc else keep what they had at their busiest while nothing happens.
import { PerformanceObserver } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const quietMs = 10_000;
/** Growth since the last time for which it is worth a pause. */
const worthBytes = 8 << 20;
/** The pause is some 80 ms (a gentler collection: 40 ms, and 20 MB more stay); beyond this size it would be too long. */
const maxHeapBytes = 80 << 20;

/**
 * From now on until the process ends: collects all garbage once there has been no collection, so no work, for a while and
 * memory has grown since the last time.
 */
export function restWhenIdle(): void {
  let restedBytes = 0;
  const rest = async () => {
    const { heapTotal } = process.memoryUsage();
    if (heapTotal < restedBytes + worthBytes || heapTotal > maxHeapBytes) return;
    await giveBack();
    restedBytes = process.memoryUsage().heapTotal;
  };
  const timer = setTimeout(() => void rest(), quietMs).unref();
  new PerformanceObserver(() => timer.refresh()).observe({ entryTypes: ["gc"] });
}

async function giveBack(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as NodeJS.GCFunction;
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
  if (process.platform !== "linux") return;
  const { libc } = await import("./libc.ts");
  libc.malloc_trim(0);
}
