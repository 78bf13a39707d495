// Waits until caches show writes. A controller that decides again only then never repeats what it has just done.
import type { Cache } from "../../client/client.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import type { Clock } from "../../machinery/clock.ts";
import { keyOf, type KubeObject } from "../../machinery/object.ts";
import type { Caches } from "./controller.ts";

interface Waiter {
  readonly seen: () => boolean;
  readonly done: () => void;
}

/** A write whose echo never comes (its watch broke) holds its key for so long at most. */
const patienceMs = 60_000;

/** What a round of writes to one kind has to show. */
export interface Expected {
  revision: number;
  readonly deleted: KubeObject[];
}

export class Sightings {
  readonly #caches: Caches;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #waiters = new Map<AnyKind, Set<Waiter>>();

  constructor(caches: Caches, clock: Clock, signal: AbortSignal) {
    this.#caches = caches;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Resolves when the cache of the kind shows all that is expected, when patience ends, or when the signal aborts. */
  async wait(kind: AnyKind, expected: Expected): Promise<void> {
    const cache = this.#caches.of(kind);
    const seen = () => cache.revision >= expected.revision && expected.deleted.every((object) => isGone(cache, object));
    if (seen() || this.#signal.aborted) return;
    const waiters = this.#waitersOf(kind, cache);
    await new Promise<void>((resolve) => {
      const waiter: Waiter = {
        seen,
        done: () => {
          waiters.delete(waiter);
          cancel();
          resolve();
        },
      };
      const cancel = this.#clock.after(patienceMs, waiter.done);
      waiters.add(waiter);
    });
  }

  #waitersOf(kind: AnyKind, cache: Cache): Set<Waiter> {
    const known = this.#waiters.get(kind);
    if (known) return known;
    const waiters = new Set<Waiter>();
    this.#waiters.set(kind, waiters);
    const unsubscribe = cache.onChange(() => {
      for (const waiter of waiters) if (waiter.seen()) waiter.done();
    });
    const stop = () => {
      unsubscribe();
      for (const waiter of waiters) waiter.done();
    };
    this.#signal.addEventListener("abort", stop, { once: true });
    return waiters;
  }
}

/** Gone, replaced by a namesake, or on its way out. */
function isGone(cache: Cache, object: KubeObject): boolean {
  const cached = cache.get(keyOf(object));
  return cached?.metadata.uid !== object.metadata.uid || cached.metadata.deletionTimestamp !== undefined;
}
