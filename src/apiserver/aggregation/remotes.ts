// The APIs that other servers answer: follows the stored APIServices that point at a Service, asks each server whether it is
// there, and remembers what it serves. Follows kubernetes v1.36 kube-aggregator/pkg/controllers/status/remote.
import type { APIService } from "../../kinds/apiregistration/api-service.ts";
import { deepEqual } from "../../machinery/equal.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import { StoreError, type Entry, type Store } from "../../store/store.ts";
import type { KeyPair } from "../auth/pki.ts";
import {
  backendOf,
  examine,
  isAvailable,
  passed,
  targetOf,
  unavailable,
  withFinding,
  type Finding,
  type ServiceReference,
} from "./availability.ts";
import { createConnection, userHeaders, type Answer, type Connection } from "./connection.ts";
import { apiServices } from "./local.ts";

/** A row of an APIResourceList. */
export interface RemoteResource {
  readonly name: string;
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** One API group version that another server answers. */
export interface Remote {
  readonly group: string;
  readonly version: string;
  readonly service: APIService;
  readonly reference: ServiceReference;
  readonly connection: Connection;
  /** Whether requests are passed on, as its stored condition says. */
  readonly available: boolean;
  /** What it served when it was asked last. */
  readonly resources: readonly RemoteResource[];
  /** Asks anew whether the server is there. */
  check(): void;
  /** A document of the server, asked for again after a while; undefined when it cannot be had. */
  document(path: string): Promise<Buffer | undefined>;
}

export interface RemotesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly clientPair: () => KeyPair;
  readonly random: () => number;
}

/** How often a server that answers is asked again; as long, documents of it are not. */
const recheckMs = 30_000;
const firstRetryMs = 500;
const answerMs = 5000;
const furtherAttempts = 4;
/** Whoever checks may see everything. */
const checker = { name: "system:kube-aggregator", groups: ["system:masters"] };

/** `changed` is called when the server has come to serve something else. */
function createRemote(options: RemotesOptions, entry: Entry<APIService>, changed: () => void) {
  const { store, clock, log, random } = options;
  const { spec } = entry.object;
  const { group = "", version = "" } = spec!;
  const { namespace = "", name = "", port = 443 } = spec!.service!;
  const reference = { namespace, name, port };
  const connection = createConnection(entry.object, options.clientPair);
  const documents = new Map<string, { at: number; etag: string | undefined; body: Buffer }>();
  let { object: service } = entry;
  let resources: readonly RemoteResource[] = [];
  let retryMs = firstRetryMs;
  let cancel = () => {};
  let closed = false;
  let checking = false;
  let again = false;

  const ask = (path: string, headers: Record<string, string> = {}): Promise<Answer> => {
    const target = targetOf(reference, backendOf(store, reference), random());
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(answerMs)]);
    const all = { ...userHeaders(checker), accept: "application/json", ...headers };
    return connection.fetch(target, { method: "GET", path, headers: all, signal });
  };
  const path = group ? `/apis/${group}/${version}` : `/api/${version}`;
  const probe = async (): Promise<Finding> => {
    const once = async () => {
      const { status, body } = await ask(path);
      if (status < 200 || status > 299) throw new Error(`bad status: ${status}`);
      return body;
    };
    try {
      // One endpoint that answers is enough.
      const body = await once().catch(() => Promise.any(Array.from({ length: furtherAttempts }, once)));
      learn(body);
      return passed;
    } catch (error) {
      const first = error instanceof AggregateError ? error.errors[0] : error;
      const text = `failing or missing response from https://${name}.${namespace}.svc:${port}${path}: ${(first as Error).message}`;
      return unavailable("FailedDiscoveryCheck", text);
    }
  };
  const learn = (body: Buffer) => {
    const list = JSON.parse(body.toString("utf8")) as { resources?: RemoteResource[] };
    const next = list.resources ?? [];
    if (deepEqual(next, resources)) return;
    resources = next;
    changed();
  };
  const check = async () => {
    again = checking;
    if (checking || closed) return;
    checking = true;
    cancel();
    const known = examine(reference, backendOf(store, reference));
    const finding = known ?? (await probe());
    checking = false;
    if (closed) return;
    if (finding === passed) retryMs = firstRetryMs;
    // What objects tell changes only with them.
    if (!known) {
      cancel = clock.after(finding === passed ? recheckMs : retryMs, () => void check());
      if (finding !== passed) retryMs = Math.min(2 * retryMs, recheckMs);
    }
    await write(finding);
    if (again) void check();
  };
  const write = async (finding: Finding) => {
    const key = entry.key;
    const latest = store.latest(key) as Entry<APIService> | undefined;
    if (!latest) return;
    const status = withFinding(latest.object, finding, clock.now());
    if (status === latest.object.status) return;
    const object = { ...latest.object, status } as APIService;
    try {
      await store.write([{ type: "update", key, object, expectedRevision: latest.revision }]);
    } catch (error) {
      if (error instanceof StoreError && ["conflict", "notFound", "closed"].includes(error.code)) return;
      log.warn({ error, apiService: key.name }, "the status of an APIService could not be written");
    }
  };
  const document: Remote["document"] = async (documentPath) => {
    const known = documents.get(documentPath);
    if (known && clock.now() - known.at < recheckMs) return known.body;
    try {
      const { status, headers, body } = await ask(documentPath, known?.etag ? { "if-none-match": known.etag } : {});
      if (status !== 200 && status !== 304) return undefined;
      const next = { at: clock.now(), etag: headers.etag, body: status === 304 ? known!.body : body };
      documents.set(documentPath, next);
      return next.body;
    } catch (error) {
      log.debug({ error, apiService: entry.key.name }, "an extension API server did not give a document");
      return undefined;
    }
  };
  const remote: Remote = {
    group,
    version,
    reference,
    connection,
    get service() {
      return service;
    },
    get available() {
      return isAvailable(service);
    },
    get resources() {
      return resources;
    },
    check: () => void check(),
    document,
  };
  return {
    remote,
    /** Takes the next version of the same object; false when it means another server. */
    take(next: APIService): boolean {
      if (next.metadata.uid !== service.metadata.uid || !deepEqual(next.spec, service.spec)) return false;
      service = next;
      return true;
    },
    close() {
      closed = true;
      cancel();
      connection.close();
    },
  };
}

