// A sorted listing as it was before certain events.
import type { StoredEntry } from "./entry.ts";
import type { HistoryEvent } from "./history.ts";
import { byId } from "./image.ts";

/** Undoes `later` (oldest first) on a sorted listing of the same collection. */
export function rewind(sorted: readonly StoredEntry[], later: readonly HistoryEvent[]): readonly StoredEntry[] {
  if (later.length === 0) return sorted;
  const before = new Map<string, StoredEntry | undefined>();
  for (const { entry, previous } of later) if (!before.has(entry.id)) before.set(entry.id, previous);
  const kept = sorted.filter(({ id }) => !before.has(id));
  for (const entry of before.values()) if (entry) kept.push(entry);
  return kept.sort(byId);
}
