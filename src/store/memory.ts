// A store in memory only: for tests, simulations and embedded clusters.
import type { Clock } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import { silentLogger } from "../machinery/log.ts";
import { EngineStore } from "./engine.ts";
import { EntryMemory } from "./entry.ts";
import { emptyState } from "./load.ts";
import type { Log } from "./log.ts";
import { defaultHistoryEvents, defaultHistoryMs, defaultJsonCacheBytes } from "./options.ts";
import type { Store } from "./store.ts";
import { StoreError } from "./store.ts";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly log?: Logger;
  /** How many past events can be watched from, and for how long. */
  readonly historyEvents?: number;
  readonly historyMs?: number;
  /** Deep-freezes every object written: finds code that writes to shared objects. */
  readonly freeze?: boolean;
}

const nowhere: Log = {
  persistent: false,
  commit: () => Promise.resolve(),
  defer: (flush) => queueMicrotask(flush),
  backup: () => Promise.reject(new StoreError("unavailable", "a store in memory has no durable state to back up")),
  rewrite: () => Promise.resolve(0),
  fileBytes: () => 0,
  close: () => Promise.resolve(),
};

export function openMemoryStore(options: MemoryStoreOptions): Promise<Store> {
  const limits = {
    events: options.historyEvents ?? defaultHistoryEvents,
    ageMs: options.historyMs ?? defaultHistoryMs,
  };
  const store = new EngineStore({
    log: nowhere,
    state: emptyState(limits),
    memory: new EntryMemory(defaultJsonCacheBytes),
    clock: options.clock,
    logger: options.log ?? silentLogger,
    ...(options.freeze ? { freeze: true } : {}),
  });
  return Promise.resolve(store);
}
