// Admission webhooks over HTTPS, after the conformance tests of [sig-api-machinery] AdmissionWebhook, and webhooks that misbehave.
import { after, afterEach, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { answer, reviewOf, startApi, startWebhooks, type Ask, type Behaviour, type Json } from "./webhook-server.ts";

const registration = "/apis/admissionregistration.k8s.io/v1";
const configMaps = "/api/v1/namespaces/default/configmaps";
const pods = "/api/v1/namespaces/default/pods";
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

const allow: Behaviour = () => ({});
const deny: Behaviour = () => ({ allowed: false, status: { message: "not here" } });
const adds =
  (key: string, value: string): Behaviour =>
  ({ object }) => ({
    patch: object.data
      ? [{ op: "add", path: `/data/${key}`, value }]
      : [{ op: "add", path: "/data", value: { [key]: value } }],
  });

const onConfigMaps = { operations: ["CREATE", "UPDATE"], resources: ["configmaps"] };
const configMap = (name: string, data: object = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  data,
});
const pod = (name: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name },
  spec: { containers: [{ name: "c", image: "i" }] },
});
const crd = (versions: readonly object[] = [{ name: "v1", served: true, storage: true, schema: open }]) => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "boats.example.com" },
  spec: { group: "example.com", scope: "Namespaced", names: { plural: "boats", kind: "Boat" }, versions },
});
const schemaOf = (data: object) => ({ openAPIV3Schema: { type: "object", properties: { data } } });
const open = schemaOf({ type: "object", additionalProperties: { type: "string" } });
const boats = (version = "v1") => `/apis/example.com/${version}/namespaces/default/boats`;
const boat = (name: string, data: object, version = "v1") => ({
  apiVersion: `example.com/${version}`,
  kind: "Boat",
  metadata: { name },
  data,
});

