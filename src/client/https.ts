// The client over HTTPS: JSON over HTTP/2, caches fed by reflectors. Nothing in a component knows the difference.
import type {
  Cache,
  Client,
  DeleteOptions,
  ListOptions,
  PatchOptions,
  PatchType,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "./client.ts";
import { errorOf, HttpSession, readText, type HttpAnswer } from "./http-session.ts";
import { IndexedCache } from "./indexed-cache.ts";
import { apiPath, listQuery, query, writeQuery, type Target } from "./paths.ts";
import { runReflector } from "./reflector.ts";
import { watchEvents } from "./watch-stream.ts";
import { apiVersionOf, type Kind } from "../kinds/kind.ts";
import type { AnyKind } from "../kinds/registry.ts";
import { realClock, sleep, type Clock } from "../machinery/clock.ts";
import { silentLogger, type Logger } from "../machinery/log.ts";
import type { KubeList, KubeObject, NewObject } from "../machinery/object.ts";

export type Credentials = { readonly cert: string; readonly key: string } | { readonly token: string };

/** How to reach a server and as whom; certificates and keys are PEM. */
export interface Connection {
  /** `https://host:port` */
  readonly server: string;
  readonly caPem: string;
  readonly credentials: Credentials;
  /** The name to ask for and to check in the certificate, when it is not the host in `server`. */
  readonly serverName?: string;
}

export interface HttpsClientOptions extends Connection {
  /** The default field manager, and the first part of the User-Agent. */
  readonly component: string;
  readonly clock?: Clock;
  readonly log?: Logger;
}

export interface RawRequest {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

export interface HttpsClient extends Client, AsyncDisposable {
  readonly connection: Connection;
  /** Any request at all; resolves with the head once the status is below 400 (else throws StatusError). `body` streams. */
  request(method: string, path: string, options?: RawRequest): Promise<HttpAnswer>;
  as(component: string): HttpsClient;
}

/** Connects when first used. Disposing closes connections and ends caches; watches end by themselves. */
export function httpsClient(options: HttpsClientOptions): HttpsClient {
  const { server, caPem, credentials, serverName, clock = realClock, log = silentLogger } = options;
  const tls = {
    ca: caPem,
    ...("cert" in credentials ? { cert: credentials.cert, key: credentials.key } : {}),
    ...(serverName ? { servername: serverName } : {}),
  };
  const session = () => new HttpSession({ server, tls, clock });
  const connection = { server, caPem, credentials, ...(serverName ? { serverName } : {}) };
  // Watches have a connection of their own: a server's limit on concurrent streams never makes a request wait for them.
  const shared = {
    connection,
    requests: session(),
    watches: session(),
    caches: new Map(),
    stop: new AbortController(),
  };
  return clientAs({ ...shared, clock, log }, options.component);
}

interface Shared {
  readonly connection: Connection;
  readonly requests: HttpSession;
  readonly watches: HttpSession;
  readonly caches: Map<string, IndexedCache>;
  readonly stop: AbortController;
  readonly clock: Clock;
  readonly log: Logger;
}

const patchTypes: Record<PatchType, string> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};

const longestRetries = 10;

function clientAs(shared: Shared, component: string): HttpsClient {
  const { connection, clock, stop } = shared;
  const { credentials } = connection;
  const identity = {
    "user-agent": `${component}/knarr`,
    ...("token" in credentials ? { authorization: `Bearer ${credentials.token}` } : {}),
  };

  /** Sends; a server that is busy is asked again when it says so. */
  async function send(via: HttpSession, method: string, path: string, options: RawRequest = {}): Promise<HttpAnswer> {
    for (let retries = 0; ; retries++) {
      const { headers, body, signal } = options;
      const request = { method, path, headers: { ...identity, ...headers }, ...(body === undefined ? {} : { body }) };
      const answer = await via.send({ ...request, signal });
      if (answer.status < 400) return answer;
      const retryAfter = Number(answer.headers["retry-after"]);
      const busy = (answer.status === 429 || answer.status === 503) && retryAfter >= 0 && retries < longestRetries;
      const error = await errorOf(answer);
      if (!busy) throw error;
      await sleep(clock, retryAfter * 1000, signal);
      signal?.throwIfAborted();
    }
  }

  async function json<T>(method: string, path: string, body?: unknown, type = "application/json"): Promise<T> {
    const answer = await send(shared.requests, method, path, {
      headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": type }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return JSON.parse(await readText(answer)) as T;
  }

  const write = (options: WriteOptions | undefined) => query(writeQuery({ fieldManager: component, ...options }));
  const put = <T extends KubeObject>(kind: Kind<T>, object: T, options?: WriteOptions, subresource?: string) => {
    const { name, namespace } = object.metadata;
    return json<T>("PUT", apiPath(kind, { name, namespace, subresource }) + write(options), object);
  };

  const client: HttpsClient = {
    connection,
    request: (method, path, options) => send(shared.requests, method, path, options),
    get: <T extends KubeObject>(kind: Kind<T>, name: string, namespace?: string) =>
      json<T>("GET", apiPath(kind, { name, namespace })),
    list: async <T extends KubeObject>(kind: Kind<T>, options: ListOptions = {}) => {
      const path = apiPath(kind, { namespace: options.namespace });
      const list = await json<KubeList<T>>("GET", path + query(listQuery(options)));
      // Items of a list carry no kind of their own; the objects of this client always do.
      const typed = { apiVersion: apiVersionOf(kind), kind: kind.kind };
      return { ...list, items: (list.items ?? []).map((item) => (item.kind ? item : { ...typed, ...item })) };
    },
    create: <T extends KubeObject>(kind: Kind<T>, object: NewObject<T>, options?: WriteOptions) =>
      json<T>("POST", apiPath(kind, { namespace: object.metadata.namespace }) + write(options), object),
    update: (kind, object, options) => put(kind, object, options),
    updateStatus: (kind, object, options) => put(kind, object, options, "status"),
    patch: <T extends KubeObject>(
      kind: Kind<T>,
      { name, namespace }: { name: string; namespace?: string },
      type: PatchType,
      patch: unknown,
      options: PatchOptions = {},
    ) => {
      const path = apiPath(kind, { name, namespace, subresource: options.subresource });
      const parameters = { ...writeQuery({ fieldManager: component, ...options }), force: options.force };
      return json<T>("PATCH", path + query(parameters), patch, patchTypes[type]);
    },
    delete: async (kind, target, { dryRun, ...options }: DeleteOptions = {}) => {
      const body = { apiVersion: "v1", kind: "DeleteOptions", ...options, ...(dryRun ? { dryRun: ["All"] } : {}) };
      await json("DELETE", apiPath(kind, target), body);
    },
    createSubresource: (kind: AnyKind, target: Target, subresource, body) =>
      json("POST", apiPath(kind, { ...target, subresource }) + write(undefined), body),
    watch: <T extends KubeObject>(
      kind: Kind<T>,
      { signal, ...options }: WatchOptions,
    ): AsyncIterable<WatchEvent<T>> => {
      const parameters = query({ ...listQuery(options), watch: true, allowWatchBookmarks: true });
      const path = apiPath(kind, { namespace: options.namespace }) + parameters;
      const headers = { accept: "application/json" };
      return watchEvents<T>((abort) => send(shared.watches, "GET", path, { headers, signal: abort }), signal);
    },
    cache: <T extends KubeObject>(kind: Kind<T>, options: { fieldSelector?: string } = {}) =>
      cacheOf(shared, client, kind, options.fieldSelector ?? "") as unknown as Cache<T>,
    as: (other) => clientAs(shared, other),
    async [Symbol.asyncDispose]() {
      stop.abort();
      shared.requests.close();
      shared.watches.close();
    },
  };
  return client;
}

/** The one cache of a kind and field selector, kept current until the client is disposed. */
function cacheOf(shared: Shared, client: Client, kind: AnyKind, fieldSelector: string): IndexedCache {
  const name = `${kind.group}/${kind.version}/${kind.plural}?${fieldSelector}`;
  const known = shared.caches.get(name);
  if (known) return known;
  const cache = new IndexedCache(kind);
  shared.caches.set(name, cache);
  const { clock, log, stop } = shared;
  const selection = fieldSelector ? { fieldSelector } : {};
  void runReflector({ client, cache, clock, log, signal: stop.signal, ...selection });
  return cache;
}
