// HTTPS to an extension API server: this server shows its front-proxy certificate and says in headers who asks.
// Follows kubernetes v1.36 client-go/transport/round_trippers.go (X-Remote headers).
import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { APIService } from "../../kinds/apiregistration/api-service.ts";
import { readWhole } from "../http/request-body.ts";
import type { KeyPair } from "../auth/pki.ts";
import { hostHeader } from "../streaming/proxy.ts";
import type { ProxyTarget } from "../streaming/proxy-target.ts";
import type { UserInfo } from "../types.ts";

export interface OutgoingRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export interface Connection {
  /** The caller ends the request. */
  open(target: ProxyTarget, request: OutgoingRequest): ClientRequest;
  /** A whole small answer. Rejects with what went wrong on the way. */
  fetch(target: ProxyTarget, request: OutgoingRequest): Promise<Answer>;
  close(): void;
}

/** Connections are kept for the next request. `clientPair` is asked at every request, as it is renewed now and then. */
export function createConnection({ spec }: APIService, clientPair: () => KeyPair): Connection {
  const { service, caBundle, insecureSkipTLSVerify } = spec!;
  let made: { readonly pair: KeyPair; readonly agent: Agent } | undefined;
  const agent = () => {
    const pair = clientPair();
    if (made?.pair === pair) return made.agent;
    retire(made?.agent);
    const options = {
      keepAlive: true,
      cert: pair.certPem,
      key: pair.keyPem,
      servername: `${service!.name}.${service!.namespace}.svc`,
      rejectUnauthorized: insecureSkipTLSVerify !== true,
      ...(caBundle ? { ca: Buffer.from(caBundle, "base64") } : {}),
    };
    made = { pair, agent: new Agent(options) };
    return made.agent;
  };
  const open: Connection["open"] = (target, { headers, ...request }) => {
    const { host, port } = target;
    return httpsRequest({ ...request, host, port, agent: agent(), headers: { ...headers, host: hostHeader(target) } });
  };
  return {
    open,
    async fetch(target, request) {
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
      open(target, request).once("response", resolve).once("error", reject).end();
      const message = await promise;
      return { status: message.statusCode ?? 0, headers: message.headers, body: await readWhole(message) };
    },
    close: () => retire(made?.agent),
  };
}

/** Idle connections go now, others with the request that they carry. */
function retire(agent: Agent | undefined): void {
  if (!agent) return;
  agent.maxFreeSockets = 0;
  for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
}

/** Header values are bytes to Node: UTF-8 goes through as it is. */
const bytes = (text: string) => Buffer.from(text, "utf8").toString("latin1");

/** What is no character of a header name is percent-encoded, as is the percent sign. */
const headerKey = (key: string) =>
  key.toLowerCase().replace(/[^!#$&'*+\-.^_`|~0-9a-z]/gu, (char) => {
    const hex = Buffer.from(char, "utf8").toString("hex").toUpperCase();
    return hex.replace(/../g, "%$&");
  });

/** Who asks, for a server that trusts the front proxy. */
export function userHeaders({ name, uid, groups, extra = {} }: UserInfo): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { "x-remote-user": bytes(name), "x-remote-group": groups.map(bytes) };
  if (uid) headers["x-remote-uid"] = bytes(uid);
  for (const [key, values] of Object.entries(extra)) headers[`x-remote-extra-${headerKey(key)}`] = values.map(bytes);
  return headers;
}

const spoofed = /^x-(?:remote-|forwarded-)/;

/** Without what only this server may say of the client. */
export const withoutClaims = (headers: OutgoingHttpHeaders): OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !spoofed.test(name)));
