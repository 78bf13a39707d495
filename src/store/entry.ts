// One version of one object, parsed and encoded only when somebody asks, and the bounded cache of what was encoded.
import type { KubeObject } from "../machinery/object.ts";
import { encodeJson, joined, type Encoded, type JsonPart } from "./encode.ts";
import { Siblings } from "./share.ts";
import type { Entry, StoreKey } from "./store.ts";

/** `namespace` and `name` as one string that sorts by namespace, then name. */
export const idOf = (key: Pick<StoreKey, "namespace" | "name">): string => `${key.namespace}\0${key.name}`;

interface Slot<T> {
  readonly value: T;
  readonly bytes: number;
  used: boolean;
}

/** Values made for owners, bounded by the sum of their bytes: whatever was used since its last turn outlives the rest. */
export class TurnCache<T> {
  readonly #limitBytes: number;
  readonly #slots = new Map<object, Slot<T>>();
  /** Goes round, and on to what is added meanwhile: a new iterator would first step over all that was deleted. */
  #hand: Iterator<[object, Slot<T>]> = this.#slots.entries();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get(owner: object): T | undefined {
    const slot = this.#slots.get(owner);
    if (!slot) return undefined;
    slot.used = true;
    return slot.value;
  }

  /** Sets the value of an owner that has none. */
  set(owner: object, value: T, bytes: number): void {
    while (this.#bytes + bytes > this.#limitBytes && this.#slots.size > 0) this.#turn();
    this.#add(owner, value, bytes);
  }

  /** The same, but not at the cost of what is in use: a scan of more than fits would else leave nothing of use behind. */
  offer(owner: object, value: T, bytes: number): void {
    if (this.#bytes + bytes <= this.#limitBytes || this.#turn()) this.#add(owner, value, bytes);
  }

  delete(owner: object): void {
    const slot = this.#slots.get(owner);
    if (!slot) return;
    this.#slots.delete(owner);
    this.#bytes -= slot.bytes;
  }

  #add(owner: object, value: T, bytes: number): void {
    this.#slots.set(owner, { value, bytes, used: false });
    this.#bytes += bytes;
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

/** What the entries of a store have in common. */
export class EntryMemory {
  readonly encoded: TurnCache<Encoded>;
  readonly siblings = new Siblings();

  constructor(limitBytes: number) {
    this.encoded = new TurnCache(limitBytes);
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
  readonly #memory: EntryMemory;
  #object: KubeObject | undefined;
  #unparsed: Buffer | undefined;
  #encoded = false;

  constructor(facts: EntryFacts, content: { object: KubeObject } | { json: Buffer }, memory: EntryMemory) {
    this.key = facts.key;
    this.id = idOf(facts.key);
    this.revision = facts.revision;
    this.createRevision = facts.createRevision;
    this.rowRevision = facts.rowRevision;
    this.volatile = facts.volatile;
    this.#memory = memory;
    if ("object" in content) this.#object = content.object;
    else this.#unparsed = content.json;
  }

  get object(): KubeObject {
    if (!this.#object) {
      this.#object = this.#memory.siblings.share(JSON.parse(this.#unparsed!.toString("utf8")) as KubeObject);
      this.#unparsed = undefined;
      this.#encoded = true;
    }
    return this.#object;
  }

  get jsonLength(): number {
    return (this.#unparsed ?? this.#encode()).length;
  }

  json(): Buffer {
    return this.#unparsed ?? joined(this.#encode());
  }

  jsonParts(): readonly JsonPart[] {
    return this.#unparsed ? [this.#unparsed] : this.#encode().parts;
  }

  #encode(): Encoded {
    let json = this.#memory.encoded.get(this);
    if (!json) {
      json = encodeJson(this.#object!);
      // A new version is about to be written down, answered with and watched.
      if (this.#encoded) this.#memory.encoded.offer(this, json, json.bytes);
      else this.#memory.encoded.set(this, json, json.bytes);
      this.#encoded = true;
    }
    return json;
  }

  /** A newer version is there, so nobody will want the bytes often. */
  supersede(): void {
    this.#memory.encoded.delete(this);
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
