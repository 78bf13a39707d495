// The roles and bindings that every cluster starts with, made from their tables; and how those of a store catch up with them.
// Follows kubernetes v1.36 plugin/pkg/auth/authorizer/rbac/bootstrappolicy (the tables),
// pkg/registry/rbac/rest/storage_rbac.go and component-helpers/auth/rbac/reconciliation.
import type { ClusterRole, PolicyRule, RoleBinding, Subject } from "../../kinds/generated/rbac.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import type { KubeObject, NewObject } from "../../machinery/object.ts";
import policy from "./default-policy.json" with { type: "json" };
import { uncovered } from "./rules.ts";

const rbacGroup = "rbac.authorization.k8s.io";
const apiVersion = `${rbacGroup}/v1`;
const autoUpdate = "rbac.authorization.kubernetes.io/autoupdate";
const controllerPrefix = "system:controller:";

const verbAliases: Readonly<Record<string, readonly string[]>> = {
  read: ["get", "list", "watch"],
  write: ["create", "delete", "deletecollection", "patch", "update"],
};

/**
 * A rule in its table: verbs, groups, resources, and names in brackets, such as `get,list core pods services [name]`. `read` and
 * `write` stand for their verbs, `core` for the group "", `url` for paths that are no resources, `events` alone for the right
 * to tell events.
 */
function parseRule(line: string): PolicyRule {
  if (line === "events") return parseRule("create,patch,update core,events.k8s.io events");
  const bracket = line.indexOf(" [");
  const names = bracket < 0 ? [] : line.slice(bracket + 2, -1).split(" ");
  const [verbList = "", groups = "", ...resources] = (bracket < 0 ? line : line.slice(0, bracket)).split(" ");
  const verbs = verbList
    .split(",")
    .flatMap((verb) => verbAliases[verb] ?? [verb])
    .toSorted();
  if (groups === "url") return { nonResourceURLs: resources, verbs };
  return {
    apiGroups: groups.split(",").map((group) => (group === "core" ? "" : group)),
    ...(names.length > 0 ? { resourceNames: names } : {}),
    resources,
    verbs,
  };
}

const metadataOf = (name: string, labels: Readonly<Record<string, string>> = {}) => ({
  name,
  annotations: { [autoUpdate]: "true" },
  labels: { "kubernetes.io/bootstrapping": "rbac-defaults", ...labels },
});

/** `namespace/name` as metadata. */
function placed(place: string) {
  const slash = place.indexOf("/");
  return { ...metadataOf(place.slice(slash + 1)), namespace: place.slice(0, slash) };
}

const aggregation = (to: string) => ({ [`${rbacGroup}/aggregate-to-${to}`]: "true" });

/** Roles that collect the rules of others, each also those of the one before. */
const levels = ["view", "edit", "admin"];
const collectedBy = (level: string) => `system:aggregate-to-${level}`;

function clusterRole([name, rules]: [name: string, rules: readonly string[]]) {
  const level = levels.indexOf(name);
  const to = level < 0 ? levels.find((one) => name === collectedBy(one)) : levels[level + 1];
  return {
    apiVersion,
    kind: "ClusterRole",
    metadata: metadataOf(name, to ? aggregation(to) : {}),
    ...(level < 0 ? {} : { aggregationRule: { clusterRoleSelectors: [{ matchLabels: aggregation(name) }] } }),
    rules: rules.map(parseRule),
  };
}

/** `user:`, `group:` or `account:` (of kube-system) and a name. */
function parseSubject(text: string): Subject {
  const colon = text.indexOf(":");
  const name = text.slice(colon + 1);
  if (text.startsWith("account:")) return { kind: "ServiceAccount", name, namespace: "kube-system" };
  return { apiGroup: rbacGroup, kind: text.startsWith("user:") ? "User" : "Group", name };
}

const binding = (
  metadata: NewObject["metadata"],
  roleKind: "Role" | "ClusterRole",
  role: string,
  subjects: readonly string[],
) => ({
  apiVersion,
  kind: `${roleKind}Binding`,
  metadata,
  roleRef: { apiGroup: rbacGroup, kind: roleKind, name: role },
  ...(subjects.length > 0 ? { subjects: subjects.map(parseSubject) } : {}),
});

/** The default roles and their bindings; aggregated roles come with their rules. */
export function defaultRoles(): NewObject[] {
  const controllers = Object.entries(policy.controllerRoles);
  const roles = [
    ...Object.entries<string[]>(policy.clusterRoles),
    ...controllers.map(([name, rules]): [string, string[]] => [`${controllerPrefix}${name}`, rules]),
  ].map(clusterRole);
  for (const { metadata, rules } of roles) {
    const collected = levels.slice(0, levels.indexOf(metadata.name) + 1).map(collectedBy);
    rules.push(...collected.flatMap((name) => roles.find((role) => role.metadata.name === name)!.rules));
  }
  return [
    ...roles,
    ...[
      ...Object.entries<string[]>(policy.clusterBindings),
      ...controllers.map(([name]): [string, string[]] => [`${controllerPrefix}${name}`, [`account:${name}`]]),
    ].map(([name, subjects]) => binding(metadataOf(name), "ClusterRole", name, subjects)),
    ...Object.entries(policy.roles).map(([place, rules]) => ({
      apiVersion,
      kind: "Role",
      metadata: placed(place),
      rules: rules.map(parseRule),
    })),
    ...Object.entries(policy.bindings).map(([place, { role, subjects }]) =>
      binding(placed(place), "Role", role, subjects),
    ),
  ];
}

let rulesOfNodes: readonly PolicyRule[] | undefined;

/** What every node may ask for, apart from what the Node authorizer looks at more closely. */
export const nodeRules = (): readonly PolicyRule[] =>
  (rulesOfNodes ??= policy.clusterRoles["system:node"].map(parseRule));

type Stored = KubeObject &
  Partial<Pick<ClusterRole, "rules" | "aggregationRule"> & Pick<RoleBinding, "subjects" | "roleRef">>;

/**
 * The stored role or binding with what it lacks of the default: rules, subjects, labels. Undefined when it lacks nothing or
 * must not be touched; "replace" when it is bound to another role, which an update cannot change.
 */
export function reconciled(stored: Stored, wanted: NewObject): Stored | "replace" | undefined {
  const { metadata } = stored;
  if (metadata.annotations?.[autoUpdate] === "false") return undefined;
  const { rules, aggregationRule, subjects = [], roleRef } = wanted as Stored;
  if (roleRef && !deepEqual(roleRef, stored.roleRef)) return "replace";
  const missingRules =
    aggregationRule || deepEqual(rules, stored.rules) ? [] : uncovered(stored.rules ?? [], rules ?? []);
  const missingSubjects = subjects.filter((one) => !stored.subjects?.some((known) => deepEqual(known, one)));
  const lacks = (kind: "labels" | "annotations") =>
    Object.keys(wanted.metadata[kind]!).some((key) => metadata[kind]?.[key] === undefined);
  if (missingRules.length + missingSubjects.length === 0 && !lacks("labels") && !lacks("annotations")) return undefined;
  return {
    ...stored,
    metadata: {
      ...metadata,
      labels: { ...wanted.metadata.labels, ...metadata.labels },
      annotations: { ...wanted.metadata.annotations, ...metadata.annotations },
    },
    ...(missingRules.length > 0 ? { rules: [...(stored.rules ?? []), ...missingRules] } : {}),
    ...(missingSubjects.length > 0 ? { subjects: [...(stored.subjects ?? []), ...missingSubjects] } : {}),
  };
}
