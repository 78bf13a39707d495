// The aggregation layer as users meet it: a sample extension API server in this process behind a Service, asked through the
// API server by kubectl and by hand. Named after [sig-api-machinery] Aggregator and AggregatedDiscovery.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, request as httpsRequest, type Server } from "node:https";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json, text } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import { ensurePki, type Pki } from "../src/apiserver/auth/pki.ts";
import { createTokenIssuer } from "../src/apiserver/auth/tokens.ts";
import { startApiServer, type ApiServer } from "../src/apiserver/http/server.ts";
import { testApi } from "../src/apiserver/testing.ts";
import { runNamespaceController } from "../src/controllers/namespace/index.ts";
import { findCommand } from "../src/host/packages.ts";
import { realClock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import { selfSigned } from "./certificates.ts";
import { eventually, oldKubectl } from "./harness.ts";

const kubectl = findCommand("kubectl") ?? (await oldKubectl());
const groupVersion = "wardle.example.com/v1alpha1";
const root = `/apis/${groupVersion}`;

interface Flunder {
  metadata: { name: string; namespace: string; resourceVersion?: string };
  [field: string]: unknown;
}

/** A small API of its own: flunders, kept in memory, watched line by line. */
function sampleServer(pair: { certPem: string; keyPem: string }, frontProxyCaPem: string) {
  const flunders = new Map<string, Flunder>();
  const watchers = new Set<ServerResponse>();
  const seen: IncomingMessage["headers"][] = [];
  let revision = 1;
  const shown = (flunder: Flunder) => ({ apiVersion: groupVersion, kind: "Flunder", ...flunder });
  const tell = (type: string, flunder: Flunder) => {
    for (const watcher of watchers) watcher.write(`${JSON.stringify({ type, object: shown(flunder) })}\n`);
  };
  const resourceList = {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion,
    resources: [
      {
        name: "flunders",
        singularName: "flunder",
        namespaced: true,
        kind: "Flunder",
        verbs: ["create", "delete", "deletecollection", "get", "list", "watch"],
        shortNames: ["fl"],
      },
      { name: "flunders/status", singularName: "", namespaced: true, kind: "Flunder", verbs: ["get", "update"] },
    ],
  };
  const gvk = { group: "wardle.example.com", version: "v1alpha1", kind: "Flunder" };
  const listOperation = { operationId: "listFlunder", "x-kubernetes-group-version-kind": gvk, responses: {} };
  const swagger = {
    swagger: "2.0",
    info: { title: "sample", version: "1" },
    paths: { [`${root}/namespaces/{namespace}/flunders`]: { get: listOperation }, "/apis/other/v1/x": { get: {} } },
    definitions: {
      "com.example.wardle.v1alpha1.Flunder": {
        type: "object",
        description: "A flunder of the sample.",
        "x-kubernetes-group-version-kind": [gvk],
        properties: { apiVersion: { type: "string" }, kind: { type: "string" }, size: { $ref: "#/definitions/Size" } },
      },
      Size: { type: "integer", description: "How large it is." },
      Unrelated: { type: "string" },
    },
  };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url!, "https://sample");
    const send = (status: number, body: unknown) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    if ((request.socket as TLSSocket).getPeerCertificate()?.subject?.CN !== "front-proxy-client") return send(401, {});
    seen.push(request.headers);
    if (url.pathname === root) return send(200, resourceList);
    if (url.pathname === "/openapi/v2") return send(200, swagger);
    const match = new RegExp(`^${root}/namespaces/([^/]+)/flunders(?:/(.+))?$`).exec(url.pathname);
    if (!match)
      return send(404, { kind: "Status", apiVersion: "v1", status: "Failure", reason: "NotFound", code: 404 });
    const [, namespace = "", name] = match;
    const key = `${namespace}/${name}`;
    if (request.method === "POST") {
      const flunder = (await json(request)) as Flunder;
      flunder.metadata = { ...flunder.metadata, namespace, resourceVersion: String(++revision) };
      flunders.set(`${namespace}/${flunder.metadata.name}`, flunder);
      tell("ADDED", flunder);
      return send(201, shown(flunder));
    }
    const flunder = flunders.get(key);
    if (name && !flunder) {
      const message = `flunders.wardle.example.com "${name}" not found`;
      return send(404, { kind: "Status", apiVersion: "v1", status: "Failure", message, reason: "NotFound", code: 404 });
    }
    if (request.method === "DELETE" && !name) {
      for (const one of flunders.keys()) if (one.startsWith(`${namespace}/`)) flunders.delete(one);
      return send(200, { kind: "Status", apiVersion: "v1", status: "Success" });
    }
    if (request.method === "DELETE") {
      flunders.delete(key);
      tell("DELETED", flunder!);
      return send(200, shown(flunder!));
    }
    if (name) return send(200, shown(flunder!));
    if (url.searchParams.has("watch")) {
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      watchers.add(response);
      response.on("close", () => watchers.delete(response));
      return;
    }
    const items = [...flunders.values()].filter(({ metadata }) => metadata.namespace === namespace).map(shown);
    send(200, {
      kind: "FlunderList",
      apiVersion: groupVersion,
      metadata: { resourceVersion: String(revision) },
      items,
    });
  };
  const options = { cert: pair.certPem, key: pair.keyPem, ca: frontProxyCaPem, requestCert: true };
  const server = createServer(options, (request, response) => void answer(request, response));
  server.on("upgrade", (request: IncomingMessage, socket) => {
    seen.push(request.headers);
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    socket.on("data", (data: Buffer) => socket.write(`echo ${data.toString("utf8")}`));
    socket.on("end", () => socket.end());
  });
  return { server, watchers, seen, flunders };
}

