// Which FlowSchema a request falls under, and to which flow of it the request belongs. Follows kubernetes v1.36
// staging/src/k8s.io/apiserver/pkg/util/flowcontrol/rule.go (matching) and format of flow distinguishers.
import type { FlowSchema } from "../../kinds/flowcontrol/flow-schema.ts";
import type {
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from "../../kinds/generated/flowcontrol.v1.ts";
import type { RequestInfo, ResourceRequest } from "../http/request-info.ts";
import type { UserInfo } from "../types.ts";

/** Schemas in the order in which they are tried. */
export const byPrecedence = (a: FlowSchema, b: FlowSchema): number =>
  (a.spec?.matchingPrecedence ?? 1000) - (b.spec?.matchingPrecedence ?? 1000) ||
  (a.metadata.name < b.metadata.name ? -1 : 1);

/** The rules of the schema that name the user; whether one of them covers a request is for `rulesMatch` to say. */
export const rulesFor = ({ spec }: FlowSchema, user: UserInfo): readonly PolicyRulesWithSubjects[] =>
  spec?.rules?.filter(({ subjects }) => subjects.some((subject) => subjectMatches(subject, user))) ?? none;

// Loops, no callbacks: every request is held against some.
export function rulesMatch(rules: readonly PolicyRulesWithSubjects[], info: RequestInfo): boolean {
  for (const rule of rules) if (ruleMatches(rule, info)) return true;
  return false;
}

const none: readonly never[] = [];

/** What tells the flows of one schema apart; "" when all its requests are one flow. */
export function distinguisherOf({ spec }: FlowSchema, user: UserInfo, info: RequestInfo): string {
  const method = spec?.distinguisherMethod?.type;
  if (method === "ByUser") return user.name;
  return method === "ByNamespace" && info.type === "resource" ? info.namespace : "";
}

function ruleMatches({ resourceRules, nonResourceRules }: PolicyRulesWithSubjects, info: RequestInfo): boolean {
  if (info.type === "resource") {
    for (const row of resourceRules ?? none) if (resourceMatches(row, info)) return true;
  } else for (const row of nonResourceRules ?? none) if (pathMatches(row, info.verb, info.path)) return true;
  return false;
}

function subjectMatches({ kind, user: named, group, serviceAccount }: Subject, user: UserInfo): boolean {
  if (kind === "User") return named?.name === "*" || named?.name === user.name;
  if (kind === "Group") return group?.name === "*" || (group !== undefined && user.groups.includes(group.name));
  if (kind !== "ServiceAccount" || !serviceAccount) return false;
  const prefix = `system:serviceaccount:${serviceAccount.namespace}:`;
  return serviceAccount.name === "*" ? user.name.startsWith(prefix) : user.name === prefix + serviceAccount.name;
}

const includes = (list: readonly string[] | undefined, value: string) =>
  list !== undefined && (list[0] === "*" || list.includes(value));

function resourceMatches(rule: ResourcePolicyRule, info: ResourceRequest): boolean {
  const resource = info.subresource ? `${info.resource}/${info.subresource}` : info.resource;
  return (
    includes(rule.verbs, info.verb) &&
    includes(rule.resources, resource) &&
    includes(rule.apiGroups, info.group) &&
    (info.namespace === "" ? rule.clusterScope === true : includes(rule.namespaces, info.namespace))
  );
}

const pathMatches = (rule: NonResourcePolicyRule, verb: string, path: string): boolean =>
  includes(rule.verbs, verb) &&
  (includes(rule.nonResourceURLs, path) ||
    (rule.nonResourceURLs?.some((url) => url.endsWith("*") && path.startsWith(url.slice(0, -1))) ?? false));
