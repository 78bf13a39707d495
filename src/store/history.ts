// The window of past events: what a watch can start from and a listing can be rewound to.
import type { StoredEntry } from "./entry.ts";
import type { StoreEvent } from "./store.ts";

export interface HistoryEvent extends StoreEvent {
  readonly entry: StoredEntry;
  readonly previous?: StoredEntry;
}

export interface HistoryLimits {
  readonly events: number;
  readonly ageMs: number;
}

export class History {
  readonly #limits: HistoryLimits;
  #events: HistoryEvent[] = [];
  #times: number[] = [];
  #start = 0;

  constructor(limits: HistoryLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#events.length - this.#start;
  }

  push(event: HistoryEvent, now: number): void {
    this.#events.push(event);
    this.#times.push(now);
  }

  /** Drops and returns the events that are too many or too old. */
  trim(now: number): HistoryEvent[] {
    let end = Math.max(this.#start, this.#events.length - this.#limits.events);
    while (end < this.#times.length && this.#times[end]! < now - this.#limits.ageMs) end++;
    const dropped = this.#events.slice(this.#start, end);
    this.#start = end;
    // Moving the rest to the front only now and then keeps each trim cheap.
    if (this.#start > 1024 && this.#start * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#start);
      this.#times = this.#times.slice(this.#start);
      this.#start = 0;
    }
    return dropped;
  }

  /** Events after `revision`, oldest first. */
  after(revision: number): readonly HistoryEvent[] {
    let low = this.#start;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#events[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#events.slice(low);
  }
}

/** Rows that are of no use once these events cannot be watched any more. */
export function garbageOf(dropped: readonly HistoryEvent[]): number[] {
  const rows: number[] = [];
  for (const { type, entry, previous } of dropped) {
    const replaced = previous && previous.rowRevision !== entry.rowRevision && previous.rowRevision !== 0;
    if (replaced) rows.push(previous.rowRevision);
    if (type === "DELETED") rows.push(entry.revision);
  }
  return rows;
}
