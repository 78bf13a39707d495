// Structural sharing: parts of a new object that equal the same part of an older one become that very part, so that
// versions of an object, and the pods of one controller, cost memory only for what differs.
import type { KubeObject } from "../machinery/object.ts";

type Json = Readonly<Record<string, unknown>>;

/** `next` with every part that equals the part of `model` at the same place replaced by it; neither is written to. */
export function shareWith<T>(next: T, model: unknown): T {
  if (next === model || !isContainer(next) || !isContainer(model)) return next;
  if (Array.isArray(next) !== Array.isArray(model)) return next;
  return (
    Array.isArray(next) ? shareArray(next, model as readonly unknown[]) : shareObject(next as Json, model as Json)
  ) as T;
}

const isContainer = (value: unknown): value is object => typeof value === "object" && value !== null;

// Both copy only what is clearly neither: most values are the model's, or nothing of them is.

function shareArray(next: readonly unknown[], model: readonly unknown[]): readonly unknown[] {
  let out: unknown[] | undefined;
  let equal = next.length === model.length;
  let own = true;
  for (let i = 0; i < next.length; i++) {
    const before = next[i];
    const other = model[i];
    const value = shareWith(before, other);
    if (value !== other && equal) {
      equal = false;
      if (!own) out = [...model.slice(0, i), ...next.slice(i)];
    }
    if (value === before) continue;
    own = false;
    if (!equal) (out ??= [...next])[i] = value;
  }
  return equal ? model : (out ?? next);
}

function shareObject(next: Json, model: Json): Json {
  let out: Record<string, unknown> | undefined;
  let equal = true;
  let own = true;
  let keys = 0;
  for (const key in next) {
    keys++;
    const before = next[key];
    const other = model[key];
    // The name __proto__ is data here, and must neither be looked up nor assigned as anything else.
    const value = key === "__proto__" ? before : shareWith(before, other);
    if (value !== other && equal) {
      equal = false;
      if (!own) out = beginningOf(model, next, key);
    }
    if (value === before) continue;
    own = false;
    if (!equal) (out ??= { ...next })[key] = value;
  }
  if (equal) for (const _ in model) keys--;
  return equal && keys === 0 ? model : own ? next : (out ?? beginningOf(model, next));
}

/** `next` with the parts before the key `end` taken from the model. */
function beginningOf(model: Json, next: Json, end?: string): Record<string, unknown> {
  const out: Record<string, unknown> = { ...next };
  for (const key in next) {
    if (key === end) break;
    if (key !== "__proto__") out[key] = model[key];
  }
  return out;
}

/** What new objects look like: the last one of their controller or, without one, of their kind and namespace. Bounded. */
export class Siblings {
  readonly #limit: number;
  readonly #byOwner = new Map<string, KubeObject>();

  constructor(limit = 256) {
    this.#limit = limit;
  }

  of(object: KubeObject): KubeObject | undefined {
    return this.#byOwner.get(familyOf(object));
  }

  /** Shares with the sibling before, and is the sibling of the next. */
  share(object: KubeObject): KubeObject {
    const id = familyOf(object);
    const sibling = this.#byOwner.get(id);
    const shared = sibling ? shareWith(object, sibling) : object;
    this.#byOwner.delete(id);
    this.#byOwner.set(id, shared);
    if (this.#byOwner.size > this.#limit) this.#byOwner.delete(this.#byOwner.keys().next().value!);
    return shared;
  }
}

const familyOf = ({ kind, metadata }: KubeObject): string =>
  `${kind} ${metadata.ownerReferences?.[0]?.uid ?? `in ${metadata.namespace ?? ""}`}`;
