// The store's interface: a revisioned, linearizable map of immutable objects with a history that can be watched.
// It knows keys and values, no kinds. Embedded (SQLite) and distributed (etcd) stores both fit it.
import type { KubeObject } from "../machinery/object.ts";
import type { JsonPart } from "./encode.ts";

/** `collection` is `<group>/<plural>` (core: `/pods`); `namespace` is "" for cluster-scoped objects. */
export interface StoreKey {
  readonly collection: string;
  readonly namespace: string;
  readonly name: string;
}

/** One version of one object. The object carries its own `metadata.resourceVersion`, equal to `revision`. */
export interface Entry<T extends KubeObject = KubeObject> {
  readonly key: StoreKey;
  readonly object: T;
  /** Revision of the write that made this version. */
  readonly revision: number;
  /** Revision of the write that created the object. */
  readonly createRevision: number;
  /** The object as JSON. */
  json(): Buffer;
  /** The same in parts, one after the other: what many objects share is in memory once. */
  jsonParts(): readonly JsonPart[];
}

/**
 * A write with its precondition. `expectedRevision` is the revision of the version the write is based on (see `latest`).
 * `volatile` writes (heartbeats) are visible and watched like others but not written to disk: after a restart the last
 * durable version is back, under a revision that was never handed out before.
 */
export type Write =
  | { readonly type: "create"; readonly key: StoreKey; readonly object: KubeObject; readonly volatile?: boolean }
  | {
      readonly type: "update";
      readonly key: StoreKey;
      readonly object: KubeObject;
      readonly expectedRevision: number;
      readonly volatile?: boolean;
    }
  /** `object`, if given, is the last state that watchers see in the DELETED event. */
  | {
      readonly type: "delete";
      readonly key: StoreKey;
      readonly expectedRevision: number;
      readonly object?: KubeObject;
    };

export interface StoreEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly revision: number;
  /** The new version; for DELETED the last one, with the deleting write's revision in it. */
  readonly entry: Entry;
  /** The version before, absent for ADDED. */
  readonly previous?: Entry;
}

export interface Listing {
  /** The revision the listing shows. */
  readonly revision: number;
  /** Sorted by namespace, then name (by code unit). Immutable: later writes make a new array. */
  readonly entries: readonly Entry[];
}

export type StoreErrorCode =
  /** A precondition failed: the object changed meanwhile. Read `latest` and try again. */
  | "conflict"
  /** `create` of a key that exists. */
  | "exists"
  /** `update` or `delete` of a key that does not exist. */
  | "notFound"
  /** The asked revision is older than the history window: list again. */
  | "compacted"
  /** The asked revision is newer than the store. */
  | "future"
  /** The write could not be made durable (disk full, I/O error). Nothing changed; trying later may help. */
  | "unavailable"
  /** The file cannot be read; the message says what is wrong and the way out. */
  | "damaged"
  | "closed";

export class StoreError extends Error {
  readonly code: StoreErrorCode;
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface Subscription {
  /** Ends the subscription; no event is delivered afterwards. */
  close(): void;
}

export interface Store extends AsyncDisposable {
  /** The newest revision that readers see. */
  readonly revision: number;
  /** Revisions up to this one can no longer be watched from. */
  readonly compactedRevision: number;
  /** The durable version. Synchronous: the whole image is in memory. */
  get(key: StoreKey): Entry | undefined;
  /** The newest version including writes still on their way to disk: what the next write must be based on. */
  latest(key: StoreKey): Entry | undefined;
  /** The durable versions of a collection, of one namespace when given. */
  list(collection: string, namespace?: string): Listing;
  /** The collection as it was at `revision`; throws `compacted` or `future`. For continue tokens and exact reads. */
  listAt(collection: string, namespace: string | undefined, revision: number): Listing;
  /** Names of the collections that hold objects. */
  collections(): readonly string[];
  /** The object that a new one probably resembles: the last of its controller or, without one, of its kind and namespace. */
  siblingOf(object: KubeObject): KubeObject | undefined;
  /**
   * All writes or none, in order, each with its own revision; resolves when they are durable and visible, with the new
   * entries (deletes give the last version). Preconditions are checked against `latest` before anything is awaited.
   * Throws `conflict`, `exists`, `notFound`, `unavailable`, `closed`.
   */
  write(writes: readonly Write[]): Promise<readonly Entry[]>;
  /**
   * Delivers every event after revision `after`, in order, first those of the past (in the same tick), then live, in
   * batches. The listener must not throw and must not take long. Throws `compacted`, `future`.
   */
  watch(
    query: { readonly collection: string; readonly namespace?: string; readonly after: number },
    listener: (events: readonly StoreEvent[]) => void,
  ): Subscription;
  /** Resolves when no write made until now is on its way any more: what `latest` showed is visible, or has failed. */
  settled(): Promise<void>;
  /** Resolves once the store has reached `revision`, or rejects when the signal aborts. */
  waitFor(revision: number, signal?: AbortSignal): Promise<void>;
  /**
   * Shows each value on disk, old versions among them, to `visit` and replaces it by what that returns, a few at a time while
   * the store goes on. If any was replaced, nothing of earlier bytes is left in the file when it resolves, with their number.
   */
  rewrite(visit: Rewriter): Promise<number>;
  /** Writes a consistent copy of the durable state to `file`. */
  backup(file: string): Promise<void>;
  /** Facts for `knarr status` and metrics: bytes on disk, objects, history length, last fsync milliseconds. */
  stats(): StoreStats;
  close(): Promise<void>;
}

/** Gets a value as it is stored; undefined leaves it. */
export type Rewriter = (key: StoreKey, bytes: Uint8Array) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

export interface StoreStats {
  readonly fileBytes: number;
  readonly objects: number;
  readonly historyEvents: number;
  readonly lastCommitMs: number;
}
