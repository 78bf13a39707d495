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

function shareArray(next: readonly unknown[], model: readonly unknown[]): readonly unknown[] {
  let equal = next.length === model.length;
  let shared: unknown[] | undefined;
  for (let i = 0; i < next.length; i++) {
    const item = shareWith(next[i], model[i]);
    if (item !== model[i]) equal = false;
    if (item !== next[i]) (shared ??= [...next])[i] = item;
  }
  return equal ? model : (shared ?? next);
}

function shareObject(next: Json, model: Json): Json {
  let equal = true;
  let shared: Record<string, unknown> | undefined;
  let keys = 0;
  for (const key in next) {
    keys++;
    // Names such as __proto__ are data here, and must neither be looked up nor assigned as anything else.
    if (key === "__proto__" || !Object.hasOwn(model, key)) {
      equal = false;
      continue;
    }
    const value = shareWith(next[key], model[key]);
    if (value !== model[key]) equal = false;
    if (value !== next[key]) (shared ??= { ...next })[key] = value;
  }
  if (equal) for (const _ in model) keys--;
  return equal && keys === 0 ? model : (shared ?? next);
}

/** What new objects look like: the last one of their controller or, without one, of their kind and namespace. Bounded. */
export class Siblings {
  readonly #limit: number;
  readonly #byOwner = new Map<string, KubeObject>();

  constructor(limit = 256) {
    this.#limit = limit;
  }

  /** Shares with the sibling before, and is the sibling of the next. */
  share(object: KubeObject): KubeObject {
    const { ownerReferences, namespace } = object.metadata;
    const id = `${object.kind} ${ownerReferences?.[0]?.uid ?? `in ${namespace ?? ""}`}`;
    const sibling = this.#byOwner.get(id);
    const shared = sibling ? shareWith(object, sibling) : object;
    this.#byOwner.delete(id);
    this.#byOwner.set(id, shared);
    if (this.#byOwner.size > this.#limit) this.#byOwner.delete(this.#byOwner.keys().next().value!);
    return shared;
  }
}
