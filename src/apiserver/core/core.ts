// What the generic verbs share: the store, the kinds, admission and allocation, and the transaction around one commit.
import { collectionOf } from "../../kinds/kind.ts";
import type { AnyKind, KindRegistry } from "../../kinds/registry.ts";
import type { Clock } from "../../machinery/clock.ts";
import { alreadyExists, notFound, serviceUnavailable, staleResourceVersion } from "../../machinery/errors.ts";
import type { GroupResource } from "../../machinery/errors.ts";
import type { Logger } from "../../machinery/log.ts";
import { StoreError } from "../../store/store.ts";
import type { Entry, Store, StoreKey, Write } from "../../store/store.ts";
import type { AdmissionChain } from "../admission/chain.ts";
import type { Authentication } from "../auth/authenticate.ts";
import type { Authorizer, ObjectTarget, TokenIssuer } from "../types.ts";
import { entryOf } from "./entries.ts";

export interface Core {
  readonly store: Store;
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  readonly log: Logger;
  readonly authorizer: Authorizer;
  readonly admission: AdmissionChain;
  readonly tokens?: TokenIssuer | undefined;
  readonly authentication?: Authentication | undefined;
  readonly clusterDomain: string;
}

export const resourceOf = (kind: Pick<AnyKind, "group" | "plural">): GroupResource => ({
  group: kind.group,
  resource: kind.plural,
});

export const storeKey = (kind: AnyKind, target: ObjectTarget): StoreKey => ({
  collection: collectionOf(kind),
  namespace: kind.namespaced ? target.namespace : "",
  name: target.name,
});

/** What happens with one commit besides the object itself. Admission and allocation add to it. */
export class Transaction {
  readonly dryRun: boolean;
  /** Written together with the object, all or nothing. */
  readonly extraWrites: Write[] = [];
  readonly #settled: ((committed: boolean) => void)[] = [];

  constructor(dryRun: boolean) {
    this.dryRun = dryRun;
  }

  /** Calls back once: true when everything is durable and visible, false when nothing was written. */
  onSettled(callback: (committed: boolean) => void): void {
    this.#settled.push(callback);
  }

  settle(committed: boolean): void {
    for (const callback of this.#settled.splice(0)) callback(committed);
  }

  /** Writes, or only pretends to; StoreErrors come out as they are (see `translate`). */
  async commit(store: Store, write: Write, previous?: Entry): Promise<Entry> {
    if (this.dryRun) {
      this.settle(false);
      return dryRunEntry(write, previous);
    }
    let committed = false;
    try {
      const written = await store.write(this.extraWrites.length ? [write, ...this.extraWrites] : [write]);
      committed = true;
      return written[0]!;
    } finally {
      this.settle(committed);
    }
  }
}

function dryRunEntry(write: Write, previous: Entry | undefined): Entry {
  const revision = previous?.revision ?? 0;
  const object = write.object ?? previous!.object;
  return entryOf(write.key, object, revision, previous?.createRevision ?? 0);
}

/** A StoreError as the Status that the client of `kind` receives; other errors pass. */
export function translate(error: unknown, kind: AnyKind, name: string): unknown {
  if (!(error instanceof StoreError)) return error;
  const what = resourceOf(kind);
  switch (error.code) {
    case "conflict":
      return staleResourceVersion(what, name);
    case "exists":
      return alreadyExists(what, name);
    case "notFound":
      return notFound(what, name);
    default:
      return serviceUnavailable(error.message);
  }
}

const maxAttempts = 8;

/**
 * Runs an attempt that reads `latest`, computes and commits; runs it again when another write came between and
 * `mayRetry` says that the client asked for no particular version. A refusal may rest on a write still on its way to disk:
 * whoever hears of it sees that write at the next read.
 */
export async function attempt<T>(
  { store }: Core,
  kind: AnyKind,
  name: string,
  mayRetry: boolean,
  once: () => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await once();
    } catch (error) {
      const raced = error instanceof StoreError && (error.code === "conflict" || error.code === "notFound");
      if (raced && mayRetry && tries < maxAttempts) continue;
      await store.settled();
      throw translate(error, kind, name);
    }
  }
}
