// Events are kept for an hour after they last happened, as upstream's lease on them says. A timer runs only while there are
// events, and one sweep deletes all that are due, so that an idle cluster sees neither timers nor writes.
import type { Clock } from "../../machinery/clock.ts";
import { parseTime } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { StoreError } from "../../store/store.ts";
import type { Entry, Store } from "../../store/store.ts";

const collection = "/events";
const lifetimeMs = 3_600_000;
/** Events that end within this time go together. */
const slackMs = 60_000;
const batchSize = 500;

type Times = KubeObject & { lastTimestamp?: string; eventTime?: string; series?: { lastObservedTime?: string } };

/** When an event last happened, in milliseconds. */
export function lastSeen(object: KubeObject): number {
  const { lastTimestamp, eventTime, series, metadata } = object as Times;
  const times = [series?.lastObservedTime, lastTimestamp, eventTime, metadata.creationTimestamp].map(parseTime);
  return Math.max(...times.filter((time) => !Number.isNaN(time)));
}

/** The events that are due at `now`, and when to look again (undefined when none are left). */
function planExpiry(entries: readonly Entry[], now: number): { due: Entry[]; next: number | undefined } {
  const due: Entry[] = [];
  let next: number | undefined;
  for (const entry of entries) {
    const end = lastSeen(entry.object) + lifetimeMs;
    if (end <= now) due.push(entry);
    else if (next === undefined || end < next) next = end;
  }
  return { due, next };
}

/** Deletes events that are over until the signal aborts. */
export function followEvents(options: { store: Store; clock: Clock; log: Logger; signal: AbortSignal }): void {
  const { store, clock, log, signal } = options;
  let cancel: (() => void) | undefined;
  const schedule = (at: number) => {
    cancel?.();
    cancel = clock.after(Math.max(0, at - clock.now()) + slackMs, () => {
      cancel = undefined;
      void sweep();
    });
  };
  const sweep = async () => {
    const { due } = planExpiry(store.list(collection).entries, clock.now());
    try {
      for (let i = 0; i < due.length && !signal.aborted; i += batchSize)
        await removeAll(store, due.slice(i, i + batchSize));
    } catch (error) {
      log.warn({ error }, "old events could not be deleted");
    }
    if (signal.aborted) return;
    // What could not be deleted is tried again with the next that ends, or a lifetime later.
    const left = planExpiry(store.list(collection).entries, clock.now());
    if (left.next !== undefined) schedule(left.next);
    else if (left.due.length > 0) schedule(clock.now() + lifetimeMs);
  };
  const { entries, revision } = store.list(collection);
  // The first sweep finds out when to look again: at start, nothing is parsed for that.
  if (entries.length > 0) schedule(clock.now());
  const subscription = store.watch({ collection, after: revision }, (events) => {
    if (!cancel && events.some(({ type }) => type !== "DELETED")) schedule(clock.now() + lifetimeMs);
  });
  signal.addEventListener("abort", () => {
    cancel?.();
    subscription.close();
  });
}

/** One commit; an event that changed meanwhile stays for the next sweep. */
async function removeAll(store: Store, entries: readonly Entry[]): Promise<void> {
  const current = entries.filter((entry) => store.latest(entry.key)?.revision === entry.revision);
  try {
    await store.write(
      current.map(({ key, revision }) => ({ type: "delete", key, expectedRevision: revision }) as const),
    );
  } catch (error) {
    if (!(error instanceof StoreError && (error.code === "conflict" || error.code === "notFound"))) throw error;
  }
}
