// The end of the server in order: it says so, takes nothing new, ends watches, and waits for what runs.
import { statusError } from "../../machinery/errors.ts";
import type { Clock } from "../../machinery/clock.ts";

export interface Lifecycle {
  /** True from the first moment of the end: /readyz fails. */
  readonly isEnding: boolean;
  /** Counts a request that the end waits for, until it leaves. Throws ServiceUnavailable. */
  enter(): void;
  leave(): void;
  /** Calls back when whoever never ends by himself has to; returns the unsubscriber. */
  onClosing(callback: () => void): () => void;
  /** From now on /readyz fails; after `delayMs` new requests are refused; resolves when none runs, or after `boundMs`. */
  end(delayMs: number, boundMs: number): Promise<void>;
}

export function createLifecycle(clock: Clock): Lifecycle {
  const closing = new Set<() => void>();
  let [isEnding, isClosed] = [false, false];
  let running = 0;
  let idle: (() => void) | undefined;
  return {
    get isEnding() {
      return isEnding;
    },
    enter() {
      if (isClosed) {
        throw statusError("ServiceUnavailable", "the API server is ending; try again", { retryAfterSeconds: 5 });
      }
      running++;
    },
    leave() {
      if (--running === 0) idle?.();
    },
    onClosing(callback) {
      closing.add(callback);
      return () => void closing.delete(callback);
    },
    async end(delayMs, boundMs) {
      isEnding = true;
      if (delayMs > 0) await new Promise<void>((resolve) => clock.after(delayMs, resolve, true));
      isClosed = true;
      for (const callback of closing) callback();
      if (running === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      idle = resolve;
      const cancel = clock.after(boundMs, resolve, true);
      await promise;
      cancel();
    },
  };
}
