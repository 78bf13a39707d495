// For tests: requests to the router without a socket.
import { Readable } from "node:stream";
import type { NodeConnection } from "../../client/node-connection.ts";
import { silentLogger } from "../../machinery/log.ts";
import { serviceAccountsOnly, type PeerIdentity } from "../auth/authenticate.ts";
import { createOpenApi } from "../openapi/documents.ts";
import { streamHandlers } from "../streaming/handlers.ts";
import { usageResources } from "../streaming/usage.ts";
import { testApi } from "../testing.ts";
import type { TokenIssuer } from "../types.ts";
import { bytesOf } from "./chunks.ts";
import { upgraded, type EdgeRequest } from "./exchange.ts";
import { createFlowControl } from "../flowcontrol/flow-control.ts";
import { realLoop } from "../flowcontrol/dispatcher.ts";
import { createLifecycle } from "./lifecycle.ts";
import { createMetrics } from "./metrics.ts";
import { RequestBody, sourceOf } from "./request-body.ts";
import { createRouter } from "./router.ts";

export interface TestRequest {
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
  readonly peer?: PeerIdentity | null;
}

export interface TestResponse {
  readonly status: number;
  readonly headers: Record<string, string | readonly string[]>;
  readonly bytes: Buffer;
  readonly text: string;
  readonly json: () => any;
}

const administrator: PeerIdentity = { commonName: "admin", organizations: ["system:masters"] };

const noTokens: TokenIssuer = {
  issuer: "https://test",
  keys: () => ({ keys: [] }),
  issue: () => Promise.reject(new Error("no tokens here")),
  issueLegacy: () => "",
  authenticateToken: () => Promise.resolve(undefined),
};

/** A router over a bootstrapped API in memory, and a way to ask it. The administrator asks unless `peer` says else. */
export async function testRouter(options: { nodes?: (name: string) => NodeConnection | undefined } = {}) {
  const { store, kinds, api, client, clock } = await testApi();
  const lifecycle = createLifecycle(clock);
  const services = {
    api,
    store,
    kinds,
    client,
    clock,
    nodes: options.nodes ?? (() => undefined),
    tokens: noTokens,
    authentication: serviceAccountsOnly(noTokens),
    log: silentLogger,
    version: "test",
    metrics: createMetrics(store, 0),
    flow: createFlowControl({ store, clock, loop: realLoop, seats: 600 }),
    lifecycle,
    requestTimeoutMs: 60_000,
    random: () => 0,
    checks: () => [],
    notReady: () => [],
  };
  const documents = createOpenApi({ kinds, store, version: "test" });
  const router = createRouter({ services, extra: streamHandlers, computed: usageResources, documents });
  const ask = async (method: string, target: string, request: TestRequest = {}): Promise<TestResponse> => {
    const outcome = await router(edgeRequest(method, target, request));
    if (outcome === upgraded) throw new Error("the connection was taken over");
    const { status, headers, body = "" } = outcome;
    const bytes = (await bytesOf(body))!;
    const text = bytes.toString("utf8");
    return { status, headers, bytes, text, json: () => JSON.parse(text) };
  };
  return { ask, router, store, api, kinds, client, lifecycle };
}

export function edgeRequest(method: string, target: string, { headers = {}, body, peer }: TestRequest): EdgeRequest {
  const mark = target.indexOf("?");
  const search = mark < 0 ? "" : target.slice(mark + 1);
  return {
    method,
    path: mark < 0 ? target : target.slice(0, mark),
    search,
    query: new URLSearchParams(search),
    headers,
    peer: peer === null ? undefined : (peer ?? administrator),
    body: new RequestBody(sourceOf(Readable.from(body === undefined ? [] : [Buffer.from(body)])), undefined),
    isGone: false,
    signal: new AbortController().signal,
  };
}
