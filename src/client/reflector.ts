// Keeps an IndexedCache equal to what the server has: list, watch, and recover from whatever ends a watch.
// A loop of steps over named states; `nextState` decides, `runReflector` performs.
import type { Client, WatchEvent } from "./client.ts";
import type { IndexedCache } from "./indexed-cache.ts";
import { sleep, type Clock } from "../machinery/clock.ts";
import { isReason } from "../machinery/errors.ts";
import type { Logger } from "../machinery/log.ts";
import type { KubeObject } from "../machinery/object.ts";

export type ReflectorState =
  /** Nothing is known, or what is known is too old to resume from: list. */
  | { readonly name: "listing"; readonly failures: number }
  /** The cache shows `revision`: watch from there. */
  | { readonly name: "watching"; readonly revision: string; readonly failures: number }
  /** Something failed: wait before going on with `then`. */
  | { readonly name: "waiting"; readonly ms: number; readonly then: ReflectorState };

/** How a step ended. `livedMs` is how long a watch stood; `revision` the last one seen. */
export type ReflectorOutcome =
  | { readonly type: "listed"; readonly revision: string }
  | { readonly type: "watchEnded"; readonly revision: string; readonly livedMs: number }
  | { readonly type: "failed"; readonly error: unknown; readonly revision?: string; readonly livedMs?: number }
  | { readonly type: "waited" };

const firstDelayMs = 100;
const longestDelayMs = 30_000;
/** A watch that stood this long was healthy: the next failure starts from the shortest delay again. */
const healthyMs = 5_000;

export const initialState: ReflectorState = { name: "listing", failures: 0 };

/** The state after a step: expired revisions lead to a new listing, other failures to a growing delay. */
export function nextState(state: ReflectorState, outcome: ReflectorOutcome): ReflectorState {
  if (outcome.type === "waited") return state.name === "waiting" ? state.then : state;
  if (state.name === "waiting") return state;
  if (outcome.type === "listed") return { name: "watching", revision: outcome.revision, failures: state.failures };
  const healthy = (outcome.livedMs ?? 0) >= healthyMs;
  const failures = healthy ? 1 : state.failures + 1;
  const delay = Math.min(firstDelayMs * 2 ** (failures - 1), longestDelayMs);
  const revision = outcome.revision ?? (state.name === "watching" ? state.revision : undefined);
  if (outcome.type === "watchEnded") {
    const watching: ReflectorState = { name: "watching", revision: outcome.revision, failures: healthy ? 0 : failures };
    return healthy ? watching : { name: "waiting", ms: delay, then: watching };
  }
  const expired = isReason(outcome.error, "Expired", "Gone");
  const then: ReflectorState =
    expired || revision === undefined ? { name: "listing", failures } : { name: "watching", revision, failures };
  // The first expiry is no fault of anybody: list again at once.
  return expired && failures === 1 ? then : { name: "waiting", ms: delay, then };
}

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: Pick<Client, "list" | "watch">;
  readonly cache: IndexedCache<T>;
  readonly fieldSelector?: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Fills the cache and keeps it current until the signal aborts; then resolves. Never throws: failures are retried. */
export async function runReflector<T extends KubeObject>(options: ReflectorOptions<T>): Promise<void> {
  let state = initialState;
  while (!options.signal.aborted) state = nextState(state, await step(state, options));
}

async function step<T extends KubeObject>(
  state: ReflectorState,
  options: ReflectorOptions<T>,
): Promise<ReflectorOutcome> {
  if (state.name === "waiting") {
    await sleep(options.clock, state.ms, options.signal);
    return { type: "waited" };
  }
  return state.name === "listing" ? listStep(options) : watchStep(state.revision, options);
}

const pageSize = 500;

async function listStep<T extends KubeObject>(options: ReflectorOptions<T>): Promise<ReflectorOutcome> {
  const { client, cache, fieldSelector } = options;
  try {
    const objects: T[] = [];
    let next: string | undefined;
    let revision = "0";
    do {
      const page = await client.list(cache.kind, {
        ...(fieldSelector ? { fieldSelector } : {}),
        ...(next ? { continue: next } : {}),
        limit: pageSize,
      });
      objects.push(...page.items);
      revision = page.metadata.resourceVersion ?? revision;
      next = page.metadata.continue || undefined;
    } while (next);
    cache.replace(objects, Number(revision));
    cache.markSynced();
    return { type: "listed", revision };
  } catch (error) {
    return failed(error, options, "listing failed");
  }
}

async function watchStep<T extends KubeObject>(start: string, options: ReflectorOptions<T>): Promise<ReflectorOutcome> {
  const { client, cache, fieldSelector, signal, clock } = options;
  const startedAt = clock.now();
  let revision = start;
  try {
    const watch = { resourceVersion: start, signal, ...(fieldSelector ? { fieldSelector } : {}) };
    for await (const event of client.watch(cache.kind, watch)) {
      takeIn(cache, event);
      revision = event.object.metadata.resourceVersion;
    }
    return { type: "watchEnded", revision, livedMs: clock.now() - startedAt };
  } catch (error) {
    return { ...failed(error, options, "watch failed"), revision, livedMs: clock.now() - startedAt };
  }
}

function takeIn<T extends KubeObject>(cache: IndexedCache<T>, event: WatchEvent<T>): void {
  if (event.type === "BOOKMARK") cache.advance(Number(event.object.metadata.resourceVersion));
  else cache.apply(event);
}

function failed<T extends KubeObject>(error: unknown, options: ReflectorOptions<T>, message: string) {
  if (!options.signal.aborted && !isReason(error, "Expired", "Gone")) {
    options.log.warn({ kind: options.cache.kind.kind, error: String(error) }, message);
  }
  return { type: "failed", error } as const;
}
