// How much work expressions may do: every turn of a loop and every long text counts, so that no object stalls the server.

/** Thrown when the work is used up; the expression cannot catch it. */
export class BudgetError extends Error {
  constructor() {
    super("operation cancelled: actual cost limit exceeded");
  }
}

/** Steps for one expression, as upstream's limit of a call. */
export const stepsPerCall = 1_000_000;

let left = stepsPerCall;

/** Counts work within `withBudget`; throws BudgetError. */
export function spend(steps: number): void {
  left -= steps;
  // Written so that what is no number ends it too.
  if (!(left >= 0)) throw new BudgetError();
}

/** Runs something with at most so many steps; says how many it took. Throws BudgetError and what `run` throws. */
export function withBudget<T>(steps: number, run: () => T): { readonly value: T; readonly spent: number } {
  const before = left;
  left = steps;
  try {
    const value = run();
    // The evaluation may have taken an error for the failure of one branch.
    if (left < 0) throw new BudgetError();
    return { value, spent: steps - left };
  } finally {
    left = before;
  }
}
