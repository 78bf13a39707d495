// Time is an argument: everything that waits or stamps takes a Clock, so that tests and simulations can hold it.

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once after `ms`; the returned function cancels. Only with `keepAlive` does the timer hold the process. */
  after(ms: number, callback: () => void, keepAlive?: boolean): () => void;
}

export const realClock: Clock = {
  now: () => Date.now(),
  after(ms, callback, keepAlive = false) {
    const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1));
    if (!keepAlive) timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `ms`, or at once when the signal aborts (it never rejects; look at the signal). */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(ms, done, true);
    signal?.addEventListener("abort", done);
  });
}

/** Works again and again, `ms` after the last time is done, until the signal aborts. The work must not reject. */
export function repeat(clock: Clock, ms: number, signal: AbortSignal, work: () => unknown): void {
  if (signal.aborted) return;
  const cancel = clock.after(ms, async () => {
    signal.removeEventListener("abort", cancel);
    await work();
    repeat(clock, ms, signal, work);
  });
  signal.addEventListener("abort", cancel, { once: true });
}

let formatted = { second: Number.NaN, text: "" };

/** RFC 3339 in whole seconds, the form of metav1.Time. */
export function formatTime(epochMs: number): string {
  const second = Math.floor(epochMs / 1000);
  if (second !== formatted.second) formatted = { second, text: `${new Date(epochMs).toISOString().slice(0, 19)}Z` };
  return formatted.text;
}

/** RFC 3339 with six decimals, the form of metav1.MicroTime. */
export const formatMicroTime = (epochMs: number): string => `${new Date(epochMs).toISOString().slice(0, 23)}000Z`;

/** Milliseconds since the epoch; NaN when it is no time. */
export const parseTime = (text: string | undefined): number => (text === undefined ? Number.NaN : Date.parse(text));
