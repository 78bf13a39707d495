import { test } from "node:test";
import assert from "node:assert/strict";
import { ClusterRole, Pod, Role, RoleBinding, SelfSubjectAccessReview } from "../../kinds/index.ts";
import { isReason } from "../../machinery/errors.ts";
import { asAdmin, asUser, testApi } from "../testing.ts";
import { ruleAllows, uncovered } from "./rules.ts";
import type { Attributes } from "../types.ts";

// oxlint-disable-next-line typescript/no-explicit-any
const draft = (object: object): any => structuredClone(object);
const jane = { name: "jane", groups: ["system:authenticated"] };
const attributes = (over: Partial<Attributes>): Attributes => ({
  user: jane,
  verb: "get",
  group: "",
  version: "v1",
  resource: "pods",
  subresource: "",
  namespace: "default",
  name: "a",
  ...over,
});

test("rules match verbs, groups, resources, subresources and names", () => {
  const rule = { verbs: ["get"], apiGroups: [""], resources: ["pods", "*/scale"], resourceNames: ["a"] };
  assert.ok(ruleAllows(rule, attributes({})));
  assert.ok(!ruleAllows(rule, attributes({ name: "b" })));
  assert.ok(!ruleAllows(rule, attributes({ subresource: "log" })));
  assert.ok(ruleAllows(rule, attributes({ resource: "deployments", subresource: "scale" })));
  assert.ok(!ruleAllows(rule, attributes({ group: "apps" })));
  assert.ok(ruleAllows({ verbs: ["get"], nonResourceURLs: ["/api/*"] }, attributes({ path: "/api/v1" })));
  assert.ok(!ruleAllows({ verbs: ["get"], nonResourceURLs: ["/api/*"] }, attributes({ path: "/apis" })));
});

test("what a rule grants is covered only by rules that grant at least as much", () => {
  const held = [{ verbs: ["*"], apiGroups: [""], resources: ["pods"] }];
  assert.deepEqual(uncovered(held, [{ verbs: ["get", "list"], apiGroups: [""], resources: ["pods"] }]), []);
  assert.equal(uncovered(held, [{ verbs: ["get"], apiGroups: ["", "apps"], resources: ["pods"] }]).length, 1);
  assert.equal(uncovered(held, [{ verbs: ["get"], apiGroups: [""], resources: ["pods/log"] }]).length, 1);
});

test("a user may do what a RoleBinding in the namespace allows, and nothing elsewhere", async () => {
  const { api } = await testApi();
  const refused = /User "jane" cannot list resource "pods" in API group "" in the namespace "default"/;
  const list = (namespace: string) => api.list(asUser(jane), Pod, { namespace });
  assert.throws(() => list("default"), refused);
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" };
  const binding = {
    metadata: { name: "b" },
    roleRef,
    subjects: [{ kind: "User", apiGroup: roleRef.apiGroup, name: "jane" }],
  };
  await api.create(asAdmin(), RoleBinding, "default", draft(binding), {});
  assert.deepEqual(list("default").entries, []);
  assert.throws(
    () => list("kube-system"),
    (e) => isReason(e, "Forbidden"),
  );
  await api.delete(asAdmin(), RoleBinding, { namespace: "default", name: "b" }, {});
  assert.throws(() => list("default"), refused);
});

test("nobody grants what they do not have", async () => {
  const { api } = await testApi();
  const granting = { verbs: ["create", "get"], apiGroups: ["rbac.authorization.k8s.io"], resources: ["roles"] };
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "granting" };
  await api.create(asAdmin(), Role, "default", draft({ metadata: { name: "granting" }, rules: [granting] }), {});
  const subjects = [{ kind: "User", apiGroup: roleRef.apiGroup, name: "jane" }];
  await api.create(asAdmin(), RoleBinding, "default", draft({ metadata: { name: "b" }, roleRef, subjects }), {});
  const role = (rules: object[]) => draft({ metadata: { generateName: "r" }, rules });
  await api.create(asUser(jane), Role, "default", role([granting]), {});
  const more = { verbs: ["get"], apiGroups: [""], resources: ["secrets"] };
  await assert.rejects(api.create(asUser(jane), Role, "default", role([more]), {}), /not currently held/);
});

test("aggregated roles follow the roles that they collect", async () => {
  const { api, store } = await testApi();
  const rule = { verbs: ["get"], apiGroups: ["example.com"], resources: ["widgets"] };
  const labels = { "rbac.authorization.k8s.io/aggregate-to-view": "true" };
  const before = store.revision;
  await api.create(asAdmin(), ClusterRole, "", draft({ metadata: { name: "widgets", labels }, rules: [rule] }), {});
  // view, then edit, then admin
  await store.waitFor(before + 4);
  const admin = api.get(asAdmin(), ClusterRole, { namespace: "", name: "admin" }).object as ClusterRole;
  assert.ok(admin.rules?.some((one) => one.apiGroups?.includes("example.com")));
});

test("a bootstrapped store needs no further writes", async () => {
  const { store, clock } = await testApi();
  const { bootstrap } = await import("./bootstrap.ts");
  const { revision } = store;
  await bootstrap({ store, clock, rootCaPem: "x", serviceCidr: "10.96.0.0/16" });
  const { planAggregation } = await import("./aggregation.ts");
  assert.deepEqual(planAggregation(store), []);
  assert.equal(store.revision, revision);
});

test("access reviews answer for the asking user", async () => {
  const { api } = await testApi();
  const review = (resource: string) =>
    draft({ spec: { resourceAttributes: { verb: "create", resource, namespace: "default" } } });
  const entry = await api.create(asUser(jane), SelfSubjectAccessReview, "", review("pods"), {});
  assert.equal((entry.object as SelfSubjectAccessReview).status?.allowed, false);
  const admin = await api.create(asAdmin(), SelfSubjectAccessReview, "", review("pods"), {});
  assert.equal((admin.object as SelfSubjectAccessReview).status?.allowed, true);
});
