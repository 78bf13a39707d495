// The client in process: the API called directly, caches fed by the store, no serialisation.
import { selectionOf } from "./core/selection.ts";
import { cloneJson, viewOf } from "./core/entries.ts";
import { selectEvents } from "./core/watch.ts";
import type {
  Cache,
  Client,
  DeleteOptions,
  ListOptions,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "../client/client.ts";
import { IndexedCache } from "../client/indexed-cache.ts";
import { apiVersionOf, collectionOf } from "../kinds/kind.ts";
import type { Kind } from "../kinds/kind.ts";
import type { AnyKind, KindRegistry } from "../kinds/registry.ts";
import type { KubeObject } from "../machinery/object.ts";
import type { Store, StoreEvent } from "../store/store.ts";
import type { Api, RequestContext } from "./types.ts";

/**
 * A trusted client: it skips authorization and decoding; admission and validation apply. All clients made with `as` from
 * one share their caches, which live as long as the store.
 */
export function localClient(api: Api, store: Store, kinds: KindRegistry, component: string): Client {
  return clientAs({ api, store, kinds, caches: new Map() }, component);
}

interface Local {
  readonly api: Api;
  readonly store: Store;
  readonly kinds: KindRegistry;
  readonly caches: Map<string, IndexedCache>;
}

const targetOf = ({ name, namespace = "" }: { name: string; namespace?: string }) => ({ name, namespace });

function clientAs(local: Local, component: string): Client {
  const { api } = local;
  const user = { name: `system:${component}`, groups: ["system:masters", "system:authenticated"] };
  const context = (signal?: AbortSignal): RequestContext => ({
    user,
    userAgent: component,
    trusted: true,
    warnings: [],
    ...(signal ? { signal } : {}),
  });
  const write = (options: WriteOptions = {}) => ({ fieldManager: component, ...options });
  const update = async (kind: AnyKind, object: KubeObject, options: WriteOptions | undefined, subresource = "") => {
    const parameters = { ...write(options), ...(subresource ? { subresource } : {}) };
    const written = await api.update(context(), kind, targetOf(object.metadata), cloneJson(object), parameters);
    return written.entry.object;
  };
  return {
    get: async <T extends KubeObject>(kind: Kind<T>, name: string, namespace = "") =>
      api.get(context(), kind, { name, namespace }).object as T,
    list: async <T extends KubeObject>(kind: Kind<T>, options: ListOptions = {}) => {
      const result = api.list(context(), kind, { ...options, namespace: options.namespace ?? "" });
      const { revision, entries, continue: token, remainingItemCount } = result;
      return {
        apiVersion: apiVersionOf(kind),
        kind: `${kind.kind}List`,
        metadata: {
          resourceVersion: String(revision),
          ...(token ? { continue: token } : {}),
          ...(remainingItemCount ? { remainingItemCount } : {}),
        },
        items: entries.map((entry) => entry.object as T),
      };
    },
    create: async <T extends KubeObject>(kind: Kind<T>, object: object, options?: WriteOptions) => {
      const draft = cloneJson(object) as T;
      const entry = await api.create(context(), kind, draft.metadata.namespace ?? "", draft, write(options));
      return entry.object as T;
    },
    update: async <T extends KubeObject>(kind: Kind<T>, object: T, options?: WriteOptions) =>
      (await update(kind, object, options)) as T,
    updateStatus: async <T extends KubeObject>(kind: Kind<T>, object: T, options?: WriteOptions) =>
      (await update(kind, object, options, "status")) as T,
    patch: async <T extends KubeObject>(
      kind: Kind<T>,
      target: { name: string; namespace?: string },
      type: Parameters<Client["patch"]>[2],
      patch: unknown,
      options?: Parameters<Client["patch"]>[4],
    ) => {
      const { entry } = await api.patch(context(), kind, targetOf(target), type, patch, write(options));
      return entry.object as T;
    },
    delete: async (kind: AnyKind, target: { name: string; namespace?: string }, options: DeleteOptions = {}) => {
      await api.delete(context(), kind, targetOf(target), options);
    },
    createSubresource: (kind, target, subresource, body) =>
      api.special(context(), kind, targetOf(target), subresource, "POST", cloneJson(body), { parameters: write() }),
    watch: <T extends KubeObject>(kind: Kind<T>, options: WatchOptions) =>
      watchEvents<T>(api, context(options.signal), kind, options),
    cache: <T extends KubeObject>(kind: Kind<T>, options: { fieldSelector?: string } = {}) =>
      cacheOf(local, kind, options.fieldSelector ?? "") as unknown as Cache<T>,
    as: (other) => clientAs(local, other),
  };
}

/** The one cache of a kind and field selector, filled at once and kept current by the store. */
function cacheOf({ caches, store }: Local, kind: AnyKind, fieldSelector: string): IndexedCache {
  const name = `${kind.group}/${kind.version}/${kind.plural}?${fieldSelector}`;
  const known = caches.get(name);
  if (known) return known;
  const cache = new IndexedCache(kind);
  caches.set(name, cache);
  const selection = selectionOf(kind, "", fieldSelector);
  const { entries, revision } = store.list(collectionOf(kind));
  const objects = entries.map((entry) => viewOf(kind, entry).object).filter((object) => selection.matches(object));
  cache.replace(objects, revision);
  cache.markSynced();
  store.watch({ collection: collectionOf(kind), after: revision }, (events) => {
    for (const { type, entry } of selectEvents(kind, selection, events)) cache.apply({ type, object: entry.object });
    cache.advance(events.at(-1)!.revision);
  });
  return cache;
}

/** Watch events as an async iterable; the store pushes, the consumer pulls. */
async function* watchEvents<T extends KubeObject>(
  api: Api,
  context: RequestContext,
  kind: AnyKind,
  { signal, ...options }: WatchOptions,
): AsyncGenerator<WatchEvent<T>> {
  let queue: StoreEvent[] = [];
  let ended: { error?: unknown } | undefined;
  let wake = () => {};
  const subscription = api.watch(
    context,
    kind,
    { ...options, namespace: options.namespace ?? "" },
    {
      onEvents(events) {
        queue.push(...events);
        wake();
      },
      onEnd(error) {
        ended = { error };
        wake();
      },
    },
  );
  const abort = () => wake();
  signal.addEventListener("abort", abort);
  try {
    while (!signal.aborted) {
      const batch = queue;
      queue = [];
      for (const { type, entry } of batch) {
        if (signal.aborted) return;
        yield { type, object: entry.object as T };
      }
      if (queue.length > 0) continue;
      if (ended?.error !== undefined) throw ended.error;
      if (ended) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      if (!signal.aborted) await promise;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    subscription.close();
  }
}
