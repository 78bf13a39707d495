// The memory image: committed versions by collection, and above them those still on their way to disk.
import type { StoredEntry } from "./entry.ts";
import { idOf } from "./entry.ts";
import type { HistoryEvent } from "./history.ts";
import type { StoreKey } from "./store.ts";

const maxUnsorted = 2048;

class Collection {
  readonly entries = new Map<string, StoredEntry>();
  /** Newest version per id that is not committed yet; `entry` is undefined for a deletion. */
  readonly pending = new Map<string, { readonly revision: number; readonly entry: StoredEntry | undefined }>();
  #sorted: readonly StoredEntry[] = [];
  #changed = new Set<string>();

  set(entry: StoredEntry): void {
    this.entries.set(entry.id, entry);
    this.#note(entry.id);
  }

  delete(id: string): void {
    this.entries.delete(id);
    this.#note(id);
  }

  sorted(): readonly StoredEntry[] {
    if (this.#changed.size === 0) return this.#sorted;
    this.#sorted = merge(this.#sorted, [...this.#changed].sort(), this.entries);
    this.#changed = new Set();
    return this.#sorted;
  }

  #note(id: string): void {
    this.#changed.add(id);
    // Sorted in passing, so that a listing after many writes does not have to sort them all at once.
    if (this.#changed.size >= maxUnsorted) this.sorted();
  }
}

export const byId = (a: StoredEntry, b: StoredEntry): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

/** The sorted array with the changed ids replaced by what `entries` now holds for them. */
function merge(
  sorted: readonly StoredEntry[],
  changed: readonly string[],
  entries: ReadonlyMap<string, StoredEntry>,
): readonly StoredEntry[] {
  const out: StoredEntry[] = [];
  let from = 0;
  for (const id of changed) {
    const at = lowerBound(sorted, id);
    for (; from < at; from++) out.push(sorted[from]!);
    if (sorted[from]?.id === id) from++;
    const entry = entries.get(id);
    if (entry) out.push(entry);
  }
  for (; from < sorted.length; from++) out.push(sorted[from]!);
  return out;
}

/** Index of the first entry whose id is not below `id`. */
function lowerBound(sorted: readonly StoredEntry[], id: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.id < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The part of a sorted array that lies in a namespace. */
export function inNamespace(sorted: readonly StoredEntry[], namespace: string): readonly StoredEntry[] {
  if (sorted.length === 0) return sorted;
  return sorted.slice(lowerBound(sorted, `${namespace}\0`), lowerBound(sorted, `${namespace}\u0001`));
}

export class Image {
  readonly #collections = new Map<string, Collection>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: StoreKey): StoredEntry | undefined {
    return this.#collections.get(key.collection)?.entries.get(idOf(key));
  }

  latest(key: StoreKey): StoredEntry | undefined {
    const collection = this.#collections.get(key.collection);
    if (!collection) return undefined;
    const id = idOf(key);
    const pending = collection.pending.get(id);
    return pending ? pending.entry : collection.entries.get(id);
  }

  collections(): string[] {
    return [...this.#collections].filter(([, { entries }]) => entries.size > 0).map(([name]) => name);
  }

  sorted(collection: string): readonly StoredEntry[] {
    return this.#collections.get(collection)?.sorted() ?? [];
  }

  /** Puts an event above the committed state. */
  stage(event: HistoryEvent): void {
    const { entry, revision } = event;
    const pending = { revision, entry: event.type === "DELETED" ? undefined : entry };
    this.#collection(entry.key.collection).pending.set(entry.id, pending);
  }

  /** Forgets everything staged. */
  unstage(): void {
    for (const { pending } of this.#collections.values()) pending.clear();
  }

  /** Makes an event part of the committed state. */
  apply({ type, entry, previous, revision }: HistoryEvent): void {
    previous?.supersede();
    const { key, id } = entry;
    const collection = this.#collection(key.collection);
    const before = collection.entries.size;
    if (type === "DELETED") collection.delete(id);
    else collection.set(entry);
    this.#size += collection.entries.size - before;
    if (collection.pending.get(id)?.revision === revision) collection.pending.delete(id);
  }

  #collection(name: string): Collection {
    let collection = this.#collections.get(name);
    if (!collection) this.#collections.set(name, (collection = new Collection()));
    return collection;
  }

  *entries(): Generator<StoredEntry> {
    for (const { entries } of this.#collections.values()) yield* entries.values();
  }
}

export const keyText = (key: StoreKey): string => `${key.collection}\0${key.namespace}\0${key.name}`;
