// The event loop while something happens: how long it was held, by whom, and what that took.
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";

export interface Held {
  /** The longest time in which nothing else could run, in milliseconds. */
  readonly holdMs: number;
  readonly collectionMs: number;
  /** Of this thread, in all. */
  readonly cpuMs: number;
}

type Usage = ReturnType<typeof process.threadCpuUsage>;

export const cpuMs = (before: Usage, after: Usage): number =>
  (after.user + after.system - before.user - before.system) / 1000;

export async function longestHold(what: () => Promise<unknown>): Promise<Held> {
  const resolution = 1;
  let collectionMs = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) collectionMs = Math.max(collectionMs, duration);
  });
  observer.observe({ entryTypes: ["gc"] });
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  const before = process.threadCpuUsage();
  await what();
  const cpu = cpuMs(before, process.threadCpuUsage());
  delay.disable();
  observer.disconnect();
  return { holdMs: Math.max(0, delay.max / 1e6 - resolution), collectionMs, cpuMs: cpu };
}
