// Builds the memory image and the history window from the rows of a log, read in revision order.
import type { EntryMemory } from "./entry.ts";
import { StoredEntry, withRevision } from "./entry.ts";
import type { HistoryLimits } from "./history.ts";
import { History, garbageOf } from "./history.ts";
import { Image } from "./image.ts";
import type { LogCounters } from "./log.ts";
import type { StoreKey } from "./store.ts";

export interface LoadedState {
  readonly image: Image;
  readonly history: History;
  readonly counters: LogCounters;
  /** Newest revision that may have been handed out. */
  readonly revision: number;
  /** Rows that an earlier run had no time to remove. */
  readonly garbage: readonly number[];
}

/** A row as read back: `json` is decoded; empty for a deletion that shows the version before it. */
export interface LoadedRow {
  readonly key: StoreKey;
  readonly revision: number;
  readonly createRevision: number;
  readonly deleted: boolean;
  readonly aheadInMemory: boolean;
  readonly json: Buffer;
}

/** An empty store begins at revision 1: 0 means "any" to clients. */
const firstRevision = 1;

export const emptyState = (limits: HistoryLimits): LoadedState => ({
  image: new Image(),
  history: new History(limits),
  counters: { reserved: 0, compacted: 0 },
  revision: firstRevision,
  garbage: [],
});

export class Loader {
  readonly #image = new Image();
  readonly #history: History;
  readonly #memory: EntryMemory;
  readonly #counters: LogCounters;
  readonly #now: number;
  readonly #garbage: number[] = [];
  #revision = firstRevision;

  constructor(limits: HistoryLimits, memory: EntryMemory, counters: LogCounters, now: number) {
    this.#history = new History(limits);
    this.#memory = memory;
    this.#counters = counters;
    this.#now = now;
  }

  /** Takes the next row; rows come in revision order. */
  add(row: LoadedRow): void {
    this.#revision = row.revision;
    const previous = this.#image.get(row.key);
    const { key, revision, createRevision, aheadInMemory: volatile } = row;
    const facts = { key: previous?.key ?? key, revision, createRevision, rowRevision: revision, volatile };
    // A deletion whose object was removed as garbage already has nothing to show: the row itself is garbage.
    if (row.deleted && !previous) return void this.#garbage.push(revision);
    const content = row.json.length > 0 ? { json: row.json } : { object: withRevision(previous!.object, revision) };
    const entry = new StoredEntry(facts, content, this.#memory);
    const type = row.deleted ? "DELETED" : previous ? "MODIFIED" : "ADDED";
    const event = { type, revision, entry, ...(previous ? { previous } : {}) } as const;
    this.#image.apply(event);
    if (revision > this.#counters.compacted + 1) this.#history.push(event, this.#now);
    else this.#garbage.push(...garbageOf([event]));
  }

  finish(): LoadedState {
    return {
      image: this.#image,
      history: this.#history,
      counters: this.#counters,
      revision: Math.max(this.#revision, this.#counters.reserved),
      garbage: this.#garbage,
    };
  }
}
