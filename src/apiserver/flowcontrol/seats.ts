// How many requests each priority level may run at once: nominal shares of the server's total, lent and borrowed by demand.
// Follows kubernetes v1.36 staging/src/k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go and conc_alloc.go.
import type { PriorityLevelConfiguration } from "../../kinds/flowcontrol/priority-level-configuration.ts";

/** Seats; `least` and `most` bound what a level has after lending and borrowing. */
export interface SeatBounds {
  readonly nominal: number;
  readonly least: number;
  readonly most: number;
}

/** The bounds of each level, from its share of `total`. */
export function seatBounds(levels: readonly PriorityLevelConfiguration[], total: number): readonly SeatBounds[] {
  const parts = levels.map(({ spec }) => spec?.limited ?? spec?.exempt);
  const shares = parts.map((part) => part?.nominalConcurrencyShares ?? 0);
  const sum = shares.reduce((a, b) => a + b, 0);
  const nominals = shares.map((share) => (sum > 0 ? Math.ceil((total * share) / sum) : 0));
  const all = nominals.reduce((a, b) => a + b, 0);
  return levels.map(({ spec }, i) => {
    const nominal = nominals[i]!;
    const least = nominal - Math.round((nominal * (parts[i]?.lendablePercent ?? 0)) / 100);
    const borrowing = spec?.limited?.borrowingLimitPercent;
    const most = borrowing === undefined ? all : nominal + Math.round((nominal * borrowing) / 100);
    return { nominal, least, most };
  });
}

/** Seats wanted since the last adjustment. */
export interface Demand {
  /** The most that ran and waited at one time. */
  readonly high: number;
  /** The same, falling slowly from earlier peaks. */
  readonly smooth: number;
}

/**
 * Seats of each limited level now: no level gets less than it is using of its own share, and what is left goes to the
 * others in proportion to their demand, up to their bounds.
 */
export function allotSeats(
  levels: readonly { readonly bounds: SeatBounds; readonly demand: Demand }[],
  total: number,
): readonly number[] {
  const wanted = levels.map(({ bounds, demand }) => {
    const least = Math.max(bounds.least, Math.min(bounds.nominal, demand.high));
    return { least, most: Math.max(least, bounds.most), target: Math.max(least, demand.smooth, 1) };
  });
  const at = (fraction: number) => wanted.map(({ least, most, target }) => clamp(target * fraction, least, most));
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  let [low, high] = [0, total];
  if (sum(at(low)) >= total) return wanted.map(({ least }) => Math.max(1, least));
  // The sum grows with the fraction, so halving finds the one that spends the total.
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (sum(at(middle)) > total) high = middle;
    else low = middle;
  }
  return at(low).map((seats) => Math.max(1, Math.round(seats)));
}

const clamp = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value));
