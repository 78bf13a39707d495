// What metrics tell of the requests of one FlowSchema in one priority level.

/** Upper bounds of the wait histogram in seconds, as upstream has them. */
export const waitBounds = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30] as const;

export interface Waits {
  /** Requests per bucket, not summed up; the last one has no bound. */
  readonly buckets: number[];
  seconds: number;
}

export interface Tally {
  readonly level: string;
  readonly schema: string;
  waiting: number;
  executing: number;
  dispatched: number;
  /** By reason: queue-full, concurrency-limit, time-out, cancelled. */
  readonly refused: Map<string, number>;
  readonly served: Waits;
  readonly given: Waits;
}

const noWaits = (): Waits => ({ buckets: Array.from({ length: waitBounds.length + 1 }, () => 0), seconds: 0 });

export const newTally = (level: string, schema: string): Tally => ({
  level,
  schema,
  waiting: 0,
  executing: 0,
  dispatched: 0,
  refused: new Map(),
  served: noWaits(),
  given: noWaits(),
});

export function countRefused(tally: Tally, reason: string): void {
  tally.refused.set(reason, (tally.refused.get(reason) ?? 0) + 1);
}

export function countWait(waits: Waits, seconds: number): void {
  waits.seconds += seconds;
  const slot = waitBounds.findIndex((bound) => seconds <= bound);
  waits.buckets[slot < 0 ? waitBounds.length : slot]!++;
}
