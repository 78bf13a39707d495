// All kinds that a server knows: the built-in ones and, while it runs, those that CustomResourceDefinitions add.
import type { Kind } from "./kind.ts";

// A registry holds kinds of every object type; each kind's functions are only ever called with objects of that kind.
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyKind = Kind<any>;

export class KindRegistry {
  /** By plural: few kinds share one, so that finding one needs no key put together. */
  readonly #byResource = new Map<string, AnyKind[]>();
  readonly #byKind = new Map<string, AnyKind>();
  readonly #listeners = new Set<() => void>();
  /** Grows with every change; discovery and OpenAPI caches compare it. */
  generation = 0;

  constructor(kinds: Iterable<AnyKind> = []) {
    for (const kind of kinds) this.add(kind);
  }

  add(kind: AnyKind): void {
    this.#byResource.set(kind.plural, [...this.#others(kind), kind]);
    this.#byKind.set(`${kind.group}/${kind.version}/${kind.kind}`, kind);
    this.#changed();
  }

  remove(kind: AnyKind): void {
    this.#byResource.set(kind.plural, this.#others(kind));
    this.#byKind.delete(`${kind.group}/${kind.version}/${kind.kind}`);
    this.#changed();
  }

  byResource(group: string, version: string, plural: string): AnyKind | undefined {
    for (const kind of this.#byResource.get(plural) ?? []) {
      if (kind.group === group && kind.version === version) return kind;
    }
    return undefined;
  }

  byKind(group: string, version: string, kind: string): AnyKind | undefined {
    return this.#byKind.get(`${group}/${version}/${kind}`);
  }

  /** Looks up by `apiVersion` (`v1`, `apps/v1`) and kind. */
  byApiVersion(apiVersion: string, kind: string): AnyKind | undefined {
    const slash = apiVersion.indexOf("/");
    return this.byKind(slash < 0 ? "" : apiVersion.slice(0, slash), apiVersion.slice(slash + 1), kind);
  }

  all(): AnyKind[] {
    return [...this.#byKind.values()];
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #others({ plural, group, version }: AnyKind): AnyKind[] {
    const same = this.#byResource.get(plural) ?? [];
    return same.filter((kind) => kind.group !== group || kind.version !== version);
  }

  #changed(): void {
    this.generation++;
    for (const listener of this.#listeners) listener();
  }
}
