// pods/proxy, services/proxy and nodes/proxy: plain HTTP passed on, upgrades included. Follows kubernetes v1.36
// apimachinery/pkg/util/proxy/upgradeaware.go (redirect of the empty path, headers).
import type { ClientRequest, IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline } from "node:stream/promises";
import type { Node, Pod, Service } from "../../kinds/generated/core.v1.ts";
import type { EndpointSlice } from "../../kinds/generated/discovery.v1.ts";
import { methodNotSupported, notFound, serviceUnavailable } from "../../machinery/errors.ts";
import { request as httpRequest } from "../../machinery/http.ts";
import {
  jsonResponse,
  textResponse,
  upgraded,
  type EdgeRequest,
  type EdgeResponse,
  type Outcome,
} from "../http/exchange.ts";
import { readWhole } from "../http/request-body.ts";
import type { AuthorizedCall } from "../http/router.ts";
import { nodeTarget, podTarget, serviceTarget, splitName, type ProxyTarget } from "./proxy-target.ts";
import { withLinks } from "./proxy-html.ts";
import { join } from "./upgrade.ts";

export function proxyPod(call: AuthorizedCall): Promise<Outcome> {
  const { scheme, name, port } = splitName(call.info.name);
  return forward(call, podTarget(stored<Pod>(call, "pods", name), scheme, port));
}

export function proxyService(call: AuthorizedCall): Promise<Outcome> {
  const { services, info } = call;
  const { scheme, name, port } = splitName(info.name);
  const service = stored<Service>(call, "services", name);
  const slices = services.store
    .list("discovery.k8s.io/endpointslices", info.namespace)
    .entries.map(({ object }) => object as EndpointSlice)
    .filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === name);
  return forward(call, serviceTarget(service, slices, { scheme, port, pick: services.random() }));
}

/** The kubelet is no HTTP server here: what tools ask of it is answered in its place, other ports are proxied. */
export function proxyNode(call: AuthorizedCall): Outcome | Promise<Outcome> {
  const { scheme, name, port } = splitName(call.info.name);
  const node = stored<Node>(call, "nodes", name);
  return port === "" || port === "10250" ? kubeletAnswer(call, name) : forward(call, nodeTarget(node, scheme, port));
}

function kubeletAnswer({ services, request, info }: AuthorizedCall, nodeName: string): Outcome {
  if (request.method !== "GET") throw methodNotSupported({ group: "", resource: "nodes/proxy" }, info.verb);
  if (!services.nodes(nodeName)) throw serviceUnavailable(`node ${nodeName} is not connected`);
  const path = info.rest.replace(/\/$/, "");
  if (path === "/healthz") return textResponse("ok");
  if (path === "/pods") {
    const pods = services.store.list("/pods").entries.map(({ object }) => object as Pod);
    const items = pods.filter(({ spec }) => spec?.nodeName === nodeName);
    return jsonResponse({ kind: "PodList", apiVersion: "v1", metadata: {}, items });
  }
  return textResponse("404 page not found\n", 404);
}

function stored<T>({ services, info }: AuthorizedCall, resource: string, name: string): T {
  const namespace = resource === "nodes" ? "" : info.namespace;
  const entry = services.store.get({ collection: `/${resource}`, namespace, name });
  if (!entry) throw notFound({ group: "", resource }, name);
  return entry.object as T;
}

const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** Whether the request is passed on without a body. */
export const isRead = ({ method }: Pick<EdgeRequest, "method">): boolean => method === "GET" || method === "HEAD";

const bearerProtocol = "base64url.bearer.authorization.k8s.io.";

/** Without credentials, which are the API server's business, and without what concerns one connection only. */
export function requestHeaders(
  request: Pick<EdgeRequest, "method" | "headers" | "upgrade">,
): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    const isOurs =
      name.startsWith(":") || name === "host" || name === "authorization" || name.startsWith("impersonate-");
    const isPassed = !hopByHop.has(name) || (request.upgrade && name === "upgrade");
    const isUnsent = name === "content-length" && isRead(request);
    if (value !== undefined && !isOurs && isPassed && !isUnsent) out[name] = value;
  }
  // Not as the client put it, who could have other headers taken away further on.
  if (request.upgrade) out.connection = "Upgrade";
  const offered = request.headers["sec-websocket-protocol"];
  if (offered?.includes(bearerProtocol)) {
    const others = offered.split(",").filter((protocol) => !protocol.trim().startsWith(bearerProtocol));
    out["sec-websocket-protocol"] = others.join(",");
  }
  // Node frames no body of a DELETE by itself.
  if (request.method === "DELETE" && out["content-length"] === undefined) out["transfer-encoding"] = "chunked";
  return out;
}

const forward = ({ request, info }: AuthorizedCall, target: ProxyTarget) => forwardTo(request, info.rest, target);

