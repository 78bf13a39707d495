// Restart and pull delays that double from 10 s to 5 min and start over after 10 quiet minutes.
// Follows kubernetes v1.36 client-go/util/flowcontrol/backoff.go (Next, IsInBackOffSince).

const initialDelayMs = 10_000;
const maxDelayMs = 300_000;

interface Entry {
  readonly delayMs: number;
  readonly updatedAt: number;
}

export class Backoff {
  readonly #entries = new Map<string, Entry>();

  /** Until when a key that failed at `failedAt` must wait; 0 when it need not. */
  until(key: string, failedAt: number): number {
    const entry = this.#entries.get(key);
    if (!entry || failedAt - entry.updatedAt > 2 * maxDelayMs) return 0;
    return failedAt + entry.delayMs;
  }

  /** The delay that the latest attempt of a key earned, in milliseconds. */
  delay(key: string): number {
    return this.#entries.get(key)?.delayMs ?? 0;
  }

  /** Notes a new attempt at `now` after a failure: the next one waits twice as long. */
  next(key: string, now: number): void {
    const entry = this.#entries.get(key);
    const stale = !entry || now - entry.updatedAt > 2 * maxDelayMs;
    this.#entries.set(key, {
      delayMs: stale ? initialDelayMs : Math.min(entry.delayMs * 2, maxDelayMs),
      updatedAt: now,
    });
  }

  forget(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key);
  }
}

/** `10s`, `1m20s`, `5m0s`. */
export function formatDelay(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
