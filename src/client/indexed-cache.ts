// The one implementation of Cache: objects by key, by namespace and by added indexes. Whoever owns it (the in-process
// client or the reflector) feeds it; readers see the read-only interface.
import type { Cache, Change } from "./client.ts";
import type { Kind } from "../kinds/kind.ts";
import { keyOf, type KubeObject, type ObjectKey } from "../machinery/object.ts";

interface Index<T> {
  readonly valuesOf: (object: T) => readonly string[];
  readonly entries: Map<string, Map<ObjectKey, T>>;
}

const none: readonly never[] = [];

/** Cache whose owner writes through `apply`, `replace`, `advance` and `markSynced`. Listeners run in order, synchronously. */
export class IndexedCache<T extends KubeObject = KubeObject> implements Cache<T> {
  readonly kind: Kind<T>;
  readonly synced: Promise<void>;
  readonly #objects = new Map<ObjectKey, T>();
  readonly #namespaces = new Map<string, Map<ObjectKey, T>>();
  readonly #indexes = new Map<string, Index<T>>();
  readonly #listeners = new Set<(change: Change<T>) => void>();
  #markSynced: () => void = () => {};
  #revision = 0;

  constructor(kind: Kind<T>) {
    this.kind = kind;
    this.synced = new Promise((resolve) => (this.#markSynced = resolve));
  }

  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(key);
  }

  list(namespace?: string): readonly T[] {
    const found = namespace ? this.#namespaces.get(namespace) : this.#objects;
    return found ? [...found.values()] : none;
  }

  byIndex(index: string, value: string): readonly T[] {
    const found = this.#indexes.get(index);
    if (!found) throw new Error(`cache of ${this.kind.plural} has no index ${index}`);
    const bucket = found.entries.get(value);
    return bucket ? [...bucket.values()] : none;
  }

  addIndex(index: string, valuesOf: (object: T) => readonly string[]): void {
    if (this.#indexes.has(index)) return;
    const added: Index<T> = { valuesOf, entries: new Map() };
    this.#indexes.set(index, added);
    for (const [key, object] of this.#objects) insert(added, key, object);
  }

  onChange(listener: (change: Change<T>) => void): () => void {
    // Its own closure, so that one function subscribed twice is two subscriptions.
    const subscription = (change: Change<T>) => listener(change);
    for (const object of this.#objects.values()) subscription({ type: "ADDED", object });
    this.#listeners.add(subscription);
    return () => this.#listeners.delete(subscription);
  }

  /** Takes one event in; the listeners get it with `old` and with ADDED/MODIFIED as this cache sees it. */
  apply(change: { readonly type: Change["type"]; readonly object: T }): void {
    this.advance(Number(change.object.metadata.resourceVersion));
    const key = keyOf(change.object);
    const old = this.#objects.get(key);
    if (change.type === "DELETED") {
      if (!old) return;
      this.#remove(key, old);
      this.#emit({ type: "DELETED", object: change.object, old });
      return;
    }
    const replaced = old !== undefined && old.metadata.uid !== change.object.metadata.uid;
    if (old) this.#remove(key, old);
    if (replaced) this.#emit({ type: "DELETED", object: old, old });
    this.#insert(key, change.object);
    this.#emit(
      old && !replaced ? { type: "MODIFIED", object: change.object, old } : { type: "ADDED", object: change.object },
    );
  }

  /** Takes a complete listing in: emits only the differences. `revision` is the listing's resourceVersion. */
  replace(objects: readonly T[], revision?: number): void {
    const listed = new Set(objects.map(keyOf));
    for (const [key, object] of this.#objects) {
      if (!listed.has(key)) this.apply({ type: "DELETED", object });
    }
    for (const object of objects) {
      const old = this.#objects.get(keyOf(object));
      if (old?.metadata.uid === object.metadata.uid && old.metadata.resourceVersion === object.metadata.resourceVersion)
        continue;
      this.apply({ type: "ADDED", object });
    }
    if (revision !== undefined) this.advance(revision);
  }

  /** The source has nothing older than `revision` left to tell (a bookmark, the revision of a listing). */
  advance(revision: number): void {
    if (revision > this.#revision) this.#revision = revision;
  }

  /** The first complete listing is in: resolves `synced`. */
  markSynced(): void {
    this.#markSynced();
  }

  #insert(key: ObjectKey, object: T): void {
    this.#objects.set(key, object);
    const namespace = object.metadata.namespace;
    if (namespace) bucketOf(this.#namespaces, namespace).set(key, object);
    for (const index of this.#indexes.values()) insert(index, key, object);
  }

  #remove(key: ObjectKey, object: T): void {
    this.#objects.delete(key);
    const namespace = object.metadata.namespace;
    if (namespace) removeFrom(this.#namespaces, namespace, key);
    for (const index of this.#indexes.values()) {
      for (const value of index.valuesOf(object)) removeFrom(index.entries, value, key);
    }
  }

  #emit(change: Change<T>): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function insert<T>(index: Index<T>, key: ObjectKey, object: T): void {
  for (const value of index.valuesOf(object)) bucketOf(index.entries, value).set(key, object);
}

function bucketOf<T>(buckets: Map<string, Map<ObjectKey, T>>, value: string): Map<ObjectKey, T> {
  let bucket = buckets.get(value);
  if (!bucket) buckets.set(value, (bucket = new Map()));
  return bucket;
}

function removeFrom<T>(buckets: Map<string, Map<ObjectKey, T>>, value: string, key: ObjectKey): void {
  const bucket = buckets.get(value);
  bucket?.delete(key);
  if (bucket?.size === 0) buckets.delete(value);
}
