// The store over any log: checks preconditions against the image, hands batches to the log, and shows and announces
// what has become durable, in revision order.
import type { Clock } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import type { KubeObject } from "../machinery/object.ts";
import type { EntryMemory } from "./entry.ts";
import { StoredEntry, deepFreeze, withRevision } from "./entry.ts";
import type { HistoryEvent } from "./history.ts";
import { garbageOf } from "./history.ts";
import { inNamespace, keyText } from "./image.ts";
import type { LoadedState } from "./load.ts";
import type { Codec, Log, LogBatch, LogCounters, LogRow } from "./log.ts";
import { rewind } from "./rewind.ts";
import { shareWith } from "./share.ts";
import type { Entry, Listing, Rewriter, Store, StoreKey, StoreStats, Subscription, Write } from "./store.ts";
import { StoreError } from "./store.ts";
import { RevisionWaiters, Watchers } from "./watchers.ts";

/** A transaction on its way: the events it will be, and the promise of whoever waits for it. */
interface Transaction {
  readonly events: readonly HistoryEvent[];
  resolve(entries: readonly Entry[]): void;
  reject(error: StoreError): void;
}

export interface EngineOptions {
  readonly log: Log;
  readonly state: LoadedState;
  readonly memory: EntryMemory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly codec?: Codec;
  /** Deep-freezes every object written: finds code that writes to shared objects. For tests and development. */
  readonly freeze?: boolean;
}

/** Revisions reserved ahead for volatile writes, and how close to the end the reservation is renewed in passing. */
const reservationSize = 10_000;
const renewWithin = 2_500;
/** A batch ends with the transaction that takes it past this size, so that no commit takes long. */
const maxBatchBytes = 8 << 20;
const maxBatchEvents = 8192;
/** Rows that one commit removes at most, beyond as many as it writes: compaction in slices. */
const garbageSlice = 256;

const noBytes = new Uint8Array();
const nothing = () => {};

