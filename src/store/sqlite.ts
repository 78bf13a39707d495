// The embedded store: one SQLite file, written by a worker thread, read into memory when it is opened.
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { Worker } from "node:worker_threads";
import type { Clock } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import { EngineStore } from "./engine.ts";
import { EntryMemory, StoredEntry, withRevision } from "./entry.ts";
import type { HistoryEvent } from "./history.ts";
import type { LoadedState } from "./load.ts";
import { Loader } from "./load.ts";
import type { Codec, Log, LogBatch, LogRow } from "./log.ts";
import { defaultHistoryEvents, defaultHistoryMs, defaultJsonCacheBytes } from "./options.ts";
import type { PackedBatch, PackedRow, PackedRows, Reply, Request, WorkerInput } from "./protocol.ts";
import { Doorbell, flagAheadInMemory, flagDeleted } from "./protocol.ts";
import type { Rewriter, Store, StoreKey } from "./store.ts";
import { StoreError } from "./store.ts";

export interface SqliteStoreOptions {
  /** Path of the database file; it and its folder are made when missing, readable by the owner only. */
  readonly file: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** How many past events can be watched from, and for how long; also what the file keeps beyond the objects. */
  readonly historyEvents?: number;
  readonly historyMs?: number;
  readonly codec?: Codec;
  /** Deep-freezes every object written: finds code that writes to shared objects. */
  readonly freeze?: boolean;
}

/**
 * Opens the store and reads all of it. Throws StoreError `unavailable` when another process has the file or the disk
 * refuses, `damaged` when the file cannot be read or decoded.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const memory = new EntryMemory(defaultJsonCacheBytes);
  const log = new SqliteLog(resolve(options.file), options.log);
  try {
    const loaded = await log.open((counters) => {
      const limits = {
        events: options.historyEvents ?? defaultHistoryEvents,
        ageMs: options.historyMs ?? defaultHistoryMs,
      };
      return new Loader(limits, memory, counters, options.clock.now());
    }, options.codec);
    const state = await reviveOutrun(loaded, { log, memory, codec: options.codec, now: options.clock.now() });
    const { clock, codec, freeze, log: logger } = options;
    return new EngineStore({
      log,
      state,
      memory,
      clock,
      logger,
      ...(codec ? { codec } : {}),
      ...(freeze ? { freeze } : {}),
    });
  } catch (error) {
    await log.close();
    throw error;
  }
}

/**
 * Objects whose last versions were in memory only come back in their last durable version, under new revisions, so
 * that nobody takes the old state for the newer one seen before.
 */
async function reviveOutrun(
  state: LoadedState,
  { log, memory, codec, now }: { log: Log; memory: EntryMemory; codec: Codec | undefined; now: number },
): Promise<LoadedState> {
  const events: HistoryEvent[] = [];
  let revision = state.revision;
  for (const previous of state.image.entries()) {
    if (!previous.volatile) continue;
    revision++;
    const { key, createRevision } = previous;
    const facts = { key, createRevision, revision, rowRevision: revision, volatile: false };
    const entry = new StoredEntry(facts, { object: withRevision(previous.object, revision) }, memory);
    events.push({ type: "MODIFIED", revision, entry, previous });
  }
  if (events.length === 0) return state;
  await log.commit({
    rows: events.map(({ entry }) => ({
      key: entry.key,
      revision: entry.revision,
      createRevision: entry.createRevision,
      deleted: false,
      aheadInMemory: false,
      value: codec ? codec.encode(entry.key, entry.json()) : entry.json(),
    })),
    garbage: [],
  });
  for (const event of events) {
    state.image.apply(event);
    state.history.push(event, now);
  }
  return { ...state, revision };
}

type Done = Extract<Reply, { type: "done" }>;

interface Waiting {
  resolve(reply: Done): void;
  reject(error: StoreError): void;
}

