// Which requests are told to the audit log, and how much of them: the first rule that matches decides.
// Follows kubernetes v1.36 apiserver/pkg/audit/policy and pkg/apis/audit/validation.
import { invalidValue, notSupported, path, required } from "../../machinery/field.ts";
import type { FieldError } from "../../machinery/errors.ts";
import { parseConfig, refuse, type Shape } from "../auth/config-file.ts";
import type { RequestInfo } from "../http/request-info.ts";
import type { UserInfo } from "../types.ts";

const levels = ["None", "Metadata", "Request", "RequestResponse"] as const;
const stages = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"] as const;

/** Each tells what the one before does, and more: who asked for what; the request's object; the answer's object. */
export type Level = (typeof levels)[number];
export type Stage = (typeof stages)[number];

interface Rule {
  readonly level: Level;
  readonly users?: readonly string[];
  readonly userGroups?: readonly string[];
  readonly verbs?: readonly string[];
  readonly namespaces?: readonly string[];
  readonly resources?: readonly {
    readonly group?: string;
    readonly resources?: readonly string[];
    readonly resourceNames?: readonly string[];
  }[];
  readonly nonResourceURLs?: readonly string[];
  readonly omitStages?: readonly Stage[];
  readonly omitManagedFields?: boolean;
}

interface PolicyFile {
  readonly rules?: readonly Rule[];
  readonly omitStages?: readonly Stage[];
  readonly omitManagedFields?: boolean;
}

/** What is told of a request. */
export interface AuditDecision {
  readonly level: Level;
  readonly omits: (stage: Stage) => boolean;
  readonly omitManagedFields: boolean;
}

/** The decision on a request; `user` is absent when nobody proved to be anybody. */
export type AuditPolicy = (user: UserInfo | undefined, info: RequestInfo) => AuditDecision;

export const reaches = (level: Level, wanted: Level): boolean => levels.indexOf(level) >= levels.indexOf(wanted);

const strings: Shape = ["string"];
const ruleShape: Shape = {
  level: "string",
  users: strings,
  userGroups: strings,
  verbs: strings,
  namespaces: strings,
  resources: [{ group: "string", resources: strings, resourceNames: strings }],
  nonResourceURLs: strings,
  omitStages: strings,
  omitManagedFields: "boolean",
};

/** Throws an Error that says what is wrong with the policy. */
export async function parsePolicy(text: string): Promise<AuditPolicy> {
  const file = (await parseConfig(text, {
    kind: "Policy",
    apiVersions: ["audit.k8s.io/v1"],
    shape: {
      metadata: { name: "string", creationTimestamp: "string" },
      rules: [ruleShape],
      omitStages: strings,
      omitManagedFields: "boolean",
    },
  })) as PolicyFile;
  if (!file.rules?.length) throw new Error("a policy needs rules");
  refuse([
    ...stageErrors("omitStages", file.omitStages),
    ...file.rules.flatMap((rule, index) => ruleErrors(path("rules", index), rule)),
  ]);
  return policyOf(file);
}

const stageErrors = (at: string, omitted: readonly string[] = []): FieldError[] =>
  omitted.flatMap((stage, index) =>
    stages.includes(stage as Stage) ? [] : [notSupported(path(at, index), stage, stages)],
  );

function ruleErrors(at: string, rule: Rule): FieldError[] {
  const { level, resources, namespaces, nonResourceURLs } = rule;
  const errors = stageErrors(path(at, "omitStages"), rule.omitStages);
  if (!level) errors.push(required(path(at, "level")));
  else if (!levels.includes(level)) errors.push(notSupported(path(at, "level"), level, levels));
  if (nonResourceURLs?.length && (resources?.length || namespaces?.length)) {
    const text = "rules cannot apply to both regular resources and non-resource URLs";
    errors.push(invalidValue(path(at, "nonResourceURLs"), nonResourceURLs, text));
  }
  for (const [index, url] of (nonResourceURLs ?? []).entries()) {
    if (url === "*" || /^\/[^*]*\*?$/.test(url)) continue;
    const text = "must begin with a slash, with a star at most at its end";
    errors.push(invalidValue(path(path(at, "nonResourceURLs"), index), url, text));
  }
  for (const [index, { resources: names, resourceNames }] of (resources ?? []).entries()) {
    if (!resourceNames?.length || names?.length) continue;
    const text = "using resourceNames requires at least one resource";
    errors.push(invalidValue(path(path(path(at, "resources"), index), "resourceNames"), resourceNames, text));
  }
  return errors;
}

function policyOf(file: PolicyFile): AuditPolicy {
  const decisionOf = (level: Level, rule?: Rule): AuditDecision => {
    const omitted = new Set([...(file.omitStages ?? []), ...(rule?.omitStages ?? [])]);
    const omitManagedFields = rule?.omitManagedFields ?? file.omitManagedFields ?? false;
    return { level, omits: (stage) => omitted.has(stage), omitManagedFields };
  };
  const rules = file.rules!.map((rule) => ({ matches: matcherOf(rule), decision: decisionOf(rule.level, rule) }));
  const none = decisionOf("None");
  return (user, info) => rules.find(({ matches }) => matches(user, info))?.decision ?? none;
}

type Matcher = (user: UserInfo | undefined, info: RequestInfo) => boolean;

/** Sets are made once; what a rule does not say matches everything. */
function matcherOf(rule: Rule): Matcher {
  const setOf = (values: readonly string[] | undefined) => (values?.length ? new Set(values) : undefined);
  const [users, groups, verbs] = [setOf(rule.users), setOf(rule.userGroups), setOf(rule.verbs)];
  const namespaces = setOf(rule.namespaces);
  const resources = rule.resources?.length
    ? rule.resources.map((one) => ({ group: one.group ?? "", names: one.resources, objects: setOf(one.resourceNames) }))
    : undefined;
  const urls = rule.nonResourceURLs?.length ? rule.nonResourceURLs : undefined;
  return (user, info) => {
    if (users && !(user && users.has(user.name))) return false;
    if (groups && !user?.groups.some((group) => groups.has(group))) return false;
    if (verbs && !verbs.has(info.verb)) return false;
    if (info.type === "nonResource") {
      return !namespaces && !resources && (!urls || urls.some((url) => urlMatches(url, info.path)));
    }
    if (urls || (namespaces && !namespaces.has(info.namespace))) return false;
    if (!resources) return true;
    return resources.some(({ group, names, objects }) => {
      if (group !== info.group) return false;
      if (!names?.length) return true;
      if (objects && !objects.has(info.name)) return false;
      return names.some((name) => resourceMatches(name, info.resource, info.subresource));
    });
  };
}

const urlMatches = (pattern: string, url: string): boolean =>
  pattern.endsWith("*") ? url.startsWith(pattern.slice(0, -1)) : pattern === url;

// `*` is everything, `pods` is no subresource, `pods/*` is pods and their subresources; a star may also stand for the resource.
function resourceMatches(pattern: string, resource: string, subresource: string): boolean {
  if (pattern === "*") return true;
  if (!subresource) return pattern === resource || pattern === `${resource}/*`;
  return pattern === `${resource}/${subresource}` || pattern === `*/${subresource}` || pattern === `${resource}/*`;
}
