// The one client that every component uses. Two implementations: in process (apiserver/local.ts, no serialisation) and
// HTTPS (client/https.ts). Objects that come back are immutable. Errors are StatusError on both.
import type { KubeList, KubeObject, NewObject, ObjectKey } from "../machinery/object.ts";
import type { AnyKind } from "../kinds/registry.ts";
import type { Kind } from "../kinds/kind.ts";

export interface WriteOptions {
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
  readonly fieldValidation?: "Ignore" | "Warn" | "Strict";
}

export interface PatchOptions extends WriteOptions {
  readonly subresource?: string;
  /** Server-side apply only: take over fields of other managers. */
  readonly force?: boolean;
}

export type PatchType = "json" | "merge" | "strategic" | "apply";

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground";
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly dryRun?: boolean;
}

export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
}

export interface WatchOptions extends ListOptions {
  readonly signal: AbortSignal;
}

export type WatchEvent<T extends KubeObject = KubeObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly object: KubeObject };

/** What changed in a cache. `old` is absent for ADDED; for DELETED `object` is the last known state. */
export interface Change<T extends KubeObject = KubeObject> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: T;
  readonly old?: T;
}

/**
 * A live, read-only view of all objects of a kind (of one namespace or matching a field selector when asked so).
 * May lag behind writes; a controller that must see its own writes waits for them (controllers/run.ts).
 */
export interface Cache<T extends KubeObject = KubeObject> {
  readonly kind: Kind<T>;
  /** Resolves when the first complete listing is in. */
  readonly synced: Promise<void>;
  /** Newest revision (resourceVersion as a number) that this view reflects; 0 before the first listing. */
  readonly revision: number;
  get(key: ObjectKey): T | undefined;
  list(namespace?: string): readonly T[];
  /** Objects under an index value; `index` must have been added by `addIndex`. */
  byIndex(index: string, value: string): readonly T[];
  /** Adds an index by name once; later calls with the same name do nothing. Existing objects are indexed at once. */
  addIndex(index: string, valuesOf: (object: T) => readonly string[]): void;
  /** Calls back for every change, and for the objects already there as ADDED; returns the unsubscriber. */
  onChange(listener: (change: Change<T>) => void): () => void;
}

export interface Client {
  get<T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string): Promise<T>;
  list<T extends KubeObject>(kind: Kind<T>, options?: ListOptions): Promise<KubeList<T>>;
  create<T extends KubeObject>(kind: Kind<T>, object: NewObject<T>, options?: WriteOptions): Promise<T>;
  update<T extends KubeObject>(kind: Kind<T>, object: T, options?: WriteOptions): Promise<T>;
  updateStatus<T extends KubeObject>(kind: Kind<T>, object: T, options?: WriteOptions): Promise<T>;
  /** `patch` is a JSON value: an array of operations for "json", an object otherwise. Namespace "" for cluster scope. */
  patch<T extends KubeObject>(
    kind: Kind<T>,
    target: { readonly name: string; readonly namespace?: string },
    type: PatchType,
    patch: unknown,
    options?: PatchOptions,
  ): Promise<T>;
  delete<T extends KubeObject>(
    kind: Kind<T>,
    target: { readonly name: string; readonly namespace?: string },
    options?: DeleteOptions,
  ): Promise<void>;
  /** POST to a subresource (binding, eviction, token …); returns what the server answers. */
  createSubresource(
    kind: AnyKind,
    target: { readonly name: string; readonly namespace?: string },
    subresource: string,
    body: unknown,
  ): Promise<unknown>;
  /** Ends when the signal aborts; throws StatusError (Expired: list again) when the server ends it with an error. */
  watch<T extends KubeObject>(kind: Kind<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  /** The shared cache of a kind: the same one for every caller with the same kind and field selector. */
  cache<T extends KubeObject>(kind: Kind<T>, options?: { readonly fieldSelector?: string }): Cache<T>;
  /** The same connection under another name, for audit and managed fields. */
  as(component: string): Client;
}