class SqliteLog implements Log {
  readonly persistent = true;
  readonly #file: string;
  readonly #logger: Logger;
  readonly #worker: Worker;
  readonly #doorbell = new Doorbell();
  readonly #waiting = new Map<number, Waiting>();
  /** The batch in the shared memory, while it is there. */
  #shared: number | undefined;
  #nextId = 1;
  /** Why the worker cannot be asked any more. */
  #stopped: StoreError | undefined;

  constructor(file: string, logger: Logger) {
    this.#file = file;
    this.#logger = logger;
    const source = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    const workerData: WorkerInput = { file, doorbell: this.#doorbell.memory };
    this.#worker = new Worker(new URL(source, import.meta.url), { workerData, name: "store" });
  }

  /** Waits for the file to be open, feeding what it holds to a loader. */
  open(makeLoader: (counters: { reserved: number; compacted: number }) => Loader, codec?: Codec): Promise<LoadedState> {
    let loader: Loader | undefined;
    // Whatever comes waits for the rows before it to be loaded: a codec may have to ask for a key first.
    let loading = Promise.resolve();
    return new Promise((resolvePromise, reject) => {
      const stop = (error: StoreError) => {
        this.#stop(error);
        reject(error);
      };
      const load = async (packed: PackedRows) => {
        if (this.#stopped) return;
        for (const row of unpack(packed)) {
          let json = row.value;
          try {
            if (codec && json.length > 0) {
              const prepared = codec.prepare?.(row.key, json);
              if (prepared) await prepared;
              json = asBuffer(codec.decode(row.key, json));
            }
          } catch (cause) {
            throw undecodable(row.key, cause, this.#file);
          }
          loader!.add({ ...row, json });
        }
      };
      this.#worker.on("error", (cause) =>
        stop(new StoreError("unavailable", `the store's thread failed: ${String(cause)}`, { cause })),
      );
      this.#worker.on("exit", () => stop(new StoreError("closed", "the store's thread has ended")));
      this.#worker.on("message", (reply: Reply) => {
        if (reply.type === "counters") loader = makeLoader(reply);
        else if (reply.type === "rows") {
          loading = loading.then(() => load(reply)).catch((error: StoreError) => stop(error));
        } else if (reply.type === "opened") {
          void loading.then(() => {
            if (this.#stopped) return;
            this.#worker.unref();
            resolvePromise(loader!.finish());
          });
        } else if (reply.type === "failedToOpen") stop(new StoreError(reply.failure.code, reply.failure.message));
        else this.#settle(reply);
      });
    });
  }

  async commit({ rows, garbage, settled = [], counters = {} }: LogBatch): Promise<void> {
    await this.#ask((id) => {
      const batch = { id, rows: rows.map(packedRow), garbage, settled, counters: Object.entries(counters) };
      const json = JSON.stringify(batch satisfies PackedBatch);
      const size = 4 + Buffer.byteLength(json) + sizeOf(rows);
      const { bytes } = this.#doorbell;
      if (size > bytes.length || this.#shared !== undefined) {
        return { type: "commit", batch: writeBatch(Buffer.allocUnsafeSlow(size), json, rows) };
      }
      this.#shared = id;
      writeBatch(bytes, json, rows);
      return size;
    });
  }

  async rewrite(visit: Rewriter): Promise<number> {
    let count = 0;
    for (let after = 0; ;) {
      const { read } = await this.#ask((id) => ({ type: "read", id, after }));
      if (read!.rows.length === 0) break;
      const changed: LogRow[] = [];
      for (const row of unpack(read!)) {
        after = row.revision;
        const value = row.value.length > 0 ? await visit(row.key, row.value) : undefined;
        if (value) changed.push({ ...row, value });
      }
      if (changed.length === 0) continue;
      count += changed.length;
      const packed = pack(changed);
      await this.#ask((id) => ({ type: "replace", id, ...packed }), [packed.bytes]);
    }
    if (count > 0) await this.#ask((id) => ({ type: "scrub", id }));
    return count;
  }

  defer(flush: () => void): void {
    setImmediate(flush);
  }

  async backup(file: string): Promise<void> {
    await this.#ask((id) => ({ type: "backup", id, file: resolve(file) }));
  }

  fileBytes(): number {
    const size = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    return size(this.#file) + size(`${this.#file}-wal`);
  }

  async close(): Promise<void> {
    if (!this.#stopped) {
      try {
        await this.#ask((id) => ({ type: "close", id }));
      } catch (error) {
        this.#logger.warn({ error }, "the store's file was not closed in good order");
      }
    }
    await this.#worker.terminate();
  }

  /** Posts a request, or says that there is a batch of some length in the shared memory. */
  #ask(request: (id: number) => Request | number, transfer: ArrayBuffer[] = []): Promise<Done> {
    if (this.#stopped) return Promise.reject(this.#stopped);
    const id = this.#nextId++;
    if (this.#waiting.size === 0) this.#worker.ref();
    return new Promise((resolvePromise, reject) => {
      this.#waiting.set(id, { resolve: resolvePromise, reject });
      const asked = request(id);
      if (typeof asked === "number") return this.#doorbell.ring(asked);
      this.#worker.postMessage(asked, transfer);
      this.#doorbell.ring();
    });
  }

  #settle(reply: Extract<Reply, { id: number }>): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (this.#shared === reply.id) this.#shared = undefined;
    if (this.#waiting.size === 0) this.#worker.unref();
    if (reply.type === "done") waiting?.resolve(reply);
    else waiting?.reject(new StoreError(reply.failure.code, reply.failure.message));
  }

  #stop(error: StoreError): void {
    this.#stopped ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#stopped);
    this.#waiting.clear();
  }
}

