import assert from "node:assert/strict";
import { test } from "node:test";
import type { AnyKind } from "../registry.ts";
import { cells, changed, changeFaults, faults, made } from "../testing.ts";
import { ClusterRole } from "./roles.ts";
import { ClusterRoleBinding } from "./bindings.ts";
import { Role } from "./roles.ts";
import { RoleBinding } from "./bindings.ts";

const role = { rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }] };
const binding = {
  roleRef: { kind: "ClusterRole", name: "view" },
  subjects: [
    { kind: "User", name: "ann" },
    { kind: "ServiceAccount", name: "bot", namespace: "default" },
  ],
};

test("good roles and bindings pass, and the group of subjects is filled in", () => {
  for (const kind of [Role, ClusterRole]) assert.deepEqual(faults(kind, role), []);
  for (const kind of [RoleBinding, ClusterRoleBinding]) assert.deepEqual(faults(kind, binding), []);
  const { roleRef, subjects } = made<RoleBinding>(RoleBinding, binding);
  const group = "rbac.authorization.k8s.io";
  assert.deepEqual([roleRef.apiGroup, subjects?.[0]?.apiGroup, subjects?.[1]?.apiGroup], [group, group, undefined]);
});

test("each fault is named by its path", () => {
  const urls = [{ nonResourceURLs: ["/healthz"], verbs: ["get"] }];
  const table: [AnyKind, object, string, unknown, string][] = [
    [Role, role, "rules.0.verbs", [], "rules[0].verbs"],
    [Role, role, "rules.0.apiGroups", [], "rules[0].apiGroups"],
    [Role, role, "rules.0.resources", [], "rules[0].resources"],
    [Role, role, "rules", urls, "rules[0].nonResourceURLs"],
    [ClusterRole, role, "rules.0.nonResourceURLs", ["/"], "rules[0].nonResourceURLs"],
    [ClusterRole, role, "aggregationRule", {}, "aggregationRule.clusterRoleSelectors"],
    [RoleBinding, binding, "roleRef.kind", "Pod", "roleRef.kind"],
    [RoleBinding, binding, "roleRef.name", "", "roleRef.name"],
    [RoleBinding, binding, "roleRef.apiGroup", "x", "roleRef.apiGroup"],
    [ClusterRoleBinding, binding, "roleRef.kind", "Role", "roleRef.kind"],
    [ClusterRoleBinding, binding, "subjects.1.namespace", "", "subjects[1].namespace"],
    [RoleBinding, binding, "subjects.0.kind", "Robot", "subjects[0].kind"],
    [RoleBinding, binding, "subjects.0.name", "", "subjects[0].name"],
  ];
  for (const [kind, base, at, value, field] of table) {
    assert.ok(faults(kind, changed(base, at, value)).includes(field), `${kind.kind} ${at}`);
  }
  assert.deepEqual(faults(ClusterRole, { rules: urls }), []);
});

test("a binding keeps its role", () => {
  const old = made(RoleBinding, binding);
  assert.match(changeFaults(RoleBinding, old, changed(old, "roleRef.name", "edit"))[0]!, /cannot change roleRef$/);
});

test("the table of bindings shows role and subjects", () => {
  const { Role: shown, Users, Groups, ServiceAccounts } = cells(RoleBinding, made(RoleBinding, binding));
  assert.deepEqual([shown, Users, Groups, ServiceAccounts], ["ClusterRole/view", "ann", "", "default/bot"]);
});
