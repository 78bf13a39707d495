// Nobody grants more than they have. Follows kubernetes v1.36 pkg/registry/rbac/{role,rolebinding}/policybased.
import type { PolicyRule, RoleBinding } from "../../kinds/generated/rbac.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { forbidden, notFound } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { uncovered } from "../rbac/rules.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionWorld } from "./chain.ts";

const group = "rbac.authorization.k8s.io";

type Role = KubeObject & { rules?: PolicyRule[]; aggregationRule?: object };

export const rbacEscalation: AdmissionPlugin = {
  name: "RBACEscalation",
  operations: ["CREATE", "UPDATE"],
  resources: ["roles", "clusterroles", "rolebindings", "clusterrolebindings"].map((plural) => `${group}/${plural}`),
  validate(request, world) {
    if (request.trusted || request.user.groups.includes("system:masters")) return;
    if (request.kind.plural.endsWith("bindings")) checkBinding(request, world);
    else checkRole(request, world);
  },
};

function may(
  { user, kind }: AdmissionRequest,
  world: AdmissionWorld,
  verb: string,
  resource: string,
  namespace: string,
  name: string,
) {
  const attributes = { user, verb, group, version: kind.version, resource, subresource: "", namespace, name };
  return world.authorizer.authorize(attributes).allowed;
}

function checkRole(request: AdmissionRequest, world: AdmissionWorld): void {
  const { kind, namespace, name } = request;
  const role = request.object as Role;
  const old = request.old as Role | undefined;
  if (old && deepEqual(role.rules, old.rules) && deepEqual(role.aggregationRule, old.aggregationRule)) return;
  if (may(request, world, "escalate", kind.plural, namespace, name)) return;
  const everything: PolicyRule[] = [
    { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
    { verbs: ["*"], nonResourceURLs: ["*"] },
  ];
  const aggregates = role.aggregationRule && !deepEqual(role.aggregationRule, old?.aggregationRule);
  checkCovered(request, world, aggregates ? everything : (role.rules ?? []));
}

function checkBinding(request: AdmissionRequest, world: AdmissionWorld): void {
  const binding = request.object as RoleBinding;
  const old = request.old as RoleBinding | undefined;
  if (old && deepEqual(binding.subjects, old.subjects) && deepEqual(binding.roleRef, old.roleRef)) return;
  const { kind, name } = binding.roleRef;
  const plural = kind === "ClusterRole" ? "clusterroles" : "roles";
  if (may(request, world, "bind", plural, request.namespace, name)) return;
  const rules = world.rbac.rulesOfRole(binding.roleRef, request.namespace);
  if (!rules) throw notFound({ group, resource: plural }, name);
  checkCovered(request, world, rules);
}

function checkCovered(request: AdmissionRequest, { rbac }: AdmissionWorld, wanted: readonly PolicyRule[]): void {
  const { user, kind, namespace, name } = request;
  const missing = uncovered(rbac.policyRulesFor(user, namespace), wanted);
  if (missing.length === 0) return;
  const groups = user.groups.map((one) => JSON.stringify(one)).join(" ");
  const why = `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${missing.map(formatRule).join("\n")}`;
  throw forbidden({ group, resource: kind.plural }, name, why);
}

function formatRule({ apiGroups, resources, resourceNames, nonResourceURLs, verbs }: PolicyRule): string {
  const list = (title: string, values?: readonly string[]) =>
    values?.length ? [`${title}:[${values.map((value) => JSON.stringify(value)).join(" ")}]`] : [];
  const parts = [
    ...list("APIGroups", apiGroups),
    ...list("Resources", resources),
    ...list("ResourceNames", resourceNames),
    ...list("NonResourceURLs", nonResourceURLs),
    ...list("Verbs", verbs),
  ];
  return `{${parts.join(", ")}}`;
}