describe("[sig-api-machinery] Aggregator", () => {
  const dir = mkdtempSync(join(tmpdir(), "knarr-aggregation-"));
  const stop = new AbortController();
  let api: ApiServer;
  let pki: Pki;
  let sample: ReturnType<typeof sampleServer>;
  let servicePort = 0;
  let client: Awaited<ReturnType<typeof testApi>>["client"];
  let pair: Awaited<ReturnType<typeof selfSigned>>;

  const run = async (args: readonly string[], input?: string, status = 0) => {
    const child = spawn(kubectl, [`--kubeconfig=${join(dir, "kubeconfig")}`, `--cache-dir=${dir}/cache`, ...args], {
      timeout: 20_000,
    });
    child.stdin.end(input ?? "");
    const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    assert.equal(code, status, `kubectl ${args.join(" ")}\n${out}${error}`);
    return out + error;
  };
  const listen = async (port: number) => {
    sample = sampleServer(pair, pki.frontProxyCaPem);
    sample.server.listen(port, "127.0.0.1");
    await once(sample.server, "listening");
    return (sample.server.address() as AddressInfo).port;
  };
  const close = async (server: Server) => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  const ask = async (path: string, headers: Record<string, string> = {}, options: { method?: string } = {}) => {
    const sent = httpsRequest(`${api.url}${path}`, {
      ...options,
      headers,
      ca: pki.caPem,
      cert: pki.admin.certPem,
      key: pki.admin.keyPem,
    });
    sent.end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    return { sent, response };
  };
  const askJson = async (path: string, headers?: Record<string, string>) => {
    const { response } = await ask(path, headers);
    // oxlint-disable-next-line typescript/no-explicit-any
    return { status: response.statusCode, body: (await json(response)) as any };
  };
  const condition = async () => {
    const { body } = await askJson("/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.wardle.example.com");
    return body.status?.conditions?.[0] as { status: string; reason: string } | undefined;
  };
  const becomes = (reason: string) =>
    eventually(`the condition says ${reason}`, async () => (await condition())?.reason === reason);

  before(async () => {
    const server = await testApi();
    client = server.client;
    const { store, kinds } = server;
    pki = await ensurePki(join(dir, "pki"), { names: ["localhost"], addresses: ["127.0.0.1"], clock: realClock });
    const issuer = "https://kubernetes.default.svc.cluster.local";
    api = await startApiServer({
      api: server.api,
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
    await runNamespaceController({
      client,
      kinds,
      clock: realClock,
      log: silentLogger,
      signal: stop.signal,
      emptyElsewhere: (namespace) => api.aggregation.emptyNamespace(namespace),
    });
    const base64 = (pem: string) => Buffer.from(pem).toString("base64");
    const user = { "client-certificate-data": base64(pki.admin.certPem), "client-key-data": base64(pki.admin.keyPem) };
    const config = {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "k", cluster: { server: api.url, "certificate-authority-data": base64(pki.caPem) } }],
      users: [{ name: "k", user }],
      contexts: [{ name: "k", context: { cluster: "k", user: "k" } }],
      "current-context": "k",
    };
    writeFileSync(join(dir, "kubeconfig"), JSON.stringify(config), { mode: 0o600 });
    pair = await selfSigned("sample-api.default.svc");
    servicePort = await listen(0);
  });

  after(async () => {
    stop.abort();
    await api.close();
    await close(sample.server);
    rmSync(dir, { recursive: true });
  });

  test("built-in groups have local APIServices, which are available", async () => {
    const out = await eventually("they are there", async () => {
      const table = await run(["get", "apiservices"]);
      return table.includes("v2.autoscaling") && table;
    });
    assert.match(out, /^v1\. +Local +True/m);
    assert.match(out, /^v1\.apps +Local +True/m);
    assert.ok(!out.includes("apiregistration"), "the aggregator's own group is registered with nobody");
  });

  test("an APIService is available once its Service leads to a server that answers", async () => {
    const caBundle = Buffer.from(pair.certPem).toString("base64");
    await run(
      ["apply", "-f", "-"],
      `
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1alpha1.wardle.example.com}
spec:
  group: wardle.example.com
  version: v1alpha1
  groupPriorityMinimum: 2000
  versionPriority: 200
  caBundle: ${caBundle}
  service: {namespace: default, name: sample-api, port: ${servicePort}}
`,
    );
    await becomes("ServiceNotFound");
    const refused = await askJson(`${root}/namespaces/default/flunders`);
    assert.deepEqual([refused.status, refused.body.message], [503, "service unavailable"]);
    await run(["create", "service", "externalname", "sample-api", "--external-name=localhost"]);
    await becomes("Passed");
  });

  test("should support aggregated discovery interface", async () => {
    const { body } = await askJson("/apis", {
      accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    });
    const names = body.items.map((item: { metadata: { name: string } }) => item.metadata.name);
    assert.deepEqual(names.slice(0, 3), ["apiregistration.k8s.io", "apps", "events.k8s.io"]);
    assert.deepEqual(names.slice(-2), ["wardle.example.com", "metrics.k8s.io"]);
    const [version] = body.items.at(-2).versions;
    assert.equal(version.freshness, "Current");
    assert.deepEqual(version.resources, [
      {
        resource: "flunders",
        responseKind: { group: "wardle.example.com", version: "v1alpha1", kind: "Flunder" },
        scope: "Namespaced",
        singularResource: "flunder",
        verbs: ["create", "delete", "deletecollection", "get", "list", "watch"],
        shortNames: ["fl"],
        subresources: [
          {
            subresource: "status",
            responseKind: { group: "wardle.example.com", version: "v1alpha1", kind: "Flunder" },
            verbs: ["get", "update"],
          },
        ],
      },
    ]);
    const { body: list } = await askJson("/apis");
    assert.ok(list.groups.some(({ name }: { name: string }) => name === "wardle.example.com"));
    assert.equal((await askJson("/apis/wardle.example.com")).body.preferredVersion.groupVersion, groupVersion);
    assert.equal((await askJson(root)).body.resources[0].name, "flunders");
  });

  test("Should be able to support the 1.17 Sample API Server using the current Aggregator", async () => {
    const manifest = `apiVersion: ${groupVersion}\nkind: Flunder\nmetadata: {name: a}\nsize: 3\n`;
    await run(["create", "--validate=false", "-f", "-"], manifest);
    assert.match(await run(["get", "fl"]), /^a /m);
    assert.match(await run(["get", "flunder", "a", "-o", "jsonpath={.size}"]), /^3$/);
    assert.match(await run(["get", "flunder", "none"], "", 1), /flunders.wardle.example.com "none" not found/);
    assert.match(await run(["explain", "flunder"]), /A flunder of the sample/);
    await run(["delete", "flunder", "a", "--wait=false"]);
    assert.match(await run(["get", "flunders"]), /No resources found/);
  });

  test("the server learns who asks, and not how they proved it or what they claimed", async () => {
    sample.seen.length = 0;
    await askJson(`${root}/namespaces/default/flunders`, {
      "impersonate-user": "jäne",
      "impersonate-group": "system:masters",
      "impersonate-extra-scopes": "view",
      "x-remote-user": "root",
      "x-remote-group": "system:masters",
      "x-remote-extra-a": "b",
      "x-forwarded-for": "192.0.2.1",
    });
    const headers = sample.seen.at(-1)!;
    assert.equal(Buffer.from(headers["x-remote-user"] as string, "latin1").toString("utf8"), "jäne");
    assert.equal(headers["x-remote-group"], "system:masters, system:authenticated");
    assert.equal(headers["x-remote-extra-scopes"], "view");
    assert.equal(headers["x-remote-extra-a"], undefined);
    assert.equal(headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(headers["impersonate-user"], undefined);
    assert.equal(headers.authorization, undefined);
  });

  test("who has no right to the path is refused here", async () => {
    const { status, body } = await askJson(`${root}/namespaces/default/flunders`, { "impersonate-user": "jane" });
    assert.equal(status, 403);
    assert.match(body.message, /cannot list resource "flunders" in API group "wardle.example.com"/);
  });

  test("a watch streams, and its end reaches the server", async () => {
    const { sent, response } = await ask(`${root}/namespaces/default/flunders?watch=1`);
    assert.equal(response.statusCode, 200);
    const manifest = `apiVersion: ${groupVersion}\nkind: Flunder\nmetadata: {name: w}\n`;
    await run(["create", "--validate=false", "-f", "-"], manifest);
    const [chunk] = (await once(response, "data")) as [Buffer];
    assert.equal(JSON.parse(chunk.toString("utf8")).object.metadata.name, "w");
    assert.equal(sample.watchers.size, 1);
    sent.destroy();
    await eventually("the watch is over", () => sample.watchers.size === 0);
  });

  test("a connection is upgraded through the API server", async () => {
    const sent = httpsRequest(`${api.url}${root}/namespaces/default/flunders/w/exec`, {
      headers: { connection: "Upgrade", upgrade: "echo" },
      ca: pki.caPem,
      cert: pki.admin.certPem,
      key: pki.admin.keyPem,
    });
    sent.end();
    const [response, socket] = (await once(sent, "upgrade")) as [IncomingMessage, TLSSocket];
    assert.equal(response.statusCode, 101);
    assert.equal(sample.seen.at(-1)!["x-remote-user"], "kubernetes-admin");
    socket.write("hello");
    const [data] = (await once(socket, "data")) as [Buffer];
    assert.equal(data.toString("utf8"), "echo hello");
    socket.destroy();
  });

  test("OpenAPI documents hold the types of the other server", async () => {
    const { body } = await askJson("/openapi/v2");
    assert.ok(body.definitions["com.example.wardle.v1alpha1.Flunder"] && body.definitions.Size);
    assert.equal(body.definitions.Unrelated, undefined);
    assert.ok(body.paths[`${root}/namespaces/{namespace}/flunders`] && !body.paths["/apis/other/v1/x"]);
    const { body: index } = await askJson("/openapi/v3");
    const { body: v3 } = await askJson(index.paths[`apis/${groupVersion}`].serverRelativeURL);
    const { size } = v3.components.schemas["com.example.wardle.v1alpha1.Flunder"].properties;
    assert.equal(size.$ref, "#/components/schemas/Size");
  });

  test("a namespace goes with what other servers keep in it", async () => {
    await run(["create", "namespace", "doomed"]);
    const manifest = `apiVersion: ${groupVersion}\nkind: Flunder\nmetadata: {name: d, namespace: doomed}\n`;
    await run(["create", "--validate=false", "-f", "-"], manifest);
    assert.ok(sample.flunders.has("doomed/d"));
    await run(["delete", "namespace", "doomed", "--timeout=10s"]);
    assert.deepEqual([...sample.flunders.keys()], ["default/w"]);
  });

  test("a server that is gone makes the API unavailable until it is back; others are not affected", async () => {
    await close(sample.server);
    const refused = await askJson(`${root}/namespaces/default/flunders`);
    assert.equal(refused.status, 503);
    assert.equal(refused.body.reason, "ServiceUnavailable");
    await becomes("FailedDiscoveryCheck");
    const { body } = await askJson("/apis", {
      accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    });
    const [version] = body.items.at(-2).versions;
    assert.deepEqual([version.freshness, version.resources.length], ["Stale", 1]);
    await run(["create", "namespace", "held"]);
    await run(["delete", "namespace", "held", "--wait=false"]);
    const discoveryFailed = 'jsonpath={.status.conditions[?(@.type=="NamespaceDeletionDiscoveryFailure")].status}';
    await eventually("the namespace waits for the server", async () =>
      (await run(["get", "namespace", "held", "-o", discoveryFailed])).includes("True"),
    );
    await listen(servicePort);
    await becomes("Passed");
    await run(["wait", "--for=delete", "namespace/held", "--timeout=10s"]);
    assert.equal((await askJson(`${root}/namespaces/default/flunders`)).status, 200);
  });

  test("requests are counted under the resource of the other server, and its absence is told", async () => {
    const metrics = await text((await ask("/metrics")).response);
    assert.match(
      metrics,
      /^apiserver_request_total\{verb="LIST",group="wardle.example.com",.*resource="flunders".*\} \d/m,
    );
    assert.match(metrics, /^aggregator_unavailable_apiservice\{name="v1alpha1.wardle.example.com"\} 0/m);
  });

  test("without its APIService the API is gone", async () => {
    await run(["delete", "apiservice", "v1alpha1.wardle.example.com"]);
    await eventually("it is gone", async () => (await ask(root)).response.statusCode === 404);
  });
});
