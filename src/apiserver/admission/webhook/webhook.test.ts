import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigMap, Pod, ValidatingWebhookConfiguration } from "../../../kinds/index.ts";
import type { RuleWithOperations } from "../../../kinds/generated/admissionregistration.v1.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { Transaction } from "../../core/core.ts";
import { asAdmin, testApi } from "../../testing.ts";
import type { AdmissionRequest } from "../chain.ts";
import { Hooks, ruleMatches, type Place } from "./hooks.ts";
import { denial, verdictOf } from "./review.ts";
import { selects } from "./selection.ts";

const podCreation: Place = {
  operation: "CREATE",
  group: "",
  version: "v1",
  plural: "pods",
  subresource: "",
  namespaced: true,
};
const rule = (change: Partial<RuleWithOperations>): RuleWithOperations => ({
  operations: ["*"],
  apiGroups: ["*"],
  apiVersions: ["*"],
  resources: ["pods"],
  ...change,
});

test("rules match by operation, group, version, resource with subresource, and scope", () => {
  const rows: [Partial<RuleWithOperations>, Partial<Place>, boolean][] = [
    [{}, {}, true],
    [{}, { subresource: "status" }, false],
    [{ resources: ["*"] }, {}, true],
    [{ resources: ["*"] }, { subresource: "status" }, false],
    [{ resources: ["*/*"] }, { subresource: "status" }, true],
    [{ resources: ["*/*"] }, {}, true],
    [{ resources: ["pods/*"] }, { subresource: "exec" }, true],
    [{ resources: ["pods/*"] }, {}, true],
    [{ resources: ["*/scale"] }, { plural: "deployments", subresource: "scale" }, true],
    [{ resources: ["*/scale"] }, { plural: "deployments" }, false],
    [{ resources: ["services", "pods"] }, {}, true],
    [{ operations: ["UPDATE", "DELETE"] }, {}, false],
    [{ operations: ["UPDATE", "CREATE"] }, {}, true],
    [{ apiGroups: ["apps"] }, {}, false],
    [{ apiGroups: [""] }, {}, true],
    [{ apiVersions: ["v2"] }, {}, false],
    [{ scope: "Cluster" }, {}, false],
    [{ scope: "Cluster", resources: ["*"] }, { plural: "namespaces", namespaced: false }, true],
    [{ scope: "Namespaced" }, {}, true],
  ];
  for (const [change, place, expected] of rows) {
    assert.equal(ruleMatches(rule(change), { ...podCreation, ...place }), expected, JSON.stringify([change, place]));
  }
});

const webhook = (name: string, rules: readonly RuleWithOperations[]) => ({
  name: `${name}.example.com`,
  rules,
  clientConfig: { url: "https://127.0.0.1:1" },
  admissionReviewVersions: ["v1"],
  sideEffects: "None",
});

function requestFor(object: object, change: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return {
    operation: "CREATE",
    kind: Pod,
    resource: "/pods",
    subresource: "",
    namespace: "default",
    name: "p",
    object: object as KubeObject,
    user: { name: "u", groups: [] },
    trusted: false,
    transaction: new Transaction(false),
    warnings: [],
    ...change,
  };
}

test("webhooks come by the names of their configurations, follow changes, and never concern what configures them", async () => {
  const { store, kinds, api } = await testApi();
  const hooks = new Hooks(store, kinds, "validatingwebhookconfigurations");
  const names = (change: Partial<AdmissionRequest> = {}) =>
    hooks.matching(requestFor({}, change)).map(({ hook }) => hook.webhook.name.split(".")[0]);
  const configure = (name: string, ...webhooks: object[]) => {
    const draft = { apiVersion: "admissionregistration.k8s.io/v1", kind: ValidatingWebhookConfiguration.kind };
    const body = { ...draft, metadata: { name }, webhooks } as unknown as KubeObject;
    return api.create(asAdmin(), ValidatingWebhookConfiguration, "", body, {});
  };
  assert.deepEqual(names(), []);
  await configure("b", webhook("second", [rule({})]), webhook("third", [rule({ resources: ["*/*"] })]));
  await configure(
    "a",
    webhook("first", [rule({ resources: ["*"] })]),
    webhook("other", [rule({ resources: ["nodes"] })]),
  );
  assert.deepEqual(names(), ["first", "second", "third"]);
  assert.deepEqual(names({ subresource: "status" }), ["third"]);
  assert.deepEqual(names({ kind: ConfigMap, resource: "/configmaps" }), ["first", "third"]);
  assert.deepEqual(names({ kind: ValidatingWebhookConfiguration }), []);
  await api.delete(asAdmin(), ValidatingWebhookConfiguration, { namespace: "", name: "b" }, {});
  assert.deepEqual(names(), ["first"]);
});

test("nobody is waited for when no webhook wants the request", async () => {
  const { api } = await testApi();
  const elsewhere = { namespaceSelector: { matchLabels: { a: "b" } } };
  const webhooks = [
    webhook("nodes", [rule({ resources: ["nodes"] })]),
    { ...webhook("elsewhere", [rule({ resources: ["*"] })]), ...elsewhere },
  ];
  const body = { apiVersion: "admissionregistration.k8s.io/v1", kind: "ValidatingWebhookConfiguration", webhooks };
  const draft = { ...body, metadata: { name: "a" } } as unknown as KubeObject;
  await api.create(asAdmin(), ValidatingWebhookConfiguration, "", draft, {});
  const config = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" } } as unknown as KubeObject;
  assert.ok(await api.create(asAdmin(), ConfigMap, "default", config, {}));
});

test("an object selector asks the object and the one before, and leaves out what has no labels to ask for", async () => {
  const { store } = await testApi();
  const selector = [{ key: "a", operator: "=", values: ["b"] }] as const;
  const absent = [{ key: "a", operator: "!", values: [] }] as const;
  const hook = (objectSelector: typeof selector | typeof absent) => ({
    configuration: "c",
    webhook: webhook("w", []) as never,
    namespaceSelector: undefined,
    objectSelector,
  });
  const labelled = { metadata: { name: "p", labels: { a: "b" } } } as unknown as KubeObject;
  const plain = { metadata: { name: "p" } } as unknown as KubeObject;
  const options = { kind: "PodExecOptions" } as unknown as KubeObject;
  const ask = (which: typeof selector | typeof absent, object?: KubeObject, old?: KubeObject) =>
    selects(hook(which), { object, old }, requestFor({}), store);
  assert.equal(ask(selector, labelled), true);
  assert.equal(ask(selector, plain), false);
  assert.equal(ask(selector, plain, labelled), true);
  assert.equal(ask(selector, undefined, labelled), true);
  assert.equal(ask(absent, plain), true);
  assert.equal(ask(absent, options), false);
});

test("an answer in v1beta1 need not repeat what was asked", () => {
  const verdict = verdictOf({ response: { allowed: true, patch: btoa("[]") } }, "uid", "v1beta1", "admit");
  assert.deepEqual([verdict.allowed, verdict.patch, verdict.patchType], [true, [], "JSONPatch"]);
});

test("denials never look like success", () => {
  const { status } = denial("w.example.com", { status: "Success", code: 200 });
  assert.deepEqual([status.status, status.code], ["Failure", 400]);
  assert.equal(status.message, 'admission webhook "w.example.com" denied the request without explanation');
});
