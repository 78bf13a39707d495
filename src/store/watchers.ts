// Who wants to hear of which collection, and who waits for a revision.
import type { Logger } from "../machinery/log.ts";
import type { StoreEvent, Subscription } from "./store.ts";
import { StoreError } from "./store.ts";

type Listener = (events: readonly StoreEvent[]) => void;

interface Watcher {
  readonly namespace: string | undefined;
  readonly listener: Listener;
  /** Everything up to this revision was delivered. */
  position: number;
}

export class Watchers {
  readonly #log: Logger;
  readonly #byCollection = new Map<string, Set<Watcher>>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Delivers `past` at once and what is published from then on. `position` is the newest revision that `past` covers. */
  add(
    query: { readonly collection: string; readonly namespace?: string },
    past: readonly StoreEvent[],
    position: number,
    listener: Listener,
  ): Subscription {
    const watcher: Watcher = { namespace: query.namespace, listener, position };
    const watchers = this.#byCollection.get(query.collection) ?? new Set();
    this.#byCollection.set(query.collection, watchers);
    watchers.add(watcher);
    this.#deliver(watcher, select(past, query.namespace));
    return {
      close: () => {
        watchers.delete(watcher);
        if (watchers.size === 0 && this.#byCollection.get(query.collection) === watchers) {
          this.#byCollection.delete(query.collection);
        }
      },
    };
  }

  /** Tells everyone about the events of one commit. */
  publish(events: readonly StoreEvent[], revision: number): void {
    for (const [collection, batch] of byCollection(events)) {
      const watchers = this.#byCollection.get(collection);
      if (!watchers) continue;
      const selected = new Map<string | undefined, readonly StoreEvent[]>([[undefined, batch]]);
      for (const watcher of watchers) {
        // A watcher that a listener added during this very loop has seen the events as its past.
        if (watcher.position >= revision) continue;
        watcher.position = revision;
        let mine = selected.get(watcher.namespace);
        if (!mine) selected.set(watcher.namespace, (mine = select(batch, watcher.namespace)));
        this.#deliver(watcher, mine);
      }
    }
  }

  clear(): void {
    for (const watchers of this.#byCollection.values()) watchers.clear();
    this.#byCollection.clear();
  }

  #deliver(watcher: Watcher, events: readonly StoreEvent[]): void {
    if (events.length === 0) return;
    try {
      watcher.listener(events);
    } catch (error) {
      this.#log.error({ error }, "a watch listener failed");
    }
  }
}

function select(events: readonly StoreEvent[], namespace: string | undefined): readonly StoreEvent[] {
  return namespace === undefined ? events : events.filter(({ entry }) => entry.key.namespace === namespace);
}

function byCollection(events: readonly StoreEvent[]): Map<string, StoreEvent[]> {
  const groups = new Map<string, StoreEvent[]>();
  for (const event of events) {
    const group = groups.get(event.entry.key.collection);
    if (group) group.push(event);
    else groups.set(event.entry.key.collection, [event]);
  }
  return groups;
}

/** Promises for revisions that have not been reached. */
export class RevisionWaiters {
  readonly #waiters = new Set<{ readonly revision: number; resolve(): void; reject(error: unknown): void }>();

  wait(revision: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => () => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener("abort", abort);
        act();
      };
      const abort = settle(() => reject(signal!.reason));
      const waiter = {
        revision,
        resolve: settle(resolve),
        reject: (error: unknown) => settle(() => reject(error))(),
      };
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", abort);
      this.#waiters.add(waiter);
    });
  }

  reached(revision: number): void {
    for (const waiter of this.#waiters) if (waiter.revision <= revision) waiter.resolve();
  }

  close(): void {
    for (const waiter of this.#waiters) waiter.reject(new StoreError("closed", "the store is closed"));
  }
}
