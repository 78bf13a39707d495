// The API server's front: listeners, certificates and the handlers put together.
import type { Client } from "../../client/client.ts";
import type { NodeConnection } from "../../client/node-connection.ts";
import type { KindRegistry } from "../../kinds/registry.ts";
import { sleep, type Clock } from "../../machinery/clock.ts";
import { parseDuration } from "../../machinery/duration.ts";
import type { Logger } from "../../machinery/log.ts";
import type { Store } from "../../store/store.ts";
import { serviceAccountsOnly, type Authentication } from "../auth/authenticate.ts";
import type { Pki } from "../auth/pki.ts";
import { followPki } from "../auth/pki/follow.ts";
import type { Api, TokenIssuer } from "../types.ts";
import type { Auditor } from "../audit/auditor.ts";
import { startAggregation, type Aggregation } from "../aggregation/aggregation.ts";
import { createOpenApi } from "../openapi/documents.ts";
import type { ApiServerFlags } from "../flags.ts";
import { streamHandlers } from "../streaming/handlers.ts";
import { usageResources } from "../streaming/usage.ts";
import { createFlowControl } from "../flowcontrol/flow-control.ts";
import { realLoop } from "../flowcontrol/dispatcher.ts";
import { keepFlowObjects } from "../flowcontrol/keeper.ts";
import { createLifecycle } from "./lifecycle.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { createRouter } from "./router.ts";
import type { EdgeServices, HealthCheck } from "./services.ts";
import { createTransport, type ListenAddress, type Transport } from "./transport.ts";

export interface ApiServerOptions {
  readonly api: Api;
  readonly store: Store;
  readonly kinds: KindRegistry;
  readonly client: Client;
  readonly pki: Pki;
  readonly listen: ListenAddress;
  /** Further addresses; with port 0 they take the port of the first. */
  readonly extraListeners?: readonly ListenAddress[];
  /** The connection to a node's kubelet; undefined when there is none now. */
  readonly nodes: (nodeName: string) => NodeConnection | undefined;
  readonly tokens: TokenIssuer;
  /** Absent: client certificates and ServiceAccount tokens alone. */
  readonly authentication?: Authentication;
  /** Absent: nobody keeps a record of requests. */
  readonly audit?: Auditor | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Knarr's version. */
  readonly version: string;
  /** Names of what is not ready yet, for /readyz; the server itself is ready once it listens. */
  readonly notReady?: () => readonly string[];
  /** Further checks of /readyz and /healthz. */
  readonly checks?: () => readonly HealthCheck[];
  /** Limits and time bounds among them are used here. */
  readonly flags?: ApiServerFlags;
}

export interface ApiServer {
  /** https://host:port of the first listener. */
  readonly url: string;
  readonly port: number;
  readonly metrics: Metrics;
  readonly aggregation: Aggregation;
  /** Listens on a further address; resolves with the port. */
  listen(address: ListenAddress): Promise<number>;
  /**
   * The end in order: /readyz fails, after the delay of the flags nothing new is taken, watches end, requests get `boundMs`
   * to finish.
   */
  end(boundMs: number): Promise<void>;
  close(): Promise<void>;
}

/** What is answered gets this long to reach its client. */
const lastBytesMs = 500;

/** Listens and answers until closed or aborted. Rejects when an address cannot be listened on. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { pki, clock, log, signal } = options;
  const services = servicesOf(options);
  const aggregation = startAggregation({
    ...services,
    signal,
    clientPair: () => pki.frontProxyClient,
  });
  services.metrics.addSource(aggregation.metrics);
  if (options.audit) services.metrics.addSource(options.audit.metrics);
  const handle = createRouter({
    services,
    extra: streamHandlers,
    computed: usageResources,
    documents: createOpenApi({
      kinds: options.kinds,
      store: options.store,
      version: `v1.36.0-${options.version}`,
      aggregation,
    }),
    aggregation,
    audit: options.audit,
  });
  const { frontProxy } = services.authentication;
  const certificates = () => ({
    serving: pki.serving,
    caPem: pki.clientCaPem + (frontProxy?.caPem() ?? ""),
    rootsPem: pki.caPem,
  });
  const ended = new AbortController();
  const onConnection = followPki(pki, { clock, log, signal: ended.signal });
  const transports: Transport[] = [];
  const listen = async (address: ListenAddress): Promise<number> => {
    const transport = createTransport({ ...certificates(), clock, onConnection, handle });
    const { port } = await transport.listen(address);
    transports.push(transport);
    return port;
  };
  const forget = pki.onChange(() => transports.forEach((transport) => transport.setCertificates(certificates())));
  const close = async () => {
    ended.abort();
    forget();
    await Promise.all(transports.splice(0).map((transport) => transport.close()));
  };
  signal.addEventListener("abort", () => void close(), { once: true });
  const port = await listen(options.listen);
  for (const address of options.extraListeners ?? []) await listen({ ...address, port: address.port || port });
  const delayMs = durationOf("shutdown-delay-duration", options.flags?.shutdownDelayDuration ?? "0s");
  const end = async (boundMs: number) => {
    log.info({ delayMs, boundMs, running: services.metrics.inflight }, "the API server ends");
    let left: Promise<unknown> = Promise.resolve();
    services.lifecycle.onClosing(() => (left = Promise.all(transports.map((transport) => transport.drain()))));
    await services.lifecycle.end(delayMs, boundMs);
    const given = new AbortController();
    // Answers may still be on their way; exec and other streams do not end by themselves.
    await Promise.race([left, sleep(clock, lastBytesMs, given.signal)]);
    given.abort();
    await close();
  };
  const host = options.listen.host.includes(":") ? `[${options.listen.host}]` : options.listen.host;
  return { url: `https://${host}:${port}`, port, metrics: services.metrics, aggregation, listen, end, close };
}

function countOf(flag: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new Error(`--${flag}: ${JSON.stringify(text)} is no number of requests`);
}

function durationOf(flag: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new Error(`--${flag}: ${JSON.stringify(text)} is no duration such as 30s`);
  return ms;
}

function servicesOf(options: ApiServerOptions): EdgeServices {
  const { api, store, kinds, client, nodes, tokens, clock, log, version } = options;
  const {
    maxRequestsInflight = "400",
    maxMutatingRequestsInflight = "200",
    requestTimeout = "1m",
  } = options.flags ?? {};
  const lifecycle = createLifecycle(clock);
  const seats =
    countOf("max-requests-inflight", maxRequestsInflight) +
    countOf("max-mutating-requests-inflight", maxMutatingRequestsInflight);
  const flow = createFlowControl({ store, clock, loop: realLoop, seats });
  const metrics = createMetrics(store, clock.now() / 1000);
  metrics.addSource(options.api.admissionMetrics);
  metrics.addSource(flow.metrics);
  keepFlowObjects({
    client: client.as("api-priority-and-fairness-config-producer-v1"),
    clock,
    log,
    signal: options.signal,
  });
  return {
    api,
    store,
    kinds,
    client,
    nodes,
    tokens,
    authentication: options.authentication ?? serviceAccountsOnly(tokens),
    clock,
    log,
    version,
    metrics,
    flow,
    lifecycle,
    requestTimeoutMs: durationOf("request-timeout", requestTimeout),
    random: Math.random,
    checks: options.checks ?? (() => []),
    notReady: () => [...(options.notReady?.() ?? []), ...(lifecycle.isEnding ? ["shutdown"] : [])],
  };
}
