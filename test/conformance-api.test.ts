// What the conformance suite asks of the API itself, asked of an API server of its own over HTTPS: no node, no webhook,
// no custom resource. Tests are named after the behaviours.
import assert from "node:assert/strict";
import { json, text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { allOperations, refusal, requestsOf, type Requests } from "./requests.ts";

describe("the API as conformance sees it", { timeout: 120_000 }, () => {
  let plane: ControlPlane;
  let { ask, patch, until, watch } = {} as Requests;

  before(async () => {
    plane = await startControlPlane({ historyEvents: 500 });
    ({ ask, patch, until, watch } = requestsOf(plane.admin));
  });
  after(async () => plane?.[Symbol.asyncDispose]());

  const names = (events: { type: string; object: any }[]) =>
    events.map(({ type, object }) => `${type} ${object.metadata.name}`);

  const space = "/api/v1/namespaces/default";
  const configMap = (name: string, labels: Record<string, string>, data: Record<string, string> = {}) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, labels },
    data,
  });

  test("watchers observe add, update and delete, restart from any version, and lose what stops matching", async () => {
    const maps = `${space}/configmaps`;
    const selector = "labelSelector=watch%3Done";
    const { metadata } = await ask("GET", maps);
    const either = `labelSelector=watch+in+(one,two)&resourceVersion=${metadata.resourceVersion}`;
    const live = watch(`${maps}?watch=1&${either}`, 6);
    const first = await ask("POST", maps, configMap("watched", { watch: "one" }));
    const changed = await patch(`${maps}/watched`, { data: { a: "1" } });
    await patch(`${maps}/watched`, { metadata: { labels: { watch: "two" } } });
    await patch(`${maps}/watched`, { data: { a: "2" } });
    await patch(`${maps}/watched`, { metadata: { labels: { watch: "one" } } });
    await ask("DELETE", `${maps}/watched`);
    assert.deepEqual(
      (await live).map(({ type }) => type),
      ["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED"],
    );
    const version = Number(first.metadata.resourceVersion);
    const all = await watch(`${maps}?watch=1&${selector}&resourceVersion=${version - 1}`, 5);
    const wanted = ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"].map((type) => `${type} watched`);
    assert.deepEqual(names(all), wanted);
    const later = await watch(`${maps}?watch=1&${selector}&resourceVersion=${changed.metadata.resourceVersion}`, 3);
    assert.deepEqual(names(later), wanted.slice(2));
  });

  test("concurrent watches receive events in the same order", async () => {
    const maps = `${space}/configmaps`;
    const { metadata } = await ask("GET", `${maps}?limit=1`);
    const watches = Array.from({ length: 8 }, () =>
      watch(`${maps}?watch=1&resourceVersion=${metadata.resourceVersion}`, 20),
    );
    await Promise.all(Array.from({ length: 20 }, (_, i) => ask("POST", maps, configMap(`order-${i}`, {}))));
    const [first, ...others] = await Promise.all(watches);
    for (const other of others) assert.deepEqual(names(other), names(first!));
    for (const [i, { object }] of first!.slice(0, -1).entries()) {
      const after = await watch(`${maps}?watch=1&resourceVersion=${object.metadata.resourceVersion}`, 19 - i);
      assert.deepEqual(names(after), names(first!.slice(i + 1)));
    }
  });

  const template = (name: string) => ({
    apiVersion: "v1",
    kind: "PodTemplate",
    metadata: { name },
    template: { spec: { containers: [{ name: "test", image: "test" }] } },
  });

  test("lists come in chunks, also when the first version has been compacted away", async () => {
    const templates = `${space}/podtemplates`;
    for (let i = 0; i < 40; i++) await ask("POST", templates, template(`template-${String(i).padStart(2, "0")}`));
    /** All names from a token on, page by page. Pages agree on their version and on how many there are. */
    const namesFrom = async (from: string): Promise<string[]> => {
      const seen: string[] = [];
      const versions = new Set<string>();
      const totals = new Set<number>();
      for (let token: string | undefined = from; token !== undefined;) {
        const page: any = await ask("GET", `${templates}?limit=17&continue=${encodeURIComponent(token)}`);
        assert.ok(page.items.length <= 17);
        seen.push(...page.items.map(({ metadata }: any) => metadata.name));
        versions.add(page.metadata.resourceVersion);
        totals.add(seen.length + (page.metadata.remainingItemCount ?? 0));
        token = page.metadata.continue;
      }
      assert.deepEqual([versions.size, [...totals]], [1, [seen.length]]);
      return seen;
    };
    const all = await namesFrom("");
    assert.equal(new Set(all).size, 40);
    assert.equal((await ask("GET", templates)).items.length, 40);

    const { metadata } = await ask("GET", `${templates}?limit=10`);
    for (let i = 0; plane.store.compactedRevision <= Number(metadata.resourceVersion); i++) {
      await patch(`${templates}/template-00`, { metadata: { labels: { i: String(i) } } });
    }
    const error = await refusal(ask("GET", `${templates}?limit=10&continue=${encodeURIComponent(metadata.continue)}`));
    assert.equal(error.status.reason, "Expired");
    const next = (error.status.metadata as { continue?: string }).continue;
    assert.ok(next);
    assert.deepEqual(await namesFrom(next), all.slice(10));
  });

  test("tables page too, and what has no metadata cannot be a table", async () => {
    const accept = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };
    const table = await ask("GET", `${space}/podtemplates?limit=2`, undefined, accept);
    assert.equal(table.kind, "Table");
    assert.equal(table.rows.length, 2);
    assert.ok(table.metadata.continue);
    const review = {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SelfSubjectAccessReview",
      spec: { resourceAttributes: { verb: "get", resource: "pods" } },
    };
    const error = await refusal(ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review, accept));
    assert.equal(error.code, 406);
  });

  test("discovery locates every group version, its preferred one and its resources", async () => {
    const { groups } = await ask("GET", "/apis");
    assert.ok(groups.length >= 18);
    for (const { name, versions, preferredVersion } of groups) {
      assert.ok(versions.some(({ version }: any) => version === preferredVersion.version));
      const group = await ask("GET", `/apis/${name}`);
      assert.deepEqual(group.preferredVersion, preferredVersion);
      for (const { groupVersion } of versions) {
        const { resources } = await ask("GET", `/apis/${groupVersion}`);
        assert.ok(resources.length > 0);
      }
    }
  });

  test("aggregated discovery answers to its Accept headers", async () => {
    const type = (version: string) => `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    for (const path of ["/api", "/apis"]) {
      const answer = await plane.admin.request("GET", path, { headers: { accept: `${type("v2")},application/json` } });
      assert.match(String(answer.headers["content-type"]), /as=APIGroupDiscoveryList/);
      const list = (await json(answer.body)) as any;
      assert.equal(list.kind, "APIGroupDiscoveryList");
      assert.equal(list.apiVersion, "apidiscovery.k8s.io/v2");
      const kinds = list.items.flatMap(({ versions }: any) => versions.flatMap(({ resources }: any) => resources));
      const known = path === "/api" ? "Pod" : "ValidatingWebhookConfiguration";
      assert.ok(kinds.some(({ responseKind }: any) => responseKind.kind === known));
      const plain = await ask("GET", path, undefined, { accept: "application/json" });
      assert.equal(plain.kind, path === "/api" ? "APIVersions" : "APIGroupList");
    }
  });

  test("strict field validation names unknown and duplicate fields of typed objects and their metadata", async () => {
    const post = (body: string) =>
      ask("POST", "/apis/apps/v1/namespaces/default/deployments?fieldValidation=Strict", body);
    const rest = `"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"a","image":"b"}]}}`;
    const head = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"`;
    const both = await refusal(post(`${head}},"spec":{"unknownField":"foo","replicas":2,"replicas":3,${rest}}}`));
    assert.match(
      both.message,
      /strict decoding error: unknown field "spec\.unknownField", duplicate field "spec\.replicas"/,
    );
    const meta = await refusal(post(`${head},"unknownMeta":"foo"},"spec":{${rest}}}`));
    assert.match(meta.message, /strict decoding error: unknown field "metadata\.unknownMeta"/);
  });

  test("namespaces take patches, updates, finalizers and status, and empty themselves when deleted", async () => {
    const path = "/api/v1/namespaces/conformance";
    await ask("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "conformance" } });
    assert.equal((await patch(path, { metadata: { labels: { a: "b" } } })).metadata.labels.a, "b");
    const read = await ask("GET", path);
    const updated = await ask("PUT", path, { ...read, metadata: { ...read.metadata, annotations: { c: "d" } } });
    assert.equal(updated.metadata.annotations.c, "d");
    const condition = { type: "StatusPatch", status: "True", reason: "Test", message: "set", lastTransitionTime: null };
    const patched = await patch(`${path}/status`, { status: { conditions: [condition] } });
    assert.equal(patched.status.conditions[0].type, "StatusPatch");
    const stated = { ...patched, status: { ...patched.status, conditions: [{ ...condition, type: "StatusUpdate" }] } };
    const { status } = await ask("PUT", `${path}/status`, stated);
    assert.deepEqual([status.phase, status.conditions[0].type], ["Active", "StatusUpdate"]);
    const finalizers = [...stated.spec.finalizers, "example.com/wait"];
    for (const set of [finalizers, finalizers.slice(0, 1), finalizers]) {
      const finalized = { ...(await ask("GET", path)), spec: { finalizers: set } };
      assert.deepEqual((await ask("PUT", `${path}/finalize`, finalized)).spec.finalizers, set);
    }

    const ports = [{ port: 80 }];
    await ask("POST", `${path}/services`, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "s" },
      spec: { ports },
    });
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec: template("t").template.spec };
    await until(`${path}/serviceaccounts/default`, (account) => account !== undefined);
    await ask("POST", `${path}/pods`, pod);
    await ask("DELETE", path);
    const leaving = await until(path, ({ spec }) => !spec.finalizers.includes("kubernetes"));
    assert.equal(leaving.status.phase, "Terminating");
    for (const plural of ["services", "pods"]) assert.equal((await ask("GET", `${path}/${plural}`)).items.length, 0);
    await ask("PUT", `${path}/finalize`, { ...leaving, spec: { finalizers: [] } });
    await until(path, (namespace) => namespace === undefined);
  });

  test("flow schemas and priority levels support all API operations", async () => {
    const group = "/apis/flowcontrol.apiserver.k8s.io/v1";
    const apiVersion = "flowcontrol.apiserver.k8s.io/v1";
    const rules = [
      {
        subjects: [{ kind: "User", user: { name: "u" } }],
        nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
      },
    ];
    const level = { priorityLevelConfiguration: { name: "global-default" }, matchingPrecedence: 10_000, rules };
    await allOperations(
      requestsOf(plane.admin),
      `${group}/flowschemas`,
      { apiVersion, kind: "FlowSchema", metadata: { name: "f" }, spec: level },
      true,
    );
    const limited = { type: "Limited", limited: { nominalConcurrencyShares: 2, limitResponse: { type: "Reject" } } };
    const priority = { apiVersion, kind: "PriorityLevelConfiguration", metadata: { name: "l" }, spec: limited };
    await allOperations(requestsOf(plane.admin), `${group}/prioritylevelconfigurations`, priority, true);
  });

  test("validating admission policies and their bindings support all API operations", async () => {
    const group = "/apis/admissionregistration.k8s.io/v1";
    const apiVersion = "admissionregistration.k8s.io/v1";
    const rule = { apiGroups: ["example.com"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["things"] };
    const policy = {
      apiVersion,
      kind: "ValidatingAdmissionPolicy",
      metadata: { name: "vap" },
      spec: { matchConstraints: { resourceRules: [rule] }, validations: [{ expression: "true" }] },
    };
    await allOperations(requestsOf(plane.admin), `${group}/validatingadmissionpolicies`, policy, true);
    const binding = {
      apiVersion,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name: "vapb" },
      spec: { policyName: "vap", validationActions: ["Deny"] },
    };
    await allOperations(requestsOf(plane.admin), `${group}/validatingadmissionpolicybindings`, binding, false);
  });

  test("events support all API operations in both of their groups, and are the same in both", async () => {
    const core = `${space}/events`;
    const grouped = "/apis/events.k8s.io/v1/namespaces/default/events";
    const old = {
      metadata: { name: "old" },
      involvedObject: { kind: "Pod", namespace: "default", name: "p" },
      reason: "Test",
      message: "an old event",
      type: "Normal",
      source: { component: "test" },
      firstTimestamp: "2026-01-01T00:00:00Z",
      lastTimestamp: "2026-01-01T00:00:00Z",
      count: 1,
    };
    const modern = {
      metadata: { name: "modern" },
      eventTime: "2026-01-01T00:00:00.000005Z",
      reportingController: "test",
      reportingInstance: "one",
      action: "Do",
      reason: "Test",
      regarding: { namespace: "default" },
      note: "a modern event",
      type: "Normal",
    };
    await allOperations(requestsOf(plane.admin), core, old, false);
    await allOperations(requestsOf(plane.admin), grouped, modern, false);

    await ask("POST", core, old);
    const fields = "fieldSelector=involvedObject.kind%3DPod%2Creason%3DTest";
    assert.equal((await ask("GET", `/api/v1/events?${fields}`)).items.length, 1);
    assert.equal((await patch(`${core}/old`, { message: "patched" })).message, "patched");
    const other = await ask("GET", `${grouped}/old`);
    assert.deepEqual([other.note, other.deprecatedCount], ["patched", 1]);
    const series = { count: 2, lastObservedTime: "2026-01-01T00:00:00.000005Z" };
    assert.deepEqual((await ask("PUT", `${grouped}/old`, { ...other, series })).series, series);
    await ask("POST", grouped, modern);
    assert.equal((await ask("GET", `${core}/modern`)).message, "a modern event");
    const everywhere = "/apis/events.k8s.io/v1/events?fieldSelector=reason%3DTest";
    assert.equal((await ask("GET", everywhere)).items.length, 2);
  });

  test("the server tells its version, its metrics and profiles of itself", async () => {
    const { major, minor } = await ask("GET", "/version");
    assert.deepEqual([major, minor], ["1", "36"]);
    const metrics = await text((await plane.admin.request("GET", "/metrics")).body);
    for (const line of [
      /^apiserver_request_duration_seconds_bucket\{verb="GET",.*le="\+Inf"\} \d+$/m,
      /^apiserver_current_inflight_requests\{request_kind="readOnly"\} 1$/m,
      /^apiserver_storage_objects\{resource="namespaces"\} \d+$/m,
      /^apiserver_longrunning_requests\{verb="WATCH"/m,
      /^workqueue_depth\{name="replicaset-controller"\} \d+$/m,
    ])
      assert.match(metrics, line);
    const profile = await ask("GET", "/debug/pprof/profile?seconds=0");
    assert.ok(profile.nodes.length > 0);
  });
});
