// What lies below the memory image: a log that makes batches of rows durable. Implemented by SQLite and by nothing at all.
import type { Rewriter, StoreKey } from "./store.ts";

/** One version of one object on disk, or its deletion. */
export interface LogRow {
  readonly key: StoreKey;
  readonly revision: number;
  readonly createRevision: number;
  readonly deleted: boolean;
  /** Later versions may exist in memory only: after a crash this version must come back under a new revision. */
  readonly aheadInMemory: boolean;
  /** JSON, as the codec encoded it. Empty for a deletion that shows the version before it. */
  readonly value: Uint8Array;
}

/** What one commit makes durable, all of it or nothing. */
export interface LogBatch {
  readonly rows: readonly LogRow[];
  /** Revisions of rows that nobody needs any more. */
  readonly garbage: readonly number[];
  /** Revisions of rows that are not `aheadInMemory` any more. */
  readonly settled?: readonly number[];
  /** New values of the counters, when they change. */
  readonly counters?: Partial<LogCounters>;
}

export interface LogCounters {
  /** Every revision up to this one may have been handed out without a row to show for it. */
  readonly reserved: number;
  /** History up to and including this revision cannot be watched from. */
  readonly compacted: number;
}

export interface Log {
  /** False when nothing outlives the process: then `commit` is never called and nothing is encoded. */
  readonly persistent: boolean;
  /** Resolves when the batch is durable; rejects with StoreError `unavailable` when nothing of it was written. */
  commit(batch: LogBatch): Promise<void>;
  /** Runs `flush` soon, late enough that the writes of one turn end up in one batch. */
  defer(flush: () => void): void;
  backup(file: string): Promise<void>;
  /** As the store's. */
  rewrite(visit: Rewriter): Promise<number>;
  /** Bytes on disk, side files included. */
  fileBytes(): number;
  close(): Promise<void>;
}

/** Transforms values on their way to and from disk (encryption). `decode` throws when the value is not genuine. */
export interface Codec {
  encode(key: StoreKey, bytes: Uint8Array): Uint8Array;
  decode(key: StoreKey, bytes: Uint8Array): Uint8Array;
  /** Resolves when `decode` can take the value; undefined when it can already. Rejects when it never will. */
  prepare?(key: StoreKey, bytes: Uint8Array): Promise<void> | undefined;
  /** Why values of this key must not be encoded now: creations and updates are refused with it. */
  refusal?(key: StoreKey): string | undefined;
}