function pack(from: readonly LogRow[]): PackedRows {
  const bytes = new Uint8Array(sizeOf(from));
  writeValues(bytes, 0, from);
  return { rows: from.map(packedRow), bytes: bytes.buffer };
}

const sizeOf = (rows: readonly LogRow[]): number => rows.reduce((sum, { value }) => sum + value.length, 0);

function packedRow({ key, revision, createRevision, deleted, aheadInMemory, value }: LogRow): PackedRow {
  const flags = (deleted ? flagDeleted : 0) | (aheadInMemory ? flagAheadInMemory : 0);
  return [revision, createRevision, flags, key.collection, key.namespace, key.name, value.length];
}

function writeValues(bytes: Uint8Array, start: number, rows: readonly LogRow[]): void {
  let offset = start;
  for (const { value } of rows) {
    bytes.set(value, offset);
    offset += value.length;
  }
}

function writeBatch(bytes: Buffer, json: string, rows: readonly LogRow[]): Uint8Array {
  const length = bytes.write(json, 4);
  bytes.writeUInt32LE(length, 0);
  writeValues(bytes, 4 + length, rows);
  return bytes;
}

function* unpack({ rows, bytes }: PackedRows): Generator<LogRow & { value: Buffer }> {
  let offset = 0;
  for (const [revision, createRevision, flags, collection, namespace, name, length] of rows) {
    const key: StoreKey = { collection, namespace, name };
    // A copy of its own, so that one object alive does not keep its whole chunk.
    const value = Buffer.from(new Uint8Array(bytes.slice(offset, offset + length)).buffer);
    offset += length;
    const deleted = (flags & flagDeleted) !== 0;
    const aheadInMemory = (flags & flagAheadInMemory) !== 0;
    yield { key, revision, createRevision, deleted, aheadInMemory, value };
  }
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function undecodable(key: StoreKey, cause: unknown, file: string): StoreError {
  const what = `${key.collection} ${key.namespace}/${key.name}`;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new StoreError("damaged", `${file} cannot be decoded (${what}): ${why}. Nothing was changed.`, { cause });
}
