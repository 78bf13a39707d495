// The roles and bindings that every cluster starts with, made from their tables; and how those of a store catch up with them.
// Follows kubernetes v1.36 pkg/registry/rbac/rest/storage_rbac.go and component-helpers/auth/rbac/reconciliation.
import type { ClusterRole, PolicyRule, RoleBinding, Subject } from "../../kinds/generated/rbac.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import type { KubeObject, NewObject } from "../../machinery/object.ts";
import {
  clusterBindingTable,
  clusterRoleTable,
  controllerRoleTable,
  namespacedBindingTable,
  namespacedRoleTable,
} from "./default-policy.ts";
import { uncovered } from "./rules.ts";

const rbacGroup = "rbac.authorization.k8s.io";
const apiVersion = `${rbacGroup}/v1`;
const autoUpdate = "rbac.authorization.kubernetes.io/autoupdate";
const controllerPrefix = "system:controller:";

const verbAliases: Readonly<Record<string, readonly string[]>> = {
  read: ["get", "list", "watch"],
  write: ["create", "delete", "deletecollection", "patch", "update"],
};

/** `get,list core pods services [name]`. */
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

interface Row {
  /** The line that is not indented, at its spaces. */
  readonly head: readonly string[];
  readonly rules: PolicyRule[];
}

function parseTable(table: string): Row[] {
  const rows: Row[] = [];
  for (const line of table.split("\n")) {
    if (line.startsWith("  ")) rows.at(-1)!.rules.push(parseRule(line.slice(2)));
    else if (line) rows.push({ head: line.split(" "), rules: [] });
  }
  return rows;
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

function clusterRole({ head, rules }: Row) {
  const [name = "", ...options] = head;
  const option = (key: string) => options.find((one) => one.startsWith(`${key}=`))?.slice(key.length + 1);
  const [collects, to] = [option("collects"), option("to")];
  return {
    apiVersion,
    kind: "ClusterRole",
    metadata: metadataOf(name, to ? aggregation(to) : {}),
    ...(collects ? { aggregationRule: { clusterRoleSelectors: [{ matchLabels: aggregation(collects) }] } } : {}),
    rules,
  };
}

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
  const controllers = parseTable(controllerRoleTable).map(({ head, rules }) => ({
    head: [`${controllerPrefix}${head[0]}`],
    rules,
  }));
  const roles = [...parseTable(clusterRoleTable), ...controllers].map(clusterRole);
  const rulesOf = (name: string) =>
    roles.find(({ metadata }) => metadata.name === `system:aggregate-to-${name}`)!.rules;
  const levels = ["view", "edit", "admin"];
  for (const role of roles.filter(({ aggregationRule }) => aggregationRule)) {
    role.rules.push(...levels.slice(0, levels.indexOf(role.metadata.name) + 1).flatMap(rulesOf));
  }
  const clusterBindings = [
    ...parseTable(clusterBindingTable).map(({ head }) => head),
    ...controllers.map(({ head: [name = ""] }) => [name, `account:${name.slice(controllerPrefix.length)}`]),
  ].map(([name = "", ...subjects]) => binding(metadataOf(name), "ClusterRole", name, subjects));
  return [
    ...roles,
    ...clusterBindings,
    ...parseTable(namespacedRoleTable).map(({ head: [place = ""], rules }) => ({
      apiVersion,
      kind: "Role",
      metadata: placed(place),
      rules,
    })),
    ...parseTable(namespacedBindingTable).map(({ head: [place = "", role = "", ...subjects] }) =>
      binding(placed(place), "Role", role, subjects),
    ),
  ];
}

let rulesOfNodes: readonly PolicyRule[] | undefined;

/** What every node may ask for, apart from what the Node authorizer looks at more closely. */
export const nodeRules = (): readonly PolicyRule[] =>
  (rulesOfNodes ??= parseTable(clusterRoleTable).find(({ head }) => head[0] === "system:node")!.rules);

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
