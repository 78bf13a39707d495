// The audit log over HTTPS: what of each request is told, to a file and to a webhook, and what never is.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createServer, request as httpsRequest, type Server } from "node:https";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json, text } from "node:stream/consumers";
import type { Auditor } from "../src/apiserver/audit/auditor.ts";
import { webhookSink } from "../src/apiserver/audit/webhook.ts";
import { configuredAudit } from "../src/apiserver/audit/configured.ts";
import { ensurePki, type Pki } from "../src/apiserver/auth/pki.ts";
import { createTokenIssuer } from "../src/apiserver/auth/tokens.ts";
import { startApiServer, type ApiServer } from "../src/apiserver/http/server.ts";
import { webhookConnection } from "../src/client/kubeconfig.ts";
import { testApi } from "../src/apiserver/testing.ts";
import { realClock, type Clock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import { selfSigned } from "./certificates.ts";
import { eventually } from "./harness.ts";

const policy = `
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- {level: None, nonResourceURLs: ["/readyz"]}
- {level: Metadata, resources: [{group: "", resources: [secrets]}], omitStages: [RequestReceived]}
- {level: RequestResponse, resources: [{group: "", resources: [configmaps]}], omitStages: [RequestReceived], omitManagedFields: true}
- {level: RequestResponse, resources: [{group: "", resources: [serviceaccounts/token]}], omitStages: [RequestReceived]}
- {level: Request, resources: [{group: "", resources: [namespaces]}], omitStages: [RequestReceived]}
- {level: Metadata}
`;

// oxlint-disable-next-line typescript/no-explicit-any
type Event = any;

describe("the audit log", () => {
  const dir = mkdtempSync(join(tmpdir(), "knarr-audit-"));
  const file = join(dir, "audit.log");
  const stop = new AbortController();
  const received: Event[] = [];
  /** How often the webhook says no from now on. */
  let refusals = 0;
  let api: ApiServer;
  let audit: Auditor;
  let pki: Pki;
  let webhook: Server;

  interface Asked {
    readonly method?: string;
    readonly headers?: Record<string, string>;
    readonly body?: unknown;
    readonly anonymous?: boolean;
  }
  const open = async (path: string, { method, headers = {}, body, anonymous }: Asked = {}) => {
    const sent = httpsRequest(`${api.url}${path}`, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ca: pki.caPem,
      ...(anonymous ? {} : { cert: pki.admin.certPem, key: pki.admin.keyPem }),
      agent: false,
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    return { sent, response };
  };
  const ask = async (path: string, asked?: Asked) => {
    const { response } = await open(path, asked);
    await text(response);
    return response;
  };
  const told = (): Event[] =>
    readFileSync(file, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  /** Events of the request, once the last of them is there. */
  const eventsOf = (id: string, stage = "ResponseComplete"): Promise<Event[]> =>
    eventually(`events of ${id}`, () => {
      const events = told().filter(({ auditID }) => auditID === id);
      return events.some((event) => event.stage === stage) && events;
    });
  const audited = async (path: string, asked?: Asked) =>
    eventsOf((await ask(path, asked)).headers["audit-id"] as string);

  before(async () => {
    const { store, kinds, api: core, client } = await testApi();
    pki = await ensurePki(join(dir, "pki"), { names: ["localhost"], addresses: ["127.0.0.1"], clock: realClock });
    const issuer = "https://kubernetes.default.svc.cluster.local";
    const pair = await selfSigned("localhost");
    webhook = createServer({ cert: pair.certPem, key: pair.keyPem }, (request, response) => {
      void json(request).then((list) => {
        if (refusals > 0) {
          refusals--;
          response.statusCode = 503;
        } else received.push(list);
        response.end();
      });
    });
    webhook.listen(0, "127.0.0.1");
    await once(webhook, "listening");
    const config = {
      clusters: [
        {
          name: "k",
          cluster: {
            server: `https://localhost:${(webhook.address() as AddressInfo).port}/audit`,
            "certificate-authority-data": Buffer.from(pair.certPem).toString("base64"),
          },
        },
      ],
      users: [{ name: "k", user: {} }],
      contexts: [{ name: "k", context: { cluster: "k", user: "k" } }],
      "current-context": "k",
    };
    writeFileSync(join(dir, "webhook"), JSON.stringify(config));
    writeFileSync(join(dir, "policy"), policy);
    const made = await configuredAudit({
      flags: { auditPolicyFile: join(dir, "policy"), auditLogPath: file, auditWebhookConfigFile: join(dir, "webhook") },
      authorizer: core.authorizer,
      clock: realClock,
      log: silentLogger,
    });
    audit = made!;
    api = await startApiServer({
      api: core,
      store,
      kinds,
      client,
      pki,
      tokens: createTokenIssuer({ keyPem: pki.serviceAccountKeyPem, issuer, store, clock: realClock }),
      audit,
      listen: { host: "127.0.0.1", port: 0 },
      nodes: () => undefined,
      clock: realClock,
      log: silentLogger,
      signal: stop.signal,
      version: "test",
    });
  });

  after(async () => {
    stop.abort();
    await api.close();
    webhook.closeAllConnections();
    webhook.close();
    rmSync(dir, { recursive: true });
  });

  test("Metadata tells who asked what of which object, and no content", async () => {
    const secret = { metadata: { name: "s" }, stringData: { password: "hunter2" } };
    const [event, ...rest] = await audited("/api/v1/namespaces/default/secrets", {
      body: secret,
      headers: { "audit-id": "my-own-id", "user-agent": "tester/1.0", "x-forwarded-for": "192.0.2.7" },
    });
    assert.deepEqual(rest, []);
    const { requestReceivedTimestamp, stageTimestamp, user, ...other } = event;
    assert.deepEqual([user.username, user.groups], ["kubernetes-admin", ["system:masters", "system:authenticated"]]);
    assert.match(`${requestReceivedTimestamp} ${stageTimestamp}`, /^(?:\S+T\S+\.\d{6}Z ?){2}$/);
    assert.deepEqual(other, {
      kind: "Event",
      apiVersion: "audit.k8s.io/v1",
      level: "Metadata",
      auditID: "my-own-id",
      stage: "ResponseComplete",
      requestURI: "/api/v1/namespaces/default/secrets",
      verb: "create",
      sourceIPs: ["192.0.2.7", "127.0.0.1"],
      userAgent: "tester/1.0",
      objectRef: { resource: "secrets", namespace: "default", name: "s", apiVersion: "v1" },
      responseStatus: { metadata: {}, code: 201 },
      annotations: { "authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": "" },
    });
    assert.ok(!readFileSync(file, "utf8").includes("hunter2"));
  });

  test("RequestResponse tells both objects, managed fields left out when the policy says so", async () => {
    const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" }, data: { a: "b" } };
    const [event] = await audited("/api/v1/namespaces/default/configmaps", { body });
    assert.deepEqual(event.requestObject, body);
    assert.deepEqual(event.responseObject.data, { a: "b" });
    assert.ok(event.responseObject.metadata.uid && !event.responseObject.metadata.managedFields);
    const protobuf = { accept: "application/vnd.kubernetes.protobuf" };
    const [list] = await audited("/api/v1/namespaces/default/configmaps", { headers: protobuf });
    assert.ok(
      list.responseObject.items.some((item: Event) => item.data?.a === "b"),
      "also in protobuf",
    );
    const merge = { "content-type": "application/merge-patch+json" };
    const patch = { body: { data: { a: "c" } }, method: "PATCH", headers: merge };
    const [patched] = await audited("/api/v1/namespaces/default/configmaps/c", patch);
    assert.deepEqual([patched.verb, patched.requestObject], ["patch", { data: { a: "c" } }]);
  });

  test("Request tells no answers", async () => {
    const [event] = await audited("/api/v1/namespaces", { body: { metadata: { name: "made" } } });
    assert.deepEqual([event.requestObject.metadata.name, event.responseObject], ["made", undefined]);
  });

  test("tokens are never told, whatever the policy says", async () => {
    await eventually("the account is there", async () => {
      const account = { body: { metadata: { name: "robot" } } };
      return [201, 409].includes((await ask("/api/v1/namespaces/default/serviceaccounts", account)).statusCode!);
    });
    const path = "/api/v1/namespaces/default/serviceaccounts/robot/token";
    const [event] = await audited(path, { body: { spec: {} } });
    assert.deepEqual([event.level, event.requestObject, event.responseObject], ["Metadata", undefined, undefined]);
  });

  test("refusals are told with their reason, as is whom the request acts as", async () => {
    const events = await audited("/api/v1/pods", { headers: { "impersonate-user": "jane" } });
    assert.deepEqual(
      events.map(({ stage }) => stage),
      ["RequestReceived", "ResponseComplete"],
    );
    const event = events[1];
    assert.equal(event.user.username, "kubernetes-admin");
    assert.equal(event.impersonatedUser.username, "jane");
    assert.equal(event.annotations["authorization.k8s.io/decision"], "forbid");
    const { code, reason, status, message } = event.responseStatus;
    assert.deepEqual([code, reason, status], [403, "Forbidden", "Failure"]);
    assert.match(message, /User "jane" cannot list resource "pods"/);
  });

  test("the binding that allows a request is its reason", async () => {
    const [, event] = await audited("/apis", { headers: { "impersonate-user": "jane" } });
    const reason =
      'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group "system:authenticated"';
    assert.equal(event.annotations["authorization.k8s.io/reason"], reason);
  });

  test("who fails to prove to be anybody is told once", async () => {
    const response = await ask("/api/v1/pods", { anonymous: true, headers: { authorization: "Bearer wrong" } });
    const events = await eventsOf(response.headers["audit-id"] as string, "ResponseStarted");
    assert.deepEqual([events.length, events[0].responseStatus.code, events[0].user], [1, 401, {}]);
    assert.equal(events[0].responseStatus.message, "Authentication failed, attempted: bearer");
    assert.ok(!readFileSync(file, "utf8").includes("wrong"));
  });

  test("a watch is told when it starts and when it ends", async () => {
    const { sent, response } = await open("/api/v1/pods?watch=1");
    const id = response.headers["audit-id"] as string;
    const started = await eventsOf(id, "ResponseStarted");
    assert.deepEqual(
      started.map(({ stage }) => stage),
      ["RequestReceived", "ResponseStarted"],
    );
    sent.destroy();
    const [event] = (await eventsOf(id)).slice(-1);
    assert.deepEqual([event.stage, event.verb, event.responseStatus.code], ["ResponseComplete", "watch", 200]);
  });

  test("what the policy leaves out is not told", async () => {
    assert.equal((await ask("/readyz")).headers["audit-id"], undefined);
    assert.ok(!told().some(({ requestURI }) => requestURI === "/readyz"));
  });

  test("losses and events are counted", async () => {
    const metrics = await text((await open("/metrics")).response);
    assert.match(metrics, /^apiserver_audit_event_total [1-9]/m);
    assert.match(metrics, /^apiserver_audit_level_total\{level="Metadata"\} [1-9]/m);
    assert.ok(!/^apiserver_audit_error_total\{/m.test(metrics));
  });

  test("a webhook that refuses is asked again, and what it never takes is counted as lost", async () => {
    const connection = await webhookConnection(join(dir, "webhook"));
    // Pauses pass at once.
    const hasty: Clock = { now: () => Date.now(), after: (_, callback) => (setImmediate(callback), () => {}) };
    let lost = 0;
    refusals = 2;
    const sink = () => webhookSink({ connection, clock: hasty, lost: (count) => (lost += count) });
    const first = sink();
    first.push('{"auditID":"refused twice"}');
    await eventually("it is taken", () => received.some(({ items }) => items[0].auditID === "refused twice"));
    await first.close();
    assert.equal(lost, 0);
    refusals = Infinity;
    const second = sink();
    second.push('{"auditID":"never taken"}');
    await eventually("it is given up", () => lost === 1);
    await second.close();
    refusals = 0;
  });

  test("at the end everything is delivered, to the webhook as well", async () => {
    await ask("/version", { headers: { "audit-id": "the-last" } });
    await audit.close();
    assert.ok(told().some(({ auditID }) => auditID === "the-last"));
    const list = received.at(-1);
    assert.deepEqual([list.kind, list.apiVersion], ["EventList", "audit.k8s.io/v1"]);
    assert.deepEqual(
      received.flatMap(({ items }) => items).filter(({ kind }) => kind === "Event"),
      told(),
    );
  });
});
