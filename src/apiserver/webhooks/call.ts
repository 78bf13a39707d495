// Posts a review to a webhook, by URL or to a ready endpoint of a Service, over HTTPS with the CA that its configuration names.
// Follows kubernetes v1.36 apiserver/pkg/util/webhook (client.go) and client-go/rest/request.go (message forms).
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { isIP } from "node:net";
import type { Service } from "../../kinds/generated/core.v1.ts";
import type { EndpointSlice } from "../../kinds/generated/discovery.v1.ts";
import type { Store } from "../../store/store.ts";
import { serviceTarget } from "../streaming/proxy-target.ts";
import { limitedText } from "./answer.ts";

/** As admission and conversion webhooks configure it; exactly one of url and service is set. */
export interface ClientConfig {
  readonly url?: string;
  readonly service?: {
    readonly namespace: string;
    readonly name: string;
    readonly path?: string;
    readonly port?: number;
  };
  /** PEM in base64. */
  readonly caBundle?: string;
}

export interface WebhookCall {
  readonly store: Pick<Store, "get" | "list">;
  readonly clientConfig: ClientConfig;
  readonly body: unknown;
  readonly timeoutMs: number;
  /** Tells the webhook in its URL how many seconds it has. */
  readonly tellsTimeout?: boolean;
}

interface Address {
  readonly url: URL;
  /** The name that the certificate must have. */
  readonly servername: string;
}

const maxAnswerBytes = 64 * 1024 * 1024;

/** Connections stay open for the next call; idle ones hold neither the process nor many resources. */
const agent = new Agent({ keepAlive: true, maxFreeSockets: 16 });

/** The JSON that the webhook answers; throws an Error that says what went wrong, also for any status but 200. */
export async function callWebhook(call: WebhookCall): Promise<unknown> {
  const { clientConfig, timeoutMs } = call;
  const shown = shownUrl(clientConfig, call.tellsTimeout ? `timeout=${Math.ceil(timeoutMs / 1000)}s` : "");
  const signal = AbortSignal.timeout(timeoutMs);
  let answer: { readonly status: number; readonly text: string };
  try {
    answer = await exchange(call, shown.search, signal);
  } catch (error) {
    const why = signal.aborted ? "context deadline exceeded" : reasonOf(error as NodeJS.ErrnoException);
    throw new Error(`Post ${JSON.stringify(shown.href)}: ${why}`, { cause: error });
  }
  if (answer.status !== 200) throw new Error(refusalOf(answer.status, answer.text));
  return JSON.parse(answer.text) as unknown;
}

/** The URL as messages show it: Services by their DNS names. */
function shownUrl({ url, service }: ClientConfig, search: string): URL {
  const { namespace, name, path, port = 443 } = service ?? { namespace: "", name: "" };
  // The default port is part of the name of a Service, and URL would drop it.
  const shown = new URL(url ?? `https://${name}.${namespace}.svc:${port}${path || "/"}`);
  shown.search = search;
  if (!service || port !== 443) return shown;
  return { ...shown, search: shown.search, href: shown.href.replace(".svc/", ".svc:443/") };
}

/** Sends and reads; once more when the connection that had been kept turns out to be gone. */
async function exchange(call: WebhookCall, search: string, signal: AbortSignal) {
  const { url, servername } = addressOf(call.store, call.clientConfig);
  url.search = search;
  const body = JSON.stringify(call.body);
  for (;;) {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = request(url, {
      agent,
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      // Addresses have no place in SNI; the certificate is checked against them all the same.
      ...(isIP(servername) ? {} : { servername }),
      signal,
      ...(call.clientConfig.caBundle ? { ca: Buffer.from(call.clientConfig.caBundle, "base64") } : {}),
    });
    sent.once("response", resolve).on("error", reject);
    sent.end(body);
    try {
      const response = await promise;
      return { status: response.statusCode ?? 0, text: await limitedText(response, maxAnswerBytes) };
    } catch (error) {
      sent.destroy();
      if (!sent.reusedSocket || (error as NodeJS.ErrnoException).code !== "ECONNRESET" || signal.aborted) throw error;
    }
  }
}

const tlsReasons: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "x509: certificate has expired or is not yet valid",
  DEPTH_ZERO_SELF_SIGNED_CERT: "x509: certificate signed by unknown authority",
  SELF_SIGNED_CERT_IN_CHAIN: "x509: certificate signed by unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "x509: certificate signed by unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "x509: certificate signed by unknown authority",
};

/** What went wrong below HTTP, in the words of Go where they are well known. */
function reasonOf(error: NodeJS.ErrnoException & { address?: string; port?: number; hostname?: string }): string {
  const { code = "", message, address, port } = error;
  // Both addresses of a name were tried.
  const inner = error instanceof AggregateError ? (error.errors as NodeJS.ErrnoException[])[0] : undefined;
  if (inner) return reasonOf(inner);
  if (code === "ECONNREFUSED") return `dial tcp ${address}:${port}: connect: connection refused`;
  if (code === "ENOTFOUND") return `dial tcp: lookup ${error.hostname}: no such host`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `tls: failed to verify certificate: x509: ${message}`;
  return tlsReasons[code] ? `tls: failed to verify certificate: ${tlsReasons[code]}` : message;
}

const refusals: Readonly<Record<number, string>> = {
  400: "the server rejected our request for an unknown reason",
  401: "the server has asked for the client to provide credentials",
  403: "the server does not allow access to the requested resource",
  404: "the server could not find the requested resource",
  405: "the server does not allow this method on the requested resource",
  429: "the server has received too many requests and has asked us to try again later",
  503: "the server is currently unable to handle the request",
  504: "the server was unable to return a response in the time allotted, but may still be processing the request",
};

function refusalOf(status: number, text: string): string {
  if (refusals[status]) return refusals[status];
  if (status < 500) return `the server responded with the status code ${status} but did not return more information`;
  return `an error on the server (${JSON.stringify(text.trim().slice(0, 1000))}) has prevented the request from succeeding`;
}

/** 0 ≤ x < 1, so far from the last ones as it can be: calls go round all endpoints. */
let pick = 0;
const goldenRatio = 0.618_033_988_749_895;

function addressOf(store: WebhookCall["store"], { url, service }: ClientConfig): Address {
  if (!service) {
    const parsed = new URL(url!);
    return { url: parsed, servername: parsed.hostname.replace(/^\[(.*)\]$/, "$1") };
  }
  const { namespace, name, path, port = 443 } = service;
  const found = store.get({ collection: "/services", namespace, name })?.object as Service | undefined;
  if (!found) throw new Error(`service ${JSON.stringify(name)} not found`);
  const slices = store
    .list("discovery.k8s.io/endpointslices", namespace)
    .entries.map(({ object }) => object as EndpointSlice)
    .filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === name);
  pick = (pick + goldenRatio) % 1;
  const target = serviceTarget(found, slices, { scheme: "https", port: String(port), pick });
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  return { url: new URL(path || "/", `https://${host}:${target.port}`), servername: `${name}.${namespace}.svc` };
}
