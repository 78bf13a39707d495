// What RBAC rules allow: pure matching and covering. Follows kubernetes v1.36 pkg/apis/rbac/v1/evaluation_helpers.go
// and component-helpers/auth/rbac/validation/policy_comparator.go.
import type { PolicyRule } from "../../kinds/generated/rbac.v1.ts";
import type { Attributes } from "../types.ts";

const includes = (values: readonly string[] | undefined, wanted: string) =>
  values !== undefined && (values.includes(wanted) || values.includes("*"));

/** Whether the rule allows the request. */
export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!includes(rule.verbs, attributes.verb)) return false;
  if (attributes.path !== undefined)
    return (rule.nonResourceURLs ?? []).some((url) => urlMatches(url, attributes.path!));
  return (
    includes(rule.apiGroups, attributes.group) &&
    resourceMatches(rule.resources, attributes.resource, attributes.subresource) &&
    (!rule.resourceNames?.length || rule.resourceNames.includes(attributes.name))
  );
}

const resourceMatches = (patterns: readonly string[] | undefined, resource: string, subresource: string): boolean =>
  subresource
    ? includes(patterns, `${resource}/${subresource}`) || patterns?.includes(`*/${subresource}`) === true
    : includes(patterns, resource);

const urlMatches = (pattern: string, path: string) =>
  pattern === "*" || pattern === path || (pattern.endsWith("*") && path.startsWith(pattern.slice(0, -1)));

/** The rules of `wanted`, one verb, group, resource and name each, that no rule of `held` covers. */
export function uncovered(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(singles).filter((single) => !held.some((rule) => covers(rule, single)));
}

function singles(rule: PolicyRule): PolicyRule[] {
  const out: PolicyRule[] = [];
  for (const verb of rule.verbs) {
    for (const url of rule.nonResourceURLs ?? []) out.push({ verbs: [verb], nonResourceURLs: [url] });
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const single = { verbs: [verb], apiGroups: [group], resources: [resource] };
        if (!rule.resourceNames?.length) out.push(single);
        else for (const name of rule.resourceNames) out.push({ ...single, resourceNames: [name] });
      }
    }
  }
  return out;
}

function covers(rule: PolicyRule, single: PolicyRule): boolean {
  if (!includes(rule.verbs, single.verbs[0]!)) return false;
  const url = single.nonResourceURLs?.[0];
  if (url !== undefined) return (rule.nonResourceURLs ?? []).some((pattern) => urlMatches(pattern, url));
  const [resource = "", subresource = ""] = single.resources![0]!.split("/");
  const name = single.resourceNames?.[0];
  return (
    includes(rule.apiGroups, single.apiGroups![0]!) &&
    resourceMatches(rule.resources, resource, subresource) &&
    (!rule.resourceNames?.length || (name !== undefined && rule.resourceNames.includes(name)))
  );
}
