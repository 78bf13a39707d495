// Long work in slices, so that whoever else waits for the event loop gets a turn in between.
import { setImmediate } from "node:timers/promises";

/** Short beside what anybody notices, long beside what a pause costs. */
const msPerTurn = 4;

/** The results of `work` for each item, in order; pauses whenever this turn of the event loop has lasted long enough. */
export async function inTurns<T, R>(items: Iterable<T>, work: (item: T) => R): Promise<R[]> {
  const results: R[] = [];
  let until = performance.now() + msPerTurn;
  for (const item of items) {
    if (performance.now() > until) {
      await setImmediate();
      until = performance.now() + msPerTurn;
    }
    results.push(work(item));
  }
  return results;
}

/** What is mostly there at once. */
export type Awaitable<T> = T | Promise<T>;

/** Goes on with a value at once, or when it is there. */
export const after = <A, B>(value: Awaitable<A>, use: (value: A) => Awaitable<B>): Awaitable<B> =>
  value instanceof Promise ? value.then(use) : use(value);
