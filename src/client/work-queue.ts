// A queue of keys: each waits at most once, is worked on by at most one worker at a time, and can be delayed or retried
// with growing pauses. Level-triggered: a key says what to look at, never what happened.
import type { Clock } from "../machinery/clock.ts";
import { StatusError } from "../machinery/errors.ts";
import type { Logger } from "../machinery/log.ts";

export interface WorkQueueOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Works on one key. A number asks for the key again after so many milliseconds; a rejection retries with back-off. */
  readonly work: (key: string) => Promise<number | undefined | void>;
  /** Keys in work at the same time; 16 unless given. */
  readonly concurrency?: number;
}

const firstRetryMs = 5;
const longestRetryMs = 60_000;
/** Keys started in one turn of the event loop, so that a long queue does not starve I/O. */
const startsPerTurn = 32;

/** Pause before retry number `failures` (from 1). */
export const retryDelay = (failures: number): number => Math.min(firstRetryMs * 2 ** (failures - 1), longestRetryMs);

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #working = new Set<string>();
  /** Keys added while they were in work: they run once more afterwards. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, { at: number; cancel: () => void }>();
  readonly #failures = new Map<string, number>();
  #scheduled = false;
  /** Keys ever added, and those added again because their work failed. */
  readonly counts = { adds: 0, retries: 0 };

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#stop(), { once: true });
  }

  /** Keys that wait, are in work or are delayed. */
  get depth(): number {
    return this.#waiting.size + this.#working.size + this.#delayed.size;
  }

  /** True when nothing waits or is in work (delayed keys do not count). */
  get idle(): boolean {
    return this.#waiting.size === 0 && this.#working.size === 0;
  }

  add(key: string): void {
    if (this.#options.signal.aborted) return;
    this.counts.adds++;
    if (this.#working.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#waiting.add(key);
    this.#schedule();
  }

  /** Adds the key after a pause; of several pending pauses of one key the one that ends first counts. */
  addAfter(key: string, ms: number): void {
    if (ms <= 0) return this.add(key);
    if (this.#options.signal.aborted) return;
    const at = this.#options.clock.now() + ms;
    const pending = this.#delayed.get(key);
    if (pending && pending.at <= at) return;
    pending?.cancel();
    const cancel = this.#options.clock.after(ms, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { at, cancel });
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#start();
    });
  }

  #start(): void {
    let starts = startsPerTurn;
    for (const key of this.#waiting) {
      if (this.#working.size >= (this.#options.concurrency ?? 16)) return;
      if (starts-- === 0) return this.#schedule();
      this.#waiting.delete(key);
      this.#working.add(key);
      void this.#run(key);
    }
  }

  async #run(key: string): Promise<void> {
    try {
      const after = await this.#options.work(key);
      this.#failures.delete(key);
      if (typeof after === "number") this.addAfter(key, after);
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      this.counts.retries++;
      if (!this.#options.signal.aborted) {
        // A refusal or two is everyday business (somebody else wrote first); anything else is worth a look.
        const level = error instanceof StatusError && failures <= 5 ? "debug" : "warn";
        this.#options.log[level]({ key, failures, error: describe(error) }, "work failed, trying again later");
      }
      this.addAfter(key, retryDelay(failures));
    }
    this.#working.delete(key);
    if (this.#again.delete(key)) this.add(key);
    else if (this.#waiting.size > 0) this.#schedule();
  }

  #stop(): void {
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    this.#waiting.clear();
    this.#again.clear();
  }
}

const describe = (error: unknown): string =>
  error instanceof StatusError || !(error instanceof Error) ? String(error) : (error.stack ?? error.message);
