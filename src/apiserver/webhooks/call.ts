// Posts a review to a webhook, by URL or to a ready endpoint of a Service, over HTTPS with the CA that its configuration names.
// Follows kubernetes v1.36 apiserver/pkg/util/webhook (client.go).
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { isIP } from "node:net";
import { text } from "node:stream/consumers";
import type { Service } from "../../kinds/generated/core.v1.ts";
import type { EndpointSlice } from "../../kinds/generated/discovery.v1.ts";
import type { Store } from "../../store/store.ts";
import { serviceTarget } from "../streaming/proxy-target.ts";

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
}

interface Address {
  readonly url: URL;
  /** The name that the certificate must have. */
  readonly servername: string;
}

const maxAnswerBytes = 64 * 1024 * 1024;

/** The JSON that the webhook answers; throws an Error that says what went wrong, also for any status but 200. */
export async function callWebhook({ store, clientConfig, body, timeoutMs }: WebhookCall): Promise<unknown> {
  const { url, servername } = addressOf(store, clientConfig);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    // Addresses have no place in SNI; the certificate is checked against them all the same.
    ...(isIP(servername) ? {} : { servername }),
    signal: AbortSignal.timeout(timeoutMs),
    ...(clientConfig.caBundle ? { ca: Buffer.from(clientConfig.caBundle, "base64") } : {}),
  });
  sent.once("response", resolve).once("error", reject);
  sent.end(JSON.stringify(body));
  const response = await promise;
  if (Number(response.headers["content-length"] ?? 0) > maxAnswerBytes) {
    sent.destroy();
    throw new Error("the answer is too large");
  }
  const answer = await text(response);
  if (response.statusCode !== 200) throw new Error(`unexpected status ${response.statusCode}: ${answer.slice(0, 200)}`);
  return JSON.parse(answer) as unknown;
}

function addressOf(store: WebhookCall["store"], { url, service }: ClientConfig): Address {
  if (!service) {
    const parsed = new URL(url!);
    return { url: parsed, servername: parsed.hostname.replace(/^\[(.*)\]$/, "$1") };
  }
  const { namespace, name, path = "/", port = 443 } = service;
  const found = store.get({ collection: "/services", namespace, name })?.object as Service | undefined;
  if (!found) throw new Error(`service ${JSON.stringify(name)} not found`);
  const slices = store
    .list("discovery.k8s.io/endpointslices", namespace)
    .entries.map(({ object }) => object as EndpointSlice)
    .filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === name);
  const target = serviceTarget(found, slices, { scheme: "https", port: String(port), pick: 0 });
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  return { url: new URL(path, `https://${host}:${target.port}`), servername: `${name}.${namespace}.svc` };
}
