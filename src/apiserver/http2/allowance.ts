// How often a peer may do what is harmless now and then: so many times at once, and again as time goes by.
import type { Clock } from "../../machinery/clock.ts";

export class Allowance {
  readonly #clock: Clock;
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #countedAt: number;

  constructor(clock: Clock, burst: number, perSecond: number) {
    this.#clock = clock;
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#countedAt = clock.now();
  }

  /** False when it has been too often. The clock is looked at only then. */
  take(): boolean {
    if (this.#left >= 1) {
      this.#left--;
      return true;
    }
    const now = this.#clock.now();
    const earned = ((now - this.#countedAt) / 1000) * this.#perSecond;
    this.#countedAt = now;
    this.#left = Math.min(this.#burst, this.#left + Math.max(earned, 0));
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