describe("admission webhooks", () => {
  let api: Awaited<ReturnType<typeof startApi>>;
  let hooks: Awaited<ReturnType<typeof startWebhooks>>;
  let ask: Ask;

  before(async () => {
    [api, hooks] = await Promise.all([startApi(), startWebhooks()]);
    ({ ask } = api);
  });
  after(async () => {
    await api[Symbol.asyncDispose]();
    await hooks[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    for (const type of ["mutating", "validating"]) {
      assert.equal((await ask("DELETE", `${registration}/${type}webhookconfigurations`)).status, 200);
    }
    await ask("DELETE", configMaps);
    await ask("DELETE", `${pods}?gracePeriodSeconds=0`);
    await ask("DELETE", `${definitions}/boats.example.com`);
    hooks.asked.length = 0;
  });

  const configure = async (type: "Mutating" | "Validating", name: string, ...webhooks: object[]) => {
    const kind = `${type}WebhookConfiguration`;
    const body = { apiVersion: "admissionregistration.k8s.io/v1", kind, metadata: { name }, webhooks };
    const { status, body: made } = await ask("POST", `${registration}/${kind.toLowerCase()}s`, body);
    assert.equal(status, 201, JSON.stringify(made));
  };
  const { webhook } = { webhook: (...args: Parameters<typeof hooks.webhook>) => hooks.webhook(...args) };
  const refused = async (promise: ReturnType<Ask>, status: number, message: RegExp | string) => {
    const { status: actual, body } = await promise;
    assert.equal(actual, status, JSON.stringify(body));
    if (typeof message === "string") assert.equal(body.message, message);
    else assert.match(body.message, message);
    return body;
  };
  const made = async (promise: ReturnType<Ask>): Promise<Json> => {
    const { status, body } = await promise;
    assert.ok(status < 300, JSON.stringify(body));
    return body;
  };

  test("should include webhook resources in discovery documents", async () => {
    const { resources } = await made(ask("GET", registration));
    const names = resources.map(({ name }: Json) => name);
    assert.ok(names.includes("mutatingwebhookconfigurations") && names.includes("validatingwebhookconfigurations"));
    const groups = await made(ask("GET", "/apis"));
    assert.ok(groups.groups.some(({ name }: Json) => name === "admissionregistration.k8s.io"));
  });

  test("should be able to deny pod and configmap creation", async () => {
    const rule = { operations: ["CREATE", "UPDATE"], resources: ["pods", "configmaps"] };
    const denies: Behaviour = ({ object, operation }) => {
      if (operation === "UPDATE" ? object.data?.bad : true) {
        return {
          allowed: false,
          status: { code: 403, reason: "Forbidden", message: "the data contains unwanted key" },
        };
      }
      return {};
    };
    await configure("Validating", "deny", webhook("deny", [rule], denies, { namespaceSelector: notExempt }));
    const text = 'admission webhook "deny.example.com" denied the request: the data contains unwanted key';
    await refused(ask("POST", pods, pod("no")), 403, text);
    await refused(ask("POST", configMaps, configMap("no")), 403, text);
    await made(ask("POST", "/api/v1/namespaces", { metadata: { name: "free", labels: { exempt: "yes" } } }));
    await made(ask("POST", "/api/v1/namespaces/free/configmaps", configMap("yes")));
    const merge = "application/merge-patch+json";
    await made(ask("PATCH", "/api/v1/namespaces/free", { metadata: { labels: { exempt: null } } }, merge));
    await refused(ask("PATCH", "/api/v1/namespaces/free/configmaps/yes", { data: { bad: "x" } }, merge), 403, text);
    const apply = { ...configMap("yes"), data: { bad: "y" } };
    const applied = "/api/v1/namespaces/free/configmaps/yes?fieldManager=t&force=true";
    await refused(ask("PATCH", applied, apply, "application/apply-patch+yaml"), 403, text);
    assert.equal((await ask("GET", "/api/v1/namespaces/free/configmaps/yes")).body.data?.bad, undefined);
  });
  const notExempt = { matchExpressions: [{ key: "exempt", operator: "NotIn", values: ["yes"] }] };

  test("a denial carries the webhook's code, reason and details, or 400 and no reason", async () => {
    const replies: Json = {
      plain: { allowed: false },
      reason: { allowed: false, status: { reason: "Teapot" } },
      ok: { allowed: false, status: { code: 200, status: "Success", message: "m" } },
      code: {
        allowed: false,
        status: { code: 418, message: "m", details: { causes: [{ field: "f", message: "c" }] } },
      },
    };
    const replying: Behaviour = ({ name }) => replies[name];
    await configure("Validating", "v", webhook("v", [onConfigMaps], replying));
    const denied = 'admission webhook "v.example.com" denied the request';
    const plain = await refused(ask("POST", configMaps, configMap("plain")), 400, `${denied} without explanation`);
    assert.equal(plain.reason, undefined);
    await refused(ask("POST", configMaps, configMap("reason")), 400, `${denied}: Teapot`);
    await refused(ask("POST", configMaps, configMap("ok")), 400, `${denied}: m`);
    const body = await refused(ask("POST", configMaps, configMap("code")), 418, `${denied}: m`);
    assert.equal(body.details.causes[0].field, "f");
    assert.equal(body.status, "Failure");
  });

  test("should be able to deny attaching pod", async () => {
    const rule = { operations: ["CONNECT"], resources: ["pods/attach", "pods/exec"] };
    await configure("Validating", "connect", webhook("connect", [rule], deny));
    await made(ask("POST", pods, pod("p")));
    const url = `${api.url}${pods}/p/attach?stdin=true&stdout=true&container=c`;
    await refused(
      ask("POST", url.slice(api.url.length)),
      400,
      'admission webhook "connect.example.com" denied the request: not here',
    );
    const [review] = hooks.calls("connect");
    assert.equal(review.operation, "CONNECT");
    assert.deepEqual(review.kind, { group: "", version: "v1", kind: "PodAttachOptions" });
    assert.deepEqual(review.object, {
      kind: "PodAttachOptions",
      apiVersion: "v1",
      stdin: true,
      stdout: true,
      container: "c",
    });
    assert.equal(review.subResource, "attach");
    assert.equal(review.options, null);
  });

  test("should be able to deny custom resource creation, update and deletion", async () => {
    await made(ask("POST", definitions, crd()));
    const rule = { apiGroups: ["example.com"], operations: ["CREATE", "UPDATE", "DELETE"], resources: ["boats"] };
    const denies: Behaviour = ({ object, oldObject }) =>
      (object ?? oldObject).data?.key === "unwanted" ? { allowed: false, status: { message: "unwanted" } } : {};
    await made(ask("POST", boats(), boat("kept", { key: "unwanted" })));
    await configure("Validating", "cr", webhook("cr", [rule], denies));
    const text = 'admission webhook "cr.example.com" denied the request: unwanted';
    await refused(ask("POST", boats(), boat("no", { key: "unwanted" })), 400, text);
    await made(ask("POST", boats(), boat("yes", { key: "fine" })));
    const merge = "application/merge-patch+json";
    await refused(ask("PATCH", `${boats()}/yes`, { data: { key: "unwanted" } }, merge), 400, text);
    await refused(ask("DELETE", `${boats()}/kept`), 400, text);
    assert.equal(hooks.calls("cr").at(-1).object, null);
    await made(ask("PATCH", `${boats()}/kept`, { data: { key: "fine" } }, merge));
    await made(ask("DELETE", `${boats()}/kept`));
    await made(ask("DELETE", boats()));
  });

  test("should unconditionally reject operations on fail closed webhook", async () => {
    const dead = { ...webhook("dead", [onConfigMaps], allow), clientConfig: { url: "https://127.0.0.1:1/x" } };
    await configure("Validating", "dead", dead);
    const message =
      'Internal error occurred: failed calling webhook "dead.example.com": failed to call webhook: ' +
      'Post "https://127.0.0.1:1/x?timeout=10s": dial tcp 127.0.0.1:1: connect: connection refused';
    const body = await refused(ask("POST", configMaps, configMap("no")), 500, message);
    assert.equal(body.reason, "InternalError");
    await ask("DELETE", `${registration}/validatingwebhookconfigurations/dead`);
    await configure("Validating", "ignored", { ...dead, failurePolicy: "Ignore" });
    await made(ask("POST", configMaps, configMap("yes")));
  });

  test("should mutate configmap", async () => {
    await configure("Mutating", "one", webhook("stage1", [onConfigMaps], adds("one", "yes")));
    const onlyAfter: Behaviour = (review, response) =>
      review.object.data.one ? adds("two", "yes")(review, response) : {};
    await configure("Mutating", "two", webhook("stage2", [onConfigMaps], onlyAfter));
    const { data } = await made(ask("POST", configMaps, configMap("m", { start: "yes" })));
    assert.deepEqual(data, { start: "yes", one: "yes", two: "yes" });
  });

  test("should mutate pod and apply defaults after mutation", async () => {
    const container = { name: "added", image: "webhook", ports: [{ containerPort: 80 }] };
    const patch = [
      { op: "add", path: "/spec/initContainers", value: [container] },
      { op: "add", path: "/spec/unknown", value: "dropped" },
    ];
    await configure(
      "Mutating",
      "pods",
      webhook("pods", [{ operations: ["CREATE"], resources: ["pods"] }], () => ({ patch })),
    );
    const { spec } = await made(ask("POST", pods, pod("p")));
    assert.equal(spec.initContainers[0].terminationMessagePolicy, "File");
    assert.equal(spec.initContainers[0].ports[0].protocol, "TCP");
    assert.equal(spec.unknown, undefined);
    // In-tree admission ran again: the container that was added has its token, too.
    assert.ok(spec.initContainers[0].volumeMounts.length > 0);
    assert.equal(spec.volumes.length, 1);
  });

  test("should not be able to mutate or prevent deletion of webhook configuration objects", async () => {
    const everything = [{ apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*/*"] }];
    const labels: Behaviour = () => ({ patch: [{ op: "add", path: "/metadata/labels", value: { touched: "yes" } }] });
    await configure("Validating", "a-deny", webhook("all", everything, deny));
    await configure("Mutating", "b-label", webhook("label", everything, labels));
    await configure("Validating", "dummy", webhook("dummy", [onConfigMaps], allow));
    await configure("Mutating", "dummy", webhook("dummy2", [onConfigMaps], allow));
    for (const plural of ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]) {
      const found = await made(ask("GET", `${registration}/${plural}/dummy`));
      assert.equal(found.metadata.labels, undefined);
      await made(ask("DELETE", `${registration}/${plural}/dummy`));
    }
    await refused(ask("POST", configMaps, configMap("no")), 400, /denied the request: not here/);
  });

  test("a webhook for everything whose server is down can still be taken away", async () => {
    const everything = [{ apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"] }];
    const dead = { ...webhook("all", everything, allow), clientConfig: { url: "https://127.0.0.1:1/x" } };
    await configure("Mutating", "all", dead);
    await configure("Validating", "all", dead);
    await refused(ask("POST", configMaps, configMap("no")), 500, /failed calling webhook/);
    await made(ask("DELETE", `${registration}/mutatingwebhookconfigurations/all`));
    await made(ask("DELETE", `${registration}/validatingwebhookconfigurations/all`));
    await made(ask("POST", configMaps, configMap("yes")));
  });

  test("should mutate custom resource", async () => {
    await made(ask("POST", definitions, crd()));
    const rule = { apiGroups: ["example.com"], operations: ["CREATE"], resources: ["boats"] };
    await configure(
      "Mutating",
      "cr",
      webhook("cr1", [rule], adds("one", "yes")),
      webhook("cr2", [rule], adds("two", "yes")),
    );
    const { data, metadata } = await made(ask("POST", boats(), boat("b", { start: "yes" })));
    assert.deepEqual(data, { start: "yes", one: "yes", two: "yes" });
    assert.equal(metadata.generation, 1);
  });

  test("should deny crd creation", async () => {
    const rule = {
      apiGroups: ["apiextensions.k8s.io"],
      operations: ["CREATE"],
      resources: ["customresourcedefinitions"],
    };
    await configure("Validating", "crd", webhook("crd", [rule], deny));
    await refused(ask("POST", definitions, crd()), 400, /denied the request/);
  });

  test("should mutate custom resource with different stored version", async () => {
    const version = (name: string, storage: boolean) => ({ name, served: true, storage, schema: open });
    await made(ask("POST", definitions, crd([version("v1", true), version("v2", false)])));
    const rule = {
      apiGroups: ["example.com"],
      apiVersions: ["v2"],
      operations: ["CREATE", "UPDATE"],
      resources: ["boats"],
    };
    await configure("Mutating", "cr", webhook("cr", [rule], adds("one", "yes")));
    const { data, apiVersion } = await made(ask("POST", boats(), boat("b", { start: "yes" })));
    assert.deepEqual([apiVersion, data], ["example.com/v1", { start: "yes", one: "yes" }]);
    const [review] = hooks.calls("cr");
    assert.equal(review.kind.version, "v2");
    assert.equal(review.requestKind.version, "v1");
    assert.equal(review.object.apiVersion, "example.com/v2");
    const definition = await made(ask("GET", `${definitions}/boats.example.com`));
    definition.spec.versions[0].storage = false;
    definition.spec.versions[1].storage = true;
    await made(ask("PUT", `${definitions}/boats.example.com`, definition));
    await made(ask("PATCH", `${boats()}/b`, { data: { start: "no" } }, "application/merge-patch+json"));
    assert.equal(hooks.calls("cr").at(-1).oldObject.apiVersion, "example.com/v2");
    // Exact: only the very version counts.
    await ask("DELETE", `${registration}/mutatingwebhookconfigurations/cr`);
    await configure("Mutating", "exact", webhook("exact", [rule], adds("two", "yes"), { matchPolicy: "Exact" }));
    assert.equal((await made(ask("POST", boats(), boat("c", { start: "yes" })))).data.two, undefined);
    assert.equal((await made(ask("POST", boats("v2"), boat("d", { start: "yes" }, "v2")))).data.two, "yes");
  });

  test("should mutate custom resource with pruning", async () => {
    const data = { type: "object", properties: { start: { type: "string" }, one: { type: "string" } } };
    await made(ask("POST", definitions, crd([{ name: "v1", served: true, storage: true, schema: schemaOf(data) }])));
    const rule = { apiGroups: ["example.com"], operations: ["CREATE"], resources: ["boats"] };
    await configure(
      "Mutating",
      "cr",
      webhook("cr1", [rule], adds("one", "yes")),
      webhook("cr2", [rule], adds("two", "yes")),
    );
    const created = await made(ask("POST", boats(), boat("b", { start: "yes" })));
    assert.deepEqual(created.data, { start: "yes", one: "yes" });
  });

  test("should honor timeout", async () => {
    const hangs: Behaviour = () => undefined;
    await configure("Validating", "slow", webhook("slow", [onConfigMaps], hangs, { timeoutSeconds: 1 }));
    await refused(
      ask("POST", configMaps, configMap("no")),
      500,
      `Internal error occurred: failed calling webhook "slow.example.com": failed to call webhook: ` +
        `Post "${hooks.url}/slow?timeout=1s": context deadline exceeded`,
    );
    await ask("DELETE", `${registration}/validatingwebhookconfigurations/slow`);
    const open = { timeoutSeconds: 1, failurePolicy: "Ignore" };
    await configure("Validating", "slow", webhook("slow", [onConfigMaps], hangs, open));
    await made(ask("POST", configMaps, configMap("yes")));
    await ask("DELETE", `${registration}/validatingwebhookconfigurations/slow`);
    const thinks: Behaviour = ({ uid }, response) => void setTimeout(() => answer(response, reviewOf(uid, {})), 100);
    await configure("Validating", "slow", webhook("slow", [onConfigMaps], thinks));
    await made(ask("POST", configMaps, configMap("late")));
  });

  for (const type of ["Mutating", "Validating"] as const) {
    const collection = `${registration}/${type.toLowerCase()}webhookconfigurations`;
    const behaviour = type === "Mutating" ? adds("one", "yes") : deny;
    const works = async (name: string) => {
      const { status, body } = await ask("POST", configMaps, configMap(name));
      return type === "Mutating" ? body.data?.one === "yes" : status === 400;
    };

    test(`patching/updating a ${type.toLowerCase()} webhook should work`, async () => {
      await configure(type, "w", webhook("w", [onConfigMaps], behaviour));
      assert.ok(await works("a"));
      const found = await made(ask("GET", `${collection}/w`));
      found.webhooks[0].rules[0].operations = ["DELETE"];
      await made(ask("PUT", `${collection}/w`, found));
      assert.ok(!(await works("b")));
      const patch = [{ op: "replace", path: "/webhooks/0/rules/0/operations", value: ["CREATE"] }];
      await made(ask("PATCH", `${collection}/w`, patch, "application/json-patch+json"));
      assert.ok(await works("c"));
    });

    test(`listing ${type.toLowerCase()} webhooks should work`, async () => {
      for (let i = 0; i < 5; i++) await configure(type, `w${i}`, webhook(`w${i}`, [onConfigMaps], behaviour));
      assert.equal((await made(ask("GET", collection))).items.length, 5);
      assert.ok(await works("a"));
      await made(ask("DELETE", collection));
      assert.ok(!(await works("b")));
    });

    test(`should be able to create and update ${type.toLowerCase()} webhook configurations with match conditions`, async () => {
      const conditions = (expression: string) => ({ matchConditions: [{ name: "c", expression }] });
      await configure(type, "w", webhook("w", [onConfigMaps], behaviour, conditions("object.metadata.name == 'a'")));
      assert.ok(await works("a"));
      assert.ok(!(await works("b")));
      const found = await made(ask("GET", `${collection}/w`));
      found.webhooks[0].matchConditions = [
        { name: "c", expression: "authorizer.group('').resource('configmaps').check('get').allowed()" },
        { name: "d", expression: "object.metadata.nothing == 'x'" },
      ];
      await made(ask("PUT", `${collection}/w`, found));
      const text = /configmaps "e" is forbidden: expression .* resulted in error: no such key: nothing/;
      await refused(ask("POST", configMaps, configMap("e")), 403, text);
      found.webhooks[0].failurePolicy = "Ignore";
      await made(ask("PATCH", `${collection}/w`, { webhooks: found.webhooks }, "application/merge-patch+json"));
      assert.ok(!(await works("f")));
    });

    test(`should reject ${type.toLowerCase()} webhook configurations with invalid match conditions`, async () => {
      const matchConditions = [{ name: "bad", expression: "... [] bad expression" }];
      const kind = `${type}WebhookConfiguration`;
      const webhooks = [webhook("w", [onConfigMaps], behaviour, { matchConditions })];
      const body = { apiVersion: "admissionregistration.k8s.io/v1", kind, metadata: { name: "w" }, webhooks };
      const text = /webhooks\[0\]\.matchConditions\[0\]\.expression: Invalid value: .*compilation failed/s;
      await refused(ask("POST", collection, body), 422, text);
    });
  }

  test("should mutate everything except 'skip-me' configmaps", async () => {
    const skip = { matchConditions: [{ name: "skip-me", expression: "object.metadata.name != 'skip-me'" }] };
    await configure("Mutating", "w", webhook("w", [onConfigMaps], adds("one", "yes"), skip));
    assert.equal((await made(ask("POST", configMaps, configMap("me")))).data.one, "yes");
    assert.equal((await made(ask("POST", configMaps, configMap("skip-me", { a: "b" })))).data.one, undefined);
  });

  test("a review tells everything about the request", async () => {
    const rule = { operations: ["*"], resources: ["configmaps", "namespaces"] };
    await configure("Mutating", "m", webhook("m", [rule], allow));
    await configure("Validating", "v", webhook("v", [rule], allow));
    await made(ask("POST", `${configMaps}?fieldManager=me`, { ...configMap(""), metadata: { generateName: "g-" } }));
    const [mutating] = hooks.calls("m");
    const [validating] = hooks.calls("v");
    assert.equal(mutating.name, undefined);
    assert.deepEqual(mutating.object.metadata, { generateName: "g-", namespace: "default" });
    assert.match(validating.name, /^g-.{5}$/);
    assert.equal(validating.object.metadata.name, validating.name);
    assert.ok(validating.object.metadata.uid);
    const { uid, object, name, ...rest } = validating;
    assert.ok(uid && object && name);
    const resource = { group: "", version: "v1", resource: "configmaps" };
    assert.deepEqual(rest, {
      kind: { group: "", version: "v1", kind: "ConfigMap" },
      resource,
      requestKind: { group: "", version: "v1", kind: "ConfigMap" },
      requestResource: resource,
      namespace: "default",
      operation: "CREATE",
      userInfo: { ...rest.userInfo, username: "kubernetes-admin", groups: ["system:masters", "system:authenticated"] },
      oldObject: null,
      dryRun: false,
      options: { kind: "CreateOptions", apiVersion: "meta.k8s.io/v1", fieldManager: "me" },
    });
    await made(ask("DELETE", `${configMaps}/${name}`, { kind: "DeleteOptions", apiVersion: "v1", dryRun: ["All"] }));
    const deletion = hooks.calls("v").at(-1);
    assert.deepEqual([deletion.object, deletion.dryRun, deletion.options.kind], [null, true, "DeleteOptions"]);
    assert.equal(deletion.oldObject.metadata.name, name);
    await made(ask("POST", "/api/v1/namespaces", { metadata: { name: "own" } }));
    assert.equal(hooks.calls("v").at(-1).namespace, "own");
    assert.ok(hooks.asked.every(({ url }) => url.endsWith("?timeout=10s")));
  });

  test("subresources are shown as what clients send to them", async () => {
    const rule = {
      apiGroups: ["*"],
      apiVersions: ["*"],
      operations: ["*"],
      resources: ["pods/*", "*/scale"],
    };
    const changes: Behaviour = ({ kind }) =>
      kind.kind === "Scale" ? { patch: [{ op: "replace", path: "/spec/replicas", value: 3 }] } : {};
    await configure("Mutating", "m", webhook("m", [rule], changes));
    await configure("Validating", "v", webhook("v", [rule], allow));
    await made(ask("POST", pods, pod("p")));
    const target = { apiVersion: "v1", kind: "Node", name: "n" };
    await made(
      ask("POST", `${pods}/p/binding`, { apiVersion: "v1", kind: "Binding", metadata: { name: "p" }, target }),
    );
    await made(ask("PATCH", `${pods}/p/status`, { status: { message: "m" } }, "application/merge-patch+json"));
    await made(
      ask("POST", `${pods}/p/eviction`, { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "p" } }),
    );
    const selector = { matchLabels: { a: "b" } };
    const template = { metadata: { labels: { a: "b" } }, spec: pod("x").spec };
    const deployments = "/apis/apps/v1/namespaces/default/deployments";
    await made(ask("POST", deployments, { metadata: { name: "d" }, spec: { replicas: 1, selector, template } }));
    const scaled = await made(
      ask("PATCH", `${deployments}/d/scale`, { spec: { replicas: 2 } }, "application/merge-patch+json"),
    );
    assert.equal(scaled.spec.replicas, 3);
    const seen = hooks
      .calls("v")
      .map(({ subResource, kind, operation }) => `${operation} ${kind.kind} ${subResource ?? ""}`);
    assert.deepEqual(seen, [
      "CREATE Pod ",
      "CREATE Binding binding",
      "UPDATE Pod status",
      "CREATE Eviction eviction",
      "UPDATE Scale scale",
    ]);
    await made(ask("DELETE", `${deployments}/d`));
  });

  test("scope, selectors and the object before decide who is asked", async () => {
    const cluster = { operations: ["*"], resources: ["*"], scope: "Cluster" };
    const spaced = { operations: ["*"], resources: ["*"], scope: "Namespaced" };
    await configure(
      "Validating",
      "v",
      webhook("cluster", [cluster], allow),
      webhook("spaced", [spaced], allow),
      webhook("labelled", [spaced], allow, { objectSelector: { matchLabels: { a: "b" } } }),
      webhook("elsewhere", [spaced], allow, { namespaceSelector: { matchLabels: { a: "b" } } }),
    );
    await made(ask("POST", configMaps, { ...configMap("c"), metadata: { name: "c", labels: { a: "b" } } }));
    await made(ask("PATCH", `${configMaps}/c`, { metadata: { labels: null } }, "application/merge-patch+json"));
    await made(ask("PATCH", `${configMaps}/c`, { data: { x: "y" } }, "application/merge-patch+json"));
    const count = (name: string) => hooks.calls(name).length;
    assert.deepEqual(["cluster", "spaced", "labelled", "elsewhere"].map(count), [0, 3, 2, 0]);
  });

  test("warnings reach the client", async () => {
    await configure(
      "Mutating",
      "m",
      webhook("m", [onConfigMaps], () => ({ warnings: ["first"] })),
    );
    await configure(
      "Validating",
      "v",
      webhook("v", [onConfigMaps], () => ({ warnings: ["second", "first"] })),
    );
    const { warnings } = await ask("POST", configMaps, configMap("c"));
    assert.deepEqual(warnings.join(", "), '299 - "first", 299 - "second"');
    const long = { warnings: Array.from({ length: 20 }, (_, i) => String.fromCharCode(97 + i).repeat(1000)) };
    await configure(
      "Validating",
      "long",
      webhook("long", [onConfigMaps], () => long),
    );
    const all = (await ask("POST", configMaps, configMap("d"))).warnings.join("");
    assert.ok(all.length < 4200 && all.includes("m".repeat(256)) && !all.includes("m".repeat(257)));
  });

  test("a webhook that changes an object after another has seen it brings that one back, once", async () => {
    const counter = (): Behaviour => {
      let turn = 0;
      return ({ object }) => ({
        patch: [{ op: "add", path: "/data", value: { ...object.data, last: `${turn++} ${Math.random()}` } }],
      });
    };
    const again = { reinvocationPolicy: "IfNeeded" };
    await configure(
      "Mutating",
      "flip",
      webhook("flip", [onConfigMaps], counter(), again),
      webhook("once", [onConfigMaps], allow),
      webhook("flop", [onConfigMaps], counter(), again),
    );
    await made(ask("POST", configMaps, configMap("c", { a: "b" })));
    assert.deepEqual(
      hooks.asked.map(({ path }) => path),
      ["flip", "once", "flop", "flip", "flop"],
    );
  });

  const lies: Record<string, { behaviour: Behaviour; says: RegExp; type?: "Validating" }> = {
    "answers 500": {
      behaviour: (_, response) => void response.writeHead(500).end("broken"),
      says: /failed to call webhook: an error on the server \("broken"\) has prevented the request from succeeding/,
    },
    "answers 404": {
      behaviour: (_, response) => void response.writeHead(404).end(),
      says: /failed to call webhook: the server could not find the requested resource/,
    },
    redirects: {
      behaviour: (_, response) => void response.writeHead(307, { location: "/else" }).end(),
      says: /status code 307/,
    },
    "sends no JSON": { behaviour: (_, response) => void response.end("<html>"), says: /failed to call webhook/ },
    "sends an empty list": {
      behaviour: (_, response) => answer(response, []) as undefined,
      says: /webhook response was absent/,
    },
    "cuts the line": {
      behaviour: (_, response) => void response.socket!.destroy(),
      says: /failed to call webhook: Post /,
    },
    "sends a wrong uid": {
      behaviour: (_, response) => answer(response, reviewOf("x", {})) as undefined,
      says: /received invalid webhook response: expected response.uid="[-0-9a-f]{36}", got "x"/,
    },
    "sends a wrong kind": {
      behaviour: ({ uid }, response) => answer(response, { ...reviewOf(uid, {}), kind: "Pod" }) as undefined,
      says: /expected webhook response of admission.k8s.io\/v1, Kind=AdmissionReview, got admission.k8s.io\/v1, Kind=Pod/,
    },
    "sends a patch without a type": {
      behaviour: () => ({ patch: [], patchType: undefined }),
      says: /response.patch but not response.patchType/,
    },
    "sends a patch of an unknown type": {
      behaviour: () => ({ patch: [{ op: "test", path: "/kind", value: "x" }], patchType: "Merge" }),
      says: /unsupported patch type "Merge"/,
    },
    "sends a patch that does not apply": {
      behaviour: () => ({ patch: [{ op: "replace", path: "/none/there", value: 1 }] }),
      says: /Internal error occurred: .*\/none/,
    },
    "sends a patch that makes something else of it": {
      behaviour: () => ({ patch: [{ op: "replace", path: "/kind", value: "Secret" }] }),
      says: /Kind=Secret/,
    },
    "sends a patch of the wrong type of value": {
      behaviour: () => ({ patch: [{ op: "add", path: "/data", value: 7 }] }),
      says: /cannot unmarshal number/,
    },
    "validates with a patch": {
      type: "Validating",
      behaviour: () => ({ patch: [{ op: "add", path: "/data", value: {} }] }),
      says: /validating webhook may not return response.patch/,
    },
  };
  for (const [what, { behaviour, says, type = "Mutating" }] of Object.entries(lies)) {
    test(`a webhook that ${what} is an internal error, and the server answers on`, async () => {
      await configure(type, "liar", webhook("liar", [onConfigMaps], behaviour));
      await refused(ask("POST", configMaps, configMap("c")), 500, says);
      await ask("DELETE", `${registration}/${type.toLowerCase()}webhookconfigurations/liar`);
      await made(ask("POST", configMaps, configMap("c")));
    });
  }

  test("a webhook with another certificate is not asked", async () => {
    await configure("Validating", "v", {
      ...webhook("v", [onConfigMaps], allow),
      clientConfig: { url: `${hooks.url}/v` },
    });
    await refused(ask("POST", configMaps, configMap("c")), 500, /x509: certificate signed by unknown authority/);
    assert.equal(hooks.asked.length, 0);
  });

  test("what a webhook changes is validated like anything else", async () => {
    await made(ask("POST", configMaps, { ...configMap("fixed"), immutable: true }));
    const patches: Json = {
      rename: [{ op: "replace", path: "/metadata/name", value: "other" }],
      move: [{ op: "replace", path: "/metadata/namespace", value: "kube-system" }],
      uid: [{ op: "replace", path: "/metadata/uid", value: "x" }],
      data: [{ op: "add", path: "/data", value: { a: "b" } }],
    };
    let patch: object[] = [];
    const rule = { operations: ["UPDATE", "CREATE"], resources: ["configmaps"] };
    await configure(
      "Mutating",
      "m",
      webhook("m", [rule], () => ({ patch })),
    );
    const put = () =>
      ask("PATCH", `${configMaps}/fixed`, { metadata: { labels: { a: "b" } } }, "application/merge-patch+json");
    for (const [name, field] of [
      ["rename", "metadata.name"],
      ["uid", "metadata.uid"],
      ["data", "data"],
    ] as const) {
      patch = patches[name];
      await refused(put(), 422, new RegExp(`${field}: .*immutable`));
    }
    patch = patches.move;
    await refused(put(), 422, /metadata.namespace: /);
    await refused(
      ask("POST", configMaps, { ...configMap("c"), metadata: { name: "c", namespace: "default" } }),
      400,
      /namespace/,
    );
    patch = [{ op: "replace", path: "/metadata/name", value: "Bad_Name" }];
    await refused(ask("POST", configMaps, configMap("c")), 422, /metadata.name: Invalid value: "Bad_Name"/);
    patch = patches.rename;
    assert.equal((await made(ask("POST", configMaps, configMap("c")))).metadata.name, "other");
  });

  test("an object that changes while a webhook thinks is written on its newest version, or refused", async () => {
    await made(ask("POST", configMaps, configMap("c", { n: "0" })));
    let interfered = false;
    const interferes: Behaviour = (review, response) => {
      if (interfered) return {};
      interfered = true;
      const path = `${configMaps}/c`;
      void ask("PATCH", path, { data: { other: review.uid } }, "application/merge-patch+json").then(() =>
        answer(response, reviewOf(review.uid, {})),
      );
      return undefined;
    };
    await configure("Validating", "v", webhook("v", [onConfigMaps], interferes));
    const patched = await made(ask("PATCH", `${configMaps}/c`, { data: { n: "1" } }, "application/merge-patch+json"));
    assert.equal(patched.data.n, "1");
    assert.ok(patched.data.other);
    interfered = false;
    await refused(ask("PUT", `${configMaps}/c`, { ...patched, data: { n: "2" } }), 409, /object has been modified/);
  });

  test("nothing is created in a namespace that goes while a webhook thinks", async () => {
    await made(ask("POST", "/api/v1/namespaces", { metadata: { name: "going" } }));
    const removes: Behaviour = ({ uid }, response) => {
      void ask("DELETE", "/api/v1/namespaces/going").then(() => answer(response, reviewOf(uid, {})));
      return undefined;
    };
    await configure("Validating", "v", webhook("v", [onConfigMaps], removes));
    await refused(ask("POST", "/api/v1/namespaces/going/configmaps", configMap("c")), 403, /being terminated/);
  });

  test("quota stays exact while webhooks think", async () => {
    await made(ask("POST", "/api/v1/namespaces", { metadata: { name: "tight" } }));
    const quota = { metadata: { name: "q" }, spec: { hard: { "count/secrets": "3" } } };
    await made(ask("POST", "/api/v1/namespaces/tight/resourcequotas", quota));
    await configure("Mutating", "m", webhook("m", [{ operations: ["CREATE"], resources: ["secrets"] }], allow));
    const secret = (i: number) => ask("POST", "/api/v1/namespaces/tight/secrets", { metadata: { name: `s${i}` } });
    const results = await Promise.all(Array.from({ length: 12 }, (_, i) => secret(i)));
    assert.equal(results.filter(({ status }) => status === 201).length, 3);
  });

  test("components of the server are asked about like anybody, reviews too", async () => {
    const rules = [onConfigMaps, { apiGroups: ["authorization.k8s.io"], operations: ["CREATE"], resources: ["*"] }];
    await configure("Validating", "v", webhook("v", rules, deny));
    const { ConfigMap } = await import("../src/kinds/index.ts");
    const draft = { ...configMap("c"), metadata: { name: "c", namespace: "default" } };
    await assert.rejects(api.client.create(ConfigMap, draft as never), /denied the request/);
    assert.equal(hooks.calls("v")[0].userInfo.username, "system:test");
    const review = { spec: { resourceAttributes: { verb: "get", resource: "pods" } } };
    await refused(ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review), 400, /denied/);
  });

  test("calls are counted", async () => {
    await configure("Validating", "v", webhook("counted", [onConfigMaps], deny));
    await ask("POST", configMaps, configMap("c"));
    const { body } = await ask("GET", "/metrics");
    assert.match(
      body,
      /apiserver_admission_webhook_rejection_count\{name="counted.example.com",type="validating",operation="CREATE",error_type="no_error",rejection_code="400"\} 1/,
    );
    assert.match(
      body,
      /apiserver_admission_webhook_admission_duration_seconds_count\{name="counted.example.com",type="validating",operation="CREATE",rejected="true"\} 1/,
    );
  });
});
