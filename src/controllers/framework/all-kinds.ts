// Watches the objects of every stored kind, also of kinds that come and go while the server runs.
import type { Change, Client } from "../../client/client.ts";
import type { AnyKind, KindRegistry } from "../../kinds/registry.ts";
import { collectionOf } from "../../kinds/kind.ts";

const needed = ["delete", "get", "list", "patch", "watch"] as const;

/** One kind per stored collection, of those whose objects can be listed, watched and deleted. */
export function storedKinds(kinds: KindRegistry): AnyKind[] {
  const byCollection = new Map<string, AnyKind>();
  for (const kind of kinds.all()) {
    if (kind.virtual || (kind.storage && !kind.custom) || !needed.every((verb) => kind.verbs.includes(verb))) continue;
    if (!byCollection.has(collectionOf(kind))) byCollection.set(collectionOf(kind), kind);
  }
  return [...byCollection.values()];
}

export interface AllKindsOptions {
  readonly client: Client;
  readonly kinds: KindRegistry;
  readonly signal: AbortSignal;
  readonly ignore?: (kind: AnyKind) => boolean;
  /** Called once per kind before its changes. */
  readonly onKind?: (kind: AnyKind) => void;
  readonly onChange: (kind: AnyKind, change: Change) => void;
}

/** Reports every change until the signal aborts; resolves when the kinds of the start are all in view. */
export async function watchAllKinds(options: AllKindsOptions): Promise<void> {
  const { client, kinds, signal, onKind, onChange } = options;
  const watched = new Map<string, { readonly kind: AnyKind; readonly stop: () => void }>();

  const follow = async (kind: AnyKind) => {
    let unsubscribe = () => {};
    let stopped = false;
    const stop = () => {
      stopped = true;
      unsubscribe();
    };
    watched.set(collectionOf(kind), { kind, stop });
    const cache = client.cache(kind);
    await cache.synced;
    if (stopped || signal.aborted) return;
    onKind?.(kind);
    unsubscribe = cache.onChange((change) => onChange(kind, change));
  };

  const reconcile = () => {
    const wanted = storedKinds(kinds).filter((kind) => !options.ignore?.(kind));
    const collections = new Map(wanted.map((kind) => [collectionOf(kind), kind]));
    for (const [collection, { kind, stop }] of watched) {
      if (collections.get(collection) === kind) continue;
      stop();
      watched.delete(collection);
    }
    return Promise.all(wanted.filter((kind) => !watched.has(collectionOf(kind))).map(follow));
  };

  const stopListening = kinds.onChange(() => void reconcile());
  signal.addEventListener(
    "abort",
    () => {
      stopListening();
      for (const { stop } of watched.values()) stop();
    },
    { once: true },
  );
  await reconcile();
}
