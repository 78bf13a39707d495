// One version of one object, parsed and encoded only when somebody asks, and the bounded cache of encoded bytes.
import type { KubeObject } from "../machinery/object.ts";
import { encodeJson } from "./encode.ts";
import type { Entry, StoreKey } from "./store.ts";

/** `namespace` and `name` as one string that sorts by namespace, then name. */
export const idOf = (key: Pick<StoreKey, "namespace" | "name">): string => `${key.namespace}\0${key.name}`;

interface Slot {
  readonly buffer: Buffer;
  used: boolean;
}

/** Encoded objects, bounded by the sum of their bytes: whatever was used since its last turn outlives the rest. */
export class JsonCache {
  readonly #limitBytes: number;
  readonly #slots = new Map<object, Slot>();
  /** Goes round, and on to what is added meanwhile: a new iterator would first step over all that was deleted. */
  #hand: Iterator<[object, Slot]> = this.#slots.entries();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get(owner: object): Buffer | undefined {
    const slot = this.#slots.get(owner);
    if (!slot) return undefined;
    slot.used = true;
    return slot.buffer;
  }

  /** Sets the bytes of an owner that has none. */
  set(owner: object, buffer: Buffer): void {
    while (this.#bytes + buffer.length > this.#limitBytes && this.#slots.size > 0) this.#turn();
    this.#add(owner, buffer);
  }

  /** The same, but not at the cost of what is in use: a scan of more than fits would else leave nothing of use behind. */
  offer(owner: object, buffer: Buffer): void {
    if (this.#bytes + buffer.length <= this.#limitBytes || this.#turn()) this.#add(owner, buffer);
  }

  delete(owner: object): void {
    const slot = this.#slots.get(owner);
    if (!slot) return;
    this.#slots.delete(owner);
    this.#bytes -= slot.buffer.length;
  }

  #add(owner: object, buffer: Buffer): void {
    this.#slots.set(owner, { buffer, used: false });
    this.#bytes += buffer.length;
  }

  /** Drops the next in turn unless it was used since its last one; says whether it did. */
  #turn(): boolean {
    let next = this.#hand.next();
    if (next.done) next = (this.#hand = this.#slots.entries()).next();
    if (next.done) return true;
    const [owner, slot] = next.value;
    const drops = !slot.used;
    if (drops) this.delete(owner);
    else slot.used = false;
    return drops;
  }
}

export interface EntryFacts {
  readonly key: StoreKey;
  readonly revision: number;
  readonly createRevision: number;
  /** Revision of the row on disk that a restart would bring back; 0 when there is none. */
  readonly rowRevision: number;
  /** The row on disk is marked `aheadInMemory`, so later volatile versions need no row. */
  readonly volatile: boolean;
}

export class StoredEntry implements Entry {
  readonly key: StoreKey;
  readonly id: string;
  readonly revision: number;
  readonly createRevision: number;
  readonly rowRevision: number;
  readonly volatile: boolean;
  readonly #cache: JsonCache;
  #object: KubeObject | undefined;
  #unparsed: Buffer | undefined;
  #encoded = false;

  constructor(facts: EntryFacts, content: { object: KubeObject } | { json: Buffer }, cache: JsonCache) {
    this.key = facts.key;
    this.id = idOf(facts.key);
    this.revision = facts.revision;
    this.createRevision = facts.createRevision;
    this.rowRevision = facts.rowRevision;
    this.volatile = facts.volatile;
    this.#cache = cache;
    if ("object" in content) this.#object = content.object;
    else this.#unparsed = content.json;
  }

  get object(): KubeObject {
    if (!this.#object) {
      const json = this.#unparsed!;
      this.#object = JSON.parse(json.toString("utf8")) as KubeObject;
      this.#unparsed = undefined;
      this.#encoded = true;
      this.#cache.offer(this, json);
    }
    return this.#object;
  }

  json(): Buffer {
    if (this.#unparsed) return this.#unparsed;
    let json = this.#cache.get(this);
    if (!json) {
      json = encodeJson(this.#object!);
      // A new version is about to be written down, answered with and watched.
      if (this.#encoded) this.#cache.offer(this, json);
      else this.#cache.set(this, json);
      this.#encoded = true;
    }
    return json;
  }

  /** A newer version is there, so nobody will want the bytes often. */
  supersede(): void {
    this.#cache.delete(this);
  }
}

/** A copy that carries `revision` as its resourceVersion; everything else is shared. */
export function withRevision(object: KubeObject, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}

export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
