// When certificates are issued anew: long before they end, and at once when the clock shows that they cannot be used.
const dayMs = 86_400_000;
/** Longer than any certificate below it lasts. */
export const caRenewalMs = 400 * dayMs;
const leafRenewalMs = 120 * dayMs;

/** Epoch milliseconds. */
export interface Validity {
  readonly from: number;
  readonly until: number;
}

/** From when on a certificate is issued anew; never while that would give nothing longer. */
export function renewalAt({ from, until }: Validity, signer: Validity): number {
  if (until >= signer.until) return until;
  return until - Math.min(leafRenewalMs, (until - from) / 3);
}

/**
 * Whether a certificate serves on. Before its own time it does not, as the clock was ahead when it was issued; unless the
 * clock is behind even the signer, whom nobody can replace: then only the clock can be wrong.
 */
export const isGoodAt = (now: number, leaf: Validity, signer: Validity): boolean =>
  now < renewalAt(leaf, signer) && (now >= leaf.from || now < signer.from);
