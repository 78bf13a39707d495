// What a store keeps unless told otherwise.

/** Past events that watches can start from; each holds on to the version before it. */
export const defaultHistoryEvents = 10_000;
export const defaultHistoryMs = 15 * 60_000;
/** Encoded objects kept ready for answers and watches, without what they share. */
export const defaultJsonCacheBytes = 12 << 20;
