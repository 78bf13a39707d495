// For tests: an API server on HTTPS without nodes, and webhooks that answer as the test says.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json, text } from "node:stream/consumers";
import { ensurePki } from "../src/apiserver/auth/pki.ts";
import { createTokenIssuer } from "../src/apiserver/auth/tokens.ts";
import { startApiServer } from "../src/apiserver/http/server.ts";
import { testApi } from "../src/apiserver/testing.ts";
import { httpsClient } from "../src/client/https.ts";
import { realClock } from "../src/machinery/clock.ts";
import { StatusError } from "../src/machinery/errors.ts";
import { silentLogger } from "../src/machinery/log.ts";
import { selfSigned } from "./certificates.ts";

// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

export interface Answer {
  readonly status: number;
  /** The object, or the Status of a refusal. */
  readonly body: Json;
  readonly warnings: readonly string[];
}

export type Ask = (method: string, path: string, body?: unknown, type?: string) => Promise<Answer>;

/** An API server over a store in memory, and a way to ask it as its administrator. */
export async function startApi() {
  const dir = mkdtempSync(join(tmpdir(), "knarr-webhooks-"));
  const stop = new AbortController();
  const { store, kinds, api, client } = await testApi();
  const pki = await ensurePki(join(dir, "pki"), { names: ["localhost"], addresses: ["127.0.0.1"], clock: realClock });
  const issuer = "https://kubernetes.default.svc.cluster.local";
  const server = await startApiServer({
    api,
    store,
    kinds,
    client,
    pki,
    tokens: createTokenIssuer({ keyPem: pki.serviceAccountKeyPem, issuer, store, clock: realClock }),
    listen: { host: "127.0.0.1", port: 0 },
    nodes: () => undefined,
    clock: realClock,
    log: silentLogger,
    signal: stop.signal,
    version: "test",
  });
  const { certPem, keyPem } = pki.admin;
  const admin = httpsClient({
    server: server.url,
    caPem: pki.caPem,
    credentials: { cert: certPem, key: keyPem },
    component: "test",
  });
  const ask: Ask = async (method, path, body, type = "application/json") => {
    try {
      const answer = await admin.request(method, path, {
        headers: { "content-type": type },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const warnings = [answer.headers.warning ?? []].flat();
      const read = await text(answer.body);
      return { status: answer.status, body: read.startsWith("{") ? JSON.parse(read) : read, warnings };
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      return { status: error.code, body: error.status, warnings: [] };
    }
  };
  return {
    ask,
    api,
    store,
    client,
    url: server.url,
    async [Symbol.asyncDispose]() {
      await admin[Symbol.asyncDispose]();
      stop.abort();
      await server.close();
      rmSync(dir, { recursive: true });
    },
  };
}

export interface Reply {
  readonly allowed?: boolean;
  readonly patch?: readonly object[];
  readonly [field: string]: unknown;
}

/** What a webhook does with the `request` of a review; whoever takes the response over returns nothing. */
export type Behaviour = (request: Json, response: ServerResponse) => Reply | undefined;

/** A server of webhooks, each at a path of its own. */
export async function startWebhooks() {
  const { certPem, keyPem } = await selfSigned("localhost");
  const behaviours = new Map<string, Behaviour>();
  const asked: { readonly path: string; readonly url: string; readonly request: Json }[] = [];
  const server = createServer({ cert: certPem, key: keyPem }, (message, response) => {
    void json(message).then((review) => {
      const { request } = review as { request: Json };
      const [path = ""] = message.url!.slice(1).split("?");
      asked.push({ path, url: message.url!, request });
      const reply = behaviours.get(path)!(request, response);
      if (reply) answer(response, reviewOf(request.uid, reply));
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return {
    asked,
    url: `https://localhost:${port}`,
    /** A webhook configuration's entry whose calls are answered by `behaviour`. */
    webhook(name: string, rules: readonly Json[], behaviour: Behaviour, rest: object = {}) {
      behaviours.set(name, behaviour);
      return {
        name: `${name}.example.com`,
        rules: rules.map((rule) => ({ apiGroups: [""], apiVersions: ["v1"], ...rule })),
        clientConfig: { url: `https://localhost:${port}/${name}`, caBundle: Buffer.from(certPem).toString("base64") },
        admissionReviewVersions: ["v1"],
        sideEffects: "None",
        ...rest,
      };
    },
    calls: (name: string) => asked.filter(({ path }) => path === name).map(({ request }) => request),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

export const answer = (response: ServerResponse, body: unknown): void =>
  void response.setHeader("content-type", "application/json").end(JSON.stringify(body));

export function reviewOf(uid: string, { allowed = true, patch, ...rest }: Reply): object {
  const encoded = patch && {
    patch: Buffer.from(JSON.stringify(patch)).toString("base64"),
    patchType: "JSONPatch",
  };
  return {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    response: { uid, allowed, ...encoded, ...rest },
  };
}