/** Passes a request on; `rest` is the path behind the proxy, still encoded. Throws ServiceUnavailable. */
export async function forwardTo(request: EdgeRequest, rest: string, target: ProxyTarget): Promise<Outcome> {
  const query = request.search ? `?${request.search}` : "";
  if (rest === "" && !request.upgrade && isRead(request)) {
    return { status: 301, headers: { location: `${request.path}/${query}` } };
  }
  const { scheme, host, port } = target;
  const options = {
    host,
    port,
    path: `${rest || "/"}${query}`,
    method: request.method,
    headers: { ...requestHeaders(request), ...plainPages(request), host: hostHeader(target) },
    signal: request.signal,
    agent: false as const,
  };
  // Pods' certificates are their own affair, as upstream has it.
  const outgoing = scheme === "https" ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options);
  const outcome = await passOn(request, outgoing).catch((error: Error) => {
    throw serviceUnavailable(`error trying to reach service: dial tcp ${host}:${port}: ${error.message}`);
  });
  if (outcome === upgraded) return outcome;
  const prefix = request.path.slice(0, request.path.length - rest.length);
  const proxied = (url: string) => proxiedLocation(url, prefix, target);
  const page = withLinks(outcome, proxied);
  const { location } = page.headers;
  return typeof location === "string" ? { ...page, headers: { ...page.headers, location: proxied(location) } } : page;
}

/** A page that a browser asks for must be readable here, for its links. */
const plainPages = ({ headers }: EdgeRequest) =>
  headers.accept?.includes("text/html") ? { "accept-encoding": "identity" } : {};

export const hostHeader = ({ host, port }: Pick<ProxyTarget, "host" | "port">) =>
  `${host.includes(":") ? `[${host}]` : host}:${port}`;

/** Sends the body on and brings the answer back, upgrades included. Rejects with what went wrong before the answer came. */
export async function passOn(request: EdgeRequest, outgoing: ClientRequest): Promise<Outcome> {
  const answer = answerOf(outgoing);
  if (request.upgrade || isRead(request)) outgoing.end();
  // The answer may come before the body is through; an error of the body shows in the answer.
  else pipeline(request.body.stream(), outgoing).catch(() => {});
  const { message, upgradedSocket, head } = await answer;
  if (!upgradedSocket) return relay(request, message);
  if (!request.upgrade) throw new Error("the server upgraded a request that did not ask for it");
  const lines = [`HTTP/1.1 ${message.statusCode} ${message.statusMessage}`];
  for (let i = 0; i + 1 < message.rawHeaders.length; i += 2)
    lines.push(`${message.rawHeaders[i]}: ${message.rawHeaders[i + 1]}`);
  const { socket } = request.upgrade;
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  if (head.length > 0) socket.write(head);
  join(socket, upgradedSocket, request.upgrade.head);
  return upgraded;
}

interface Answer {
  readonly message: IncomingMessage;
  readonly upgradedSocket?: import("node:stream").Duplex;
  readonly head: Buffer;
}

function answerOf(outgoing: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    outgoing.on("response", (message) => resolve({ message, head: Buffer.alloc(0) }));
    outgoing.on("upgrade", (message, upgradedSocket, head) => resolve({ message, upgradedSocket, head }));
    outgoing.on("error", reject);
  });
}

async function relay(request: EdgeRequest, message: IncomingMessage): Promise<EdgeResponse> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(message.headers)) {
    if (value !== undefined && !hopByHop.has(name)) headers[name] = value;
  }
  const status = message.statusCode ?? 502;
  if (request.method === "HEAD" || status === 204 || status === 304) {
    message.resume();
    return { status, headers };
  }
  if (request.upgrade) {
    // Who asked for an upgrade and is refused gets the reason whole.
    delete headers["content-length"];
    return { status, headers, body: await readWhole(message) };
  }
  return {
    status,
    headers,
    async body(sink) {
      sink.signal.addEventListener("abort", () => message.destroy(), { once: true });
      for await (const chunk of message as AsyncIterable<Buffer>) if (!sink.write(chunk)) await sink.drained();
      sink.end();
    },
  };
}

/** What leads from the backend to itself must come through the proxy again. `prefix` is the path up to `/proxy`. */
export function proxiedLocation(location: string, prefix: string, { host, port }: ProxyTarget): string {
  if (location.startsWith(`${prefix}/`)) return location;
  if (!URL.canParse(location, `http://${host}:${port}/`)) return location;
  const url = new URL(location, `http://${host}:${port}/`);
  const isOwn = url.hostname === host && (url.port === "" || Number(url.port) === port);
  if (!isOwn || (!location.startsWith("/") && !/^https?:/i.test(location))) return location;
  return `${prefix}${url.pathname}${url.search}${url.hash}`;
}
