// A client over plain caches for tests of this room: objects are put in by hand, writes of status and objects come back
// through the caches like those of a server.
import type { Cache, Client } from "../client/client.ts";
import { IndexedCache } from "../client/indexed-cache.ts";
import type { Kind } from "../kinds/kind.ts";
import type { AnyKind } from "../kinds/registry.ts";
import { alreadyExists, notFound } from "../machinery/errors.ts";
import { keyOf, type KubeObject } from "../machinery/object.ts";

export class FakeClient {
  readonly #caches = new Map<string, IndexedCache>();
  #revision = 0;

  /** What components take; only the calls that this room makes are there. */
  get client(): Client {
    return this as unknown as Client;
  }

  cache<T extends KubeObject>(kind: Kind<T>): Cache<T> {
    return this.#cacheOf(kind) as unknown as Cache<T>;
  }

  #cacheOf(kind: AnyKind): IndexedCache {
    const name = `${kind.group}/${kind.plural}`;
    let cache = this.#caches.get(name);
    if (!cache) {
      cache = new IndexedCache(kind);
      cache.markSynced();
      this.#caches.set(name, cache);
    }
    return cache;
  }

  /** Adds or replaces an object. */
  put<T extends KubeObject>(kind: Kind<T>, object: T): T {
    const cache = this.#cacheOf(kind);
    const stored = {
      ...object,
      metadata: { ...object.metadata, uid: `uid-${keyOf(object)}`, resourceVersion: String(++this.#revision) },
    };
    cache.apply({ type: cache.get(keyOf(stored)) ? "MODIFIED" : "ADDED", object: stored });
    return stored;
  }

  remove(kind: AnyKind, key: string): void {
    const cache = this.#cacheOf(kind);
    const object = cache.get(key);
    if (object) cache.apply({ type: "DELETED", object });
  }

  async get<T extends KubeObject>(kind: Kind<T>, name: string, namespace = ""): Promise<T> {
    const found = this.#cacheOf(kind).get(namespace ? `${namespace}/${name}` : name);
    if (!found) throw notFound({ group: kind.group, resource: kind.plural }, name);
    return found as T;
  }

  async create<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T> {
    if (this.#cacheOf(kind).get(keyOf(object)))
      throw alreadyExists({ group: kind.group, resource: kind.plural }, object.metadata.name);
    return this.put(kind, object);
  }

  async updateStatus<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T> {
    return this.put(kind, object);
  }

  /** Merges `status` as a whole, key by key at its first level: all that this room patches. */
  async patch<T extends KubeObject>(
    kind: Kind<T>,
    target: { readonly name: string; readonly namespace?: string },
    _type: string,
    patch: { status: Record<string, unknown> },
  ): Promise<T> {
    const object = (await this.get(kind, target.name, target.namespace)) as T & { status?: object };
    return this.put(kind, { ...object, status: { ...object.status, ...patch.status } });
  }

  as(): Client {
    return this.client;
  }
}
