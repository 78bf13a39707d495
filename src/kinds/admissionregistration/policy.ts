// What validating and mutating admission policies have in common.
// Follows kubernetes v1.36 pkg/apis/admissionregistration/v1/defaults.go and validation/validation.go.
import type {
  MatchResources,
  MutatingAdmissionPolicySpec,
  ParamKind,
  ValidatingAdmissionPolicySpec,
  Variable,
} from "../generated/admissionregistration.v1.ts";
import { duplicate, invalidValue, path, required } from "../../machinery/field.ts";
import { cIdentifierErrors, dns1035LabelErrors, dnsSubdomainErrors } from "../../machinery/names.ts";
import { labelSelectorErrors } from "../../machinery/selector.ts";
import { all, among, complaints, each, type Errors, fields, list, must, oneOf, repeats } from "../checks.ts";
import { compilePolicy, type PolicySpec } from "./expressions.ts";
import { defaultRules, matchConditionErrors, ruleErrors } from "./webhook.ts";

export function defaultMatchResources(resources: MatchResources | undefined): void {
  if (!resources) return;
  resources.matchPolicy ??= "Equivalent";
  resources.namespaceSelector ??= {};
  resources.objectSelector ??= {};
  defaultRules(resources.resourceRules);
  defaultRules(resources.excludeResourceRules);
}

export const matchResourcesErrors = (at: string, resources: MatchResources | undefined): Errors =>
  resources
    ? fields(at, resources, {
        matchPolicy: among(["Equivalent", "Exact"]),
        namespaceSelector: (field, selector) => labelSelectorErrors(selector, field),
        objectSelector: (field, selector) => labelSelectorErrors(selector, field),
        resourceRules: list(ruleErrors),
        excludeResourceRules: list(ruleErrors),
      })
    : [];

/** The constraints of a policy, which must name resources. */
function constraintErrors(resources: MatchResources | undefined): Errors {
  const at = "spec.matchConstraints";
  if (!resources) return [required(at)];
  return all(
    matchResourcesErrors(at, resources),
    !resources.resourceRules?.length && required(path(at, "resourceRules")),
  );
}

function groupVersionErrors(field: string, apiVersion: string | undefined): Errors {
  if (!apiVersion) return [required(field)];
  const slash = apiVersion.indexOf("/");
  const group = apiVersion.slice(0, Math.max(slash, 0));
  return all(
    group && complaints(field, apiVersion, dnsSubdomainErrors(group)),
    complaints(field, apiVersion, dns1035LabelErrors(apiVersion.slice(slash + 1))),
  );
}

const paramKindErrors = (kind: ParamKind | undefined): Errors =>
  kind
    ? fields("spec.paramKind", kind, {
        apiVersion: groupVersionErrors,
        kind: must((text) => dns1035LabelErrors(text.toLowerCase())),
      })
    : [];

function variablesErrors(variables: readonly Variable[] | undefined): Errors {
  const again = repeats();
  return each("spec.variables", variables, (at, variable) =>
    fields(at, variable, {
      name: (field, name) => all(must(cIdentifierErrors)(field, name), again(name) && name && duplicate(field, name)),
      expression: (field, text) => !text?.trim() && required(field, "expression is not specified"),
    }),
  );
}

/** What both sorts of policies are asked, up to their own rules; `own` are the complaints after the failure policy. */
export const policyErrors = (
  spec: ValidatingAdmissionPolicySpec | MutatingAdmissionPolicySpec | undefined,
  own: Errors = [],
): Errors =>
  all(
    oneOf("spec.failurePolicy", spec?.failurePolicy ?? "Fail", ["Fail", "Ignore"]),
    own,
    paramKindErrors(spec?.paramKind),
    constraintErrors(spec?.matchConstraints),
    matchConditionErrors("spec.matchConditions", spec?.matchConditions),
    variablesErrors(spec?.variables),
  );

export function paramKindText(kind: ParamKind | undefined): string {
  return kind ? `${kind.apiVersion}/${kind.kind}` : "<unset>";
}

/** What keeps the expressions of a policy from being compiled; those that are missing are complained about elsewhere. */
export const expressionErrors = (spec: PolicySpec | undefined): Errors =>
  compilePolicy(spec ?? {})
    .errors.filter(({ expression }) => expression?.trim())
    .map(({ field, expression, text }) => invalidValue(field, expression, text));
