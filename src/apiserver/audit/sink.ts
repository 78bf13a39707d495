// Where audit events go: a buffer that is emptied behind the requests' backs, into a file or to a webhook. What does not fit,
// or cannot be delivered, is counted and dropped: requests never wait for the audit log.
import { sleep, type Clock } from "../../machinery/clock.ts";

export interface AuditSink {
  readonly name: "log" | "webhook";
  /** One event as JSON in one line. */
  push(line: string): void;
  /** Resolves when everything pushed so far is delivered or given up; nothing may be pushed afterwards. */
  close(): Promise<void>;
}

export interface BufferOptions {
  readonly name: AuditSink["name"];
  readonly clock: Clock;
  /** Delivers a batch; rejects when that failed for good. */
  readonly deliver: (lines: readonly string[]) => Promise<void>;
  /** Told of events that are lost, and why. */
  readonly lost: (count: number, error: unknown) => void;
  readonly batchSize: number;
  /** How long events wait for others at most. */
  readonly waitMs: number;
  readonly maxEvents: number;
  readonly maxBytes: number;
}

export function bufferedSink(options: BufferOptions): AuditSink {
  const { clock, batchSize, waitMs } = options;
  const lines: string[] = [];
  let bytes = 0;
  let cancel: (() => void) | undefined;
  let delivering: Promise<void> | undefined;
  const drain = async () => {
    while (lines.length > 0) {
      const batch = lines.splice(0, batchSize);
      bytes -= batch.reduce((sum, line) => sum + line.length, 0);
      try {
        await options.deliver(batch);
      } catch (error) {
        options.lost(batch.length, error);
      }
    }
    delivering = undefined;
  };
  const start = () => {
    cancel?.();
    cancel = undefined;
    delivering ??= drain();
    return delivering;
  };
  return {
    name: options.name,
    push(line) {
      if (lines.length >= options.maxEvents || bytes + line.length > options.maxBytes) {
        options.lost(1, new Error("the buffer is full"));
        return;
      }
      lines.push(line);
      bytes += line.length;
      if (delivering) return;
      if (lines.length >= batchSize) void start();
      else cancel ??= clock.after(waitMs, () => void start());
    },
    async close() {
      while (lines.length > 0 || delivering) await start();
    },
  };
}

/** Lets through `perSecond` calls a second, up to `burst` at once. */
export function throttle(
  clock: Clock,
  { perSecond, burst }: { readonly perSecond: number; readonly burst: number },
): () => Promise<void> {
  let tokens = burst;
  let at = clock.now();
  return async () => {
    const now = clock.now();
    tokens = Math.min(burst, tokens + ((now - at) / 1000) * perSecond) - 1;
    at = now;
    if (tokens < 0) await sleep(clock, (-tokens / perSecond) * 1000);
  };
}