/** Whether the object points at another server. */
const isRemote = ({ spec }: APIService): boolean => spec?.service !== undefined && spec.service !== null;

type Followed = ReturnType<typeof createRemote>;

export interface Remotes {
  /** By the name of their APIService. */
  readonly byName: ReadonlyMap<string, { readonly remote: Remote }>;
}

/** Follows the store until the signal aborts. `changed` is called with every change of an APIService or of what it serves. */
export function followRemotes(options: RemotesOptions, changed: () => void): Remotes {
  const { store, signal } = options;
  const byName = new Map<string, Followed>();
  const drop = (name: string) => {
    byName.get(name)?.close();
    byName.delete(name);
  };
  const take = (entry: Entry<APIService>) => {
    const { name } = entry.key;
    if (byName.get(name)?.take(entry.object)) return;
    drop(name);
    if (!isRemote(entry.object)) return;
    const followed = createRemote(options, entry, changed);
    byName.set(name, followed);
    followed.remote.check();
  };
  const listing = store.list(apiServices);
  for (const entry of listing.entries) take(entry as Entry<APIService>);
  const subscriptions = [
    store.watch({ collection: apiServices, after: listing.revision }, (events) => {
      for (const { type, entry } of events) {
        if (type === "DELETED") drop(entry.key.name);
        else take(entry as Entry<APIService>);
      }
      changed();
    }),
    ...["/services", "discovery.k8s.io/endpointslices"].map((collection) =>
      store.watch({ collection, after: store.revision }, (events) => {
        if (byName.size === 0) return;
        for (const { remote } of byName.values()) {
          if (events.some(({ entry }) => concerns(entry, remote.reference))) remote.check();
        }
      }),
    ),
  ];
  const close = () => {
    for (const subscription of subscriptions) subscription.close();
    for (const name of byName.keys()) drop(name);
  };
  signal.addEventListener("abort", close, { once: true });
  return { byName };
}

const concerns = ({ key, object }: Entry, { namespace, name }: ServiceReference): boolean =>
  key.namespace === namespace && (key.name === name || object.metadata.labels?.["kubernetes.io/service-name"] === name);
