// FlowSchema: sorts requests into priority levels.
// Follows kubernetes v1.36 pkg/apis/flowcontrol/v1/defaults.go and pkg/apis/flowcontrol/validation/validation.go.
import type * as flowcontrol from "../generated/flowcontrol.v1.ts";
import { forbiddenField, path, required } from "../../machinery/field.ts";
import { dnsSubdomainErrors } from "../../machinery/names.ts";
import { all, among, each, type Errors, fields, named, oneOf, within } from "../checks.ts";
import { wildcardErrors } from "../admissionregistration/webhook.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

export type FlowSchema = flowcontrol.FlowSchema;

const verbs = "* get list create update patch watch delete deletecollection proxy connect".split(" ");

function subjectErrors(subject: flowcontrol.Subject, at: string): Errors {
  const fields = { User: "user", Group: "group", ServiceAccount: "serviceAccount" } as const;
  const { kind } = subject;
  const errors = oneOf(path(at, "kind"), kind, Object.keys(fields));
  for (const [name, field] of Object.entries(fields)) {
    const given = subject[field];
    if (kind === name && !given?.name) errors.push(required(path(at, field, ...(given ? ["name"] : []))));
    if (kind !== name && given) {
      errors.push(forbiddenField(path(at, field), `${field} is forbidden when subject kind is not '${name}'`));
    }
  }
  const account = subject.serviceAccount;
  return account && !account.namespace ? [...errors, required(path(at, "serviceAccount", "namespace"))] : errors;
}

function ruleErrors(at: string, rule: flowcontrol.PolicyRulesWithSubjects): Errors {
  const { subjects, resourceRules, nonResourceRules } = rule;
  const scopeless = "resource rules that are not cluster scoped must supply at least one namespace";
  return all(
    !subjects?.length && required(path(at, "subjects"), "subjects must contain at least one value"),
    !resourceRules?.length &&
      !nonResourceRules?.length &&
      required(at, "at least one of resourceRules and nonResourceRules has to be non-empty"),
    each(path(at, "subjects"), subjects, (here, subject) => subjectErrors(subject, here)),
    each(path(at, "resourceRules"), resourceRules, (here, row) =>
      fields(here, row, {
        verbs: (field, words) => all(wildcardErrors(field, words), each(field, words, among(verbs))),
        apiGroups: wildcardErrors,
        resources: wildcardErrors,
        namespaces: (field, names) => !row.clusterScope && !names?.length && required(field, scopeless),
      }),
    ),
    each(path(at, "nonResourceRules"), nonResourceRules, (here, row) =>
      fields(here, row, { verbs: wildcardErrors, nonResourceURLs: wildcardErrors }),
    ),
  );
}

function danglingText({ status }: FlowSchema): string {
  return status?.conditions?.find(({ type }) => type === "Dangling")?.status ?? "?";
}

export const FlowSchema = defineKind<FlowSchema>("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", {
  namespaced: false,
  hasGeneration: true,
  subresources: { status: true },
  columns: [
    nameColumn,
    column("PriorityLevel", ({ spec }) => spec?.priorityLevelConfiguration?.name ?? ""),
    column("MatchingPrecedence", ({ spec }) => spec?.matchingPrecedence ?? 0, { type: "integer" }),
    column("DistinguisherMethod", ({ spec }) => spec?.distinguisherMethod?.type ?? "<none>"),
    ageColumn,
    column("MissingPL", danglingText),
  ],
  defaults: ({ spec }) => {
    if (spec) spec.matchingPrecedence ||= 1000;
  },
  prepareForCreate: statusAtFirst({}),
  validate: ({ spec }) => [
    ...within("spec.matchingPrecedence", spec?.matchingPrecedence, 1, 10_000),
    ...named("spec.priorityLevelConfiguration.name", spec?.priorityLevelConfiguration?.name, dnsSubdomainErrors),
    ...(spec?.distinguisherMethod
      ? oneOf("spec.distinguisherMethod.type", spec.distinguisherMethod.type, ["ByNamespace", "ByUser"])
      : []),
    ...each("spec.rules", spec?.rules, ruleErrors),
  ],
});
