// What a store keeps unless told otherwise.

/** Past events that watches can start from; each holds on to the version before it. */
export const defaultHistoryEvents = 10_000;
export const defaultHistoryMs = 15 * 60_000;
/** Encoded objects kept ready for answers and watches; less than a list that is asked for again and again would keep none. */
export const defaultJsonCacheBytes = 32 << 20;
