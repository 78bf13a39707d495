// Priority and fairness, time limits and the end of the server, through the router.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import type { FlowSchema } from "../../kinds/flowcontrol/flow-schema.ts";
import type { PriorityLevelConfiguration } from "../../kinds/flowcontrol/priority-level-configuration.ts";
import { bootstrapSchemas } from "../flowcontrol/bootstrap-objects.ts";
import { decideFlowObjects } from "../flowcontrol/keeper.ts";
import { upgraded, type BodySink } from "./exchange.ts";
import { RequestBody, sourceOf } from "./request-body.ts";
import { edgeRequest, testRouter } from "./testing.ts";

const api = "/apis/flowcontrol.apiserver.k8s.io/v1";

test("responses name the schema and level that the request fell under", async () => {
  const { ask } = await testRouter();
  const { headers } = await ask("GET", "/api/v1/namespaces");
  const uid = async (path: string) => (await ask("GET", `${api}/${path}`)).json().metadata.uid;
  assert.equal(headers["x-kubernetes-pf-flowschema-uid"], await uid("flowschemas/exempt"));
  assert.equal(headers["x-kubernetes-pf-prioritylevel-uid"], await uid("prioritylevelconfigurations/exempt"));
  const jane = { commonName: "jane", organizations: [] };
  const refused = await ask("GET", "/api/v1/pods", { peer: jane });
  assert.equal(refused.status, 403);
  assert.equal(refused.headers["x-kubernetes-pf-flowschema-uid"], await uid("flowschemas/global-default"));
});

test("a new FlowSchema counts from the next request on; the dumps show what runs", async () => {
  const { ask } = await testRouter();
  const jane = { peer: { commonName: "jane", organizations: [] } };
  const none = { nominalConcurrencyShares: 0, limitResponse: { type: "Reject" } };
  const create = async (path: string, body: object) =>
    assert.equal((await ask("POST", `${api}/${path}`, { body: JSON.stringify(body) })).status, 201);
  await create("prioritylevelconfigurations", {
    metadata: { name: "narrow" },
    spec: { type: "Limited", limited: { ...none, borrowingLimitPercent: 0 } },
  });
  await create("flowschemas", {
    metadata: { name: "jane" },
    spec: {
      matchingPrecedence: 3,
      priorityLevelConfiguration: { name: "narrow" },
      rules: [
        {
          subjects: [{ kind: "User", user: { name: "jane" } }],
          resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"], clusterScope: true, namespaces: ["*"] }],
        },
      ],
    },
  });
  await ask("POST", "/api/v1/namespaces", { ...jane, body: "{}" });
  const { text } = await ask("GET", "/debug/api_priority_and_fairness/dump_priority_levels");
  assert.match(text, /^narrow, 0, true, false, 0, 0, 1, 0, 0, 0$/m);
  const { text: requests } = await ask("GET", "/debug/api_priority_and_fairness/dump_requests?includeRequestDetails=1");
  assert.match(requests, /^exempt, exempt, .*, admin, get, /m);
});

test("a request ends when its time is up, and a strange time is refused", async () => {
  const { ask, router } = await testRouter();
  const body = new RequestBody(sourceOf(new Readable({ read() {} })), undefined);
  const slow = { ...edgeRequest("POST", "/api/v1/namespaces?timeout=20ms", {}), body };
  const outcome = await router(slow);
  assert.ok(outcome !== upgraded && outcome.status === 504);
  assert.equal(JSON.parse(String(outcome.body)).reason, "Timeout");
  assert.equal((await ask("GET", "/api/v1/namespaces?timeout=soon")).status, 400);
  assert.equal((await ask("GET", "/api/v1/namespaces?timeout=1m")).status, 200);
});

test("the end: watches end, nothing new is taken, and what runs is waited for", async () => {
  const { ask, router, lifecycle } = await testRouter();
  const watch = await router(edgeRequest("GET", "/api/v1/namespaces?watch=1", {}));
  assert.ok(watch !== upgraded && typeof watch.body === "function");
  const ended = Promise.withResolvers<void>();
  const sink: BodySink = {
    write: () => true,
    drained: () => Promise.resolve(),
    bufferedBytes: 0,
    end: ended.resolve,
    abort: () => ended.reject(new Error("broken off")),
    signal: new AbortController().signal,
  };
  await watch.body(sink);
  const readable = new Readable({ read() {} });
  const body = new RequestBody(sourceOf(readable), undefined);
  const running = router({ ...edgeRequest("POST", "/api/v1/namespaces", {}), body });
  await new Promise((resolve) => setImmediate(resolve));
  let over = false;
  const end = lifecycle.end(0, 60_000).then(() => (over = true));
  await ended.promise;
  const refused = await ask("GET", "/api/v1/namespaces");
  assert.deepEqual([refused.status, refused.headers["retry-after"]], [503, "5"]);
  assert.ok(!over);
  readable.push(JSON.stringify({ metadata: { name: "last" } }));
  readable.push(null);
  const outcome = await running;
  assert.ok(outcome !== upgraded && outcome.status === 201);
  await end;
});

test("built-in objects are restored unless they were taken over; a schema says when its level is missing", () => {
  const at = (object: object, generation: number, autoupdate?: string) =>
    ({
      ...object,
      metadata: {
        ...(object as FlowSchema).metadata,
        generation,
        annotations: autoupdate === undefined ? {} : { "apf.kubernetes.io/autoupdate-spec": autoupdate },
      },
    }) as unknown as FlowSchema;
  const changed = (name: string) => {
    const object = bootstrapSchemas.find(({ metadata }) => metadata.name === name)!;
    return { ...object, spec: { ...object.spec, matchingPrecedence: 77 } };
  };
  const rows = [
    [at(changed("exempt"), 2, "false"), true],
    [at(changed("probes"), 2, "true"), true],
    [at(changed("service-accounts"), 2, "false"), false],
    [at(changed("global-default"), 2), false],
    [at(changed("system-nodes"), 1), true],
  ] as const;
  const actions = decideFlowObjects(
    rows.map(([object]) => object),
    [] as PriorityLevelConfiguration[],
    0,
  );
  for (const [object, isRestored] of rows) {
    const found = actions.some(
      ({ type, object: { metadata } }) => type === "update" && metadata.name === object.metadata.name,
    );
    assert.equal(found, isRestored, object.metadata.name);
  }
  const status = actions.find(({ type }) => type === "status")!.object as FlowSchema;
  assert.deepEqual(
    [status.status?.conditions?.[0]?.type, status.status?.conditions?.[0]?.status],
    ["Dangling", "True"],
  );
  assert.ok(actions.some(({ type, object }) => type === "create" && object.metadata.name === "workload-low"));
});