export class EngineStore implements Store {
  readonly #options: EngineOptions;
  readonly #log: Log;
  readonly #state: LoadedState;
  readonly #watchers: Watchers;
  readonly #waiters = new RevisionWaiters();
  readonly #garbage: number[];
  #queue: Transaction[] = [];
  #next: number;
  #last: Promise<unknown> = Promise.resolve();
  #counters: LogCounters;
  #compacted: number;
  #revision: number;
  #flushing: Promise<void> | undefined;
  #lastCommitMs = 0;
  #closing: Promise<void> | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#state = options.state;
    this.#watchers = new Watchers(options.logger);
    this.#garbage = [...options.state.garbage];
    this.#counters = options.state.counters;
    this.#compacted = options.state.counters.compacted;
    this.#revision = options.state.revision;
    this.#next = options.state.revision + 1;
  }

  get revision(): number {
    return this.#revision;
  }

  get compactedRevision(): number {
    return this.#compacted;
  }

  get(key: StoreKey): Entry | undefined {
    return this.#state.image.get(key);
  }

  latest(key: StoreKey): Entry | undefined {
    return this.#state.image.latest(key);
  }

  list(collection: string, namespace?: string): Listing {
    const sorted = this.#state.image.sorted(collection);
    return { revision: this.#revision, entries: namespace === undefined ? sorted : inNamespace(sorted, namespace) };
  }

  listAt(collection: string, namespace: string | undefined, revision: number): Listing {
    this.#checkPast(revision);
    const later = this.#state.history.after(revision).filter(({ entry }) => entry.key.collection === collection);
    const sorted = rewind(this.#state.image.sorted(collection), later);
    return { revision, entries: namespace === undefined ? sorted : inNamespace(sorted, namespace) };
  }

  collections(): readonly string[] {
    return this.#state.image.collections();
  }

  siblingOf(object: KubeObject): KubeObject | undefined {
    return this.#options.memory.siblings.of(object);
  }

  // Not async: everything up to the promise happens before the caller goes on.
  // oxlint-disable-next-line typescript/promise-function-async
  write(writes: readonly Write[]): Promise<readonly Entry[]> {
    if (this.#closing) return Promise.reject(new StoreError("closed", "the store is closed"));
    if (writes.length === 0) return Promise.resolve([]);
    let events: HistoryEvent[];
    try {
      events = this.#check(writes);
    } catch (error) {
      return Promise.reject(error);
    }
    for (const event of events) this.#state.image.stage(event);
    const written = new Promise<readonly Entry[]>((resolve, reject) => {
      this.#queue.push({ events, resolve, reject });
      if (!this.#flushing) this.#schedule();
    });
    this.#last = written;
    return written;
  }

  settled(): Promise<void> {
    return this.#last.then(nothing, nothing);
  }

  watch(
    query: { readonly collection: string; readonly namespace?: string; readonly after: number },
    listener: Parameters<Store["watch"]>[1],
  ): Subscription {
    if (this.#closing) throw new StoreError("closed", "the store is closed");
    this.#checkPast(query.after);
    const past = this.#state.history
      .after(query.after)
      .filter(({ entry }) => entry.key.collection === query.collection);
    return this.#watchers.add(query, past, this.#revision, listener);
  }

  waitFor(revision: number, signal?: AbortSignal): Promise<void> {
    if (revision <= this.#revision) return Promise.resolve();
    if (this.#closing) return Promise.reject(new StoreError("closed", "the store is closed"));
    return this.#waiters.wait(revision, signal);
  }

  backup(file: string): Promise<void> {
    if (this.#closing) return Promise.reject(new StoreError("closed", "the store is closed"));
    return this.#log.backup(file);
  }

  rewrite(visit: Rewriter): Promise<number> {
    if (this.#closing) return Promise.reject(new StoreError("closed", "the store is closed"));
    return this.#log.rewrite(visit);
  }

  stats(): StoreStats {
    return {
      fileBytes: this.#log.fileBytes(),
      objects: this.#state.image.size,
      historyEvents: this.#state.history.length,
      lastCommitMs: this.#lastCommitMs,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkPast(revision: number): void {
    if (revision <= this.#compacted) {
      throw new StoreError("compacted", `revision ${revision} is too old, history begins at ${this.#compacted + 1}`);
    }
    if (revision > this.#revision) {
      throw new StoreError("future", `revision ${revision} is newer than the store, which is at ${this.#revision}`);
    }
  }

  /** Turns writes into events with revisions of their own, or throws without having changed anything. */
  #check(writes: readonly Write[]): HistoryEvent[] {
    const within = new Map<string, StoredEntry | undefined>();
    const events: HistoryEvent[] = [];
    for (const write of writes) {
      const id = keyText(write.key);
      const current = within.has(id) ? within.get(id) : this.#state.image.latest(write.key);
      checkPrecondition(write, current);
      const refusal = write.type === "delete" ? undefined : this.#options.codec?.refusal?.(write.key);
      if (refusal) throw new StoreError("unavailable", refusal);
      const event = this.#eventOf(write, current, this.#next + events.length);
      within.set(id, event.type === "DELETED" ? undefined : event.entry);
      events.push(event);
    }
    this.#next += events.length;
    return events;
  }

  #eventOf(write: Write, previous: StoredEntry | undefined, revision: number): HistoryEvent {
    const object = withRevision(this.#compact(write, previous), revision);
    if (this.#options.freeze) deepFreeze(object);
    const volatile = write.type !== "delete" && write.volatile === true;
    const inMemoryOnly = volatile && previous?.volatile === true;
    const facts = {
      key: previous?.key ?? write.key,
      revision,
      createRevision: previous?.createRevision ?? revision,
      rowRevision: inMemoryOnly ? previous.rowRevision : revision,
      volatile,
    };
    const entry = new StoredEntry(facts, { object }, this.#options.memory);
    if (!previous) return { type: "ADDED", revision, entry };
    return { type: write.type === "delete" ? "DELETED" : "MODIFIED", revision, entry, previous };
  }

  /** The object to store, sharing what it can with the version before or with its siblings. */
  #compact({ object, type }: Write, previous: StoredEntry | undefined): KubeObject {
    if (!object) return previous!.object;
    return type === "create" ? this.#options.memory.siblings.share(object) : shareWith(object, previous!.object);
  }

  #schedule(): void {
    this.#flushing = new Promise((resolve) => {
      this.#log.defer(() => {
        void this.#flush().then(resolve);
      });
    });
  }

  /** Commits one batch after the other until nothing is left. */
  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      const transactions = this.#takeBatch();
      const events = transactions.flatMap((transaction) => transaction.events);
      const batch = this.#log.persistent ? this.#batchOf(events) : undefined;
      if (batch) {
        try {
          const started = performance.now();
          await this.#log.commit(batch);
          this.#lastCommitMs = performance.now() - started;
        } catch (error) {
          this.#fail(transactions, batch, error);
          continue;
        }
        this.#counters = { ...this.#counters, ...batch.counters };
      }
      this.#publish(events);
      for (const { events: mine, resolve } of transactions) resolve(mine.map(({ entry }) => entry));
      // Whoever waited for this batch gets to write before the next one is closed.
      if (this.#queue.length === 0) break;
      await new Promise<void>((resolve) => this.#log.defer(resolve));
    }
    this.#flushing = undefined;
    if (this.#queue.length > 0) this.#schedule();
  }

  #takeBatch(): Transaction[] {
    let bytes = 0;
    let events = 0;
    let taken = 0;
    while (taken < this.#queue.length && bytes < maxBatchBytes && events < maxBatchEvents) {
      for (const { entry } of this.#queue[taken]!.events) {
        events++;
        if (this.#log.persistent && entry.rowRevision === entry.revision) bytes += entry.jsonLength;
      }
      taken++;
    }
    const batch = this.#queue.slice(0, taken);
    this.#queue = this.#queue.slice(taken);
    return batch;
  }

  /** What of these events has to reach the disk, if anything. */
  #batchOf(events: readonly HistoryEvent[]): LogBatch | undefined {
    const rows = events.filter(({ entry }) => entry.rowRevision === entry.revision).map((event) => this.#rowOf(event));
    const last = events.at(-1)!.revision;
    const inMemory = events.some(({ entry }) => entry.volatile);
    const mustReserve = inMemory && last > this.#counters.reserved;
    const mayReserve = rows.length > 0 && this.#counters.reserved > 0 && last > this.#counters.reserved - renewWithin;
    const counters: Partial<LogCounters> = {
      ...(mustReserve || mayReserve ? { reserved: last + reservationSize } : {}),
      ...(this.#compacted === this.#counters.compacted ? {} : { compacted: this.#compacted }),
    };
    if (rows.length === 0 && !mustReserve) return undefined;
    return { rows, garbage: this.#garbage.splice(0, rows.length + garbageSlice), counters };
  }

  #rowOf({ type, entry, previous }: HistoryEvent): LogRow {
    const deleted = type === "DELETED";
    // A deletion that shows the last version again need not store it again.
    const implied = deleted && sameButRevision(entry.object, previous!.object);
    return {
      key: entry.key,
      revision: entry.revision,
      createRevision: entry.createRevision,
      deleted,
      aheadInMemory: entry.volatile,
      value: implied ? noBytes : this.#encode(entry),
    };
  }

  #encode(entry: StoredEntry): Uint8Array {
    const { codec } = this.#options;
    return codec ? codec.encode(entry.key, entry.json()) : entry.json();
  }

  /** Whatever was staged may rest on what failed, so all of it fails. */
  #fail(transactions: readonly Transaction[], batch: LogBatch, cause: unknown): void {
    const error =
      cause instanceof StoreError
        ? cause
        : new StoreError("unavailable", `the write could not be made durable: ${String(cause)}`, { cause });
    this.#options.logger.error({ error }, "writes failed, nothing was changed");
    this.#garbage.unshift(...batch.garbage);
    const all = [...transactions, ...this.#queue];
    this.#queue = [];
    this.#state.image.unstage();
    for (const { reject } of all) reject(error);
  }

  #publish(events: readonly HistoryEvent[]): void {
    const { image, history } = this.#state;
    const now = this.#options.clock.now();
    for (const event of events) {
      image.apply(event);
      history.push(event, now);
    }
    this.#revision = events.at(-1)!.revision;
    const dropped = history.trim(now);
    if (dropped.length > 0) {
      this.#compacted = dropped.at(-1)!.revision - 1;
      for (const row of garbageOf(dropped)) this.#garbage.push(row);
    }
    this.#watchers.publish(events, this.#revision);
    this.#waiters.reached(this.#revision);
  }

  async #close(): Promise<void> {
    while (this.#flushing) await this.#flushing;
    try {
      await this.#settleVolatile();
    } catch (error) {
      this.#options.logger.warn({ error }, "versions that were in memory only are lost");
    }
    this.#watchers.clear();
    this.#waiters.close();
    await this.#log.close();
  }

  /** Writes down what was in memory only, so that an orderly restart loses neither heartbeats nor revisions. */
  async #settleVolatile(): Promise<void> {
    const ahead = [...this.#state.image.entries()].filter(({ volatile }) => volatile);
    if (!this.#log.persistent || (ahead.length === 0 && this.#counters.reserved === 0)) return;
    const rows = ahead
      .filter(({ rowRevision, revision }) => rowRevision !== revision)
      .map((entry) => ({
        key: entry.key,
        revision: entry.revision,
        createRevision: entry.createRevision,
        deleted: false,
        aheadInMemory: false,
        value: this.#encode(entry),
      }));
    // Rows still marked as outrun would be brought back under a new revision; the last volatile version is theirs.
    const settled = ahead.filter(({ rowRevision, revision }) => rowRevision === revision).map((e) => e.revision);
    await this.#log.commit({
      rows,
      garbage: [],
      settled,
      counters: { reserved: this.#revision, compacted: this.#compacted },
    });
  }
}

function checkPrecondition(write: Write, current: StoredEntry | undefined): void {
  const { collection, namespace, name } = write.key;
  const what = `${collection} ${namespace ? `${namespace}/` : ""}${name}`;
  if (write.type === "create") {
    if (current) throw new StoreError("exists", `${what} exists`);
    return;
  }
  if (!current) throw new StoreError("notFound", `${what} does not exist`);
  if (current.revision !== write.expectedRevision) {
    const versions = `it is at revision ${current.revision}, not ${write.expectedRevision}`;
    throw new StoreError("conflict", `${what} has changed: ${versions}`);
  }
}

/** The very same parts but for the resourceVersion; objects that merely look alike count as different. */
function sameButRevision(a: KubeObject, b: KubeObject): boolean {
  const { metadata: metadataA, ...restA } = a as KubeObject & Record<string, unknown>;
  const { metadata: metadataB, ...restB } = b as KubeObject & Record<string, unknown>;
  const same = (x: Record<string, unknown>, y: Record<string, unknown>) => {
    const keys = Object.keys(x);
    return keys.length === Object.keys(y).length && keys.every((key) => key === "resourceVersion" || x[key] === y[key]);
  };
  return same(restA, restB) && same({ ...metadataA }, { ...metadataB });
}
