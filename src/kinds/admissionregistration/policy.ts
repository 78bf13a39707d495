// What validating and mutating admission policies and their bindings have in common.
// Follows kubernetes v1.36 pkg/apis/admissionregistration/v1/defaults.go and validation/validation.go.
import type { KubeObject } from "../../machinery/object.ts";
import type { MatchResources, ParamKind, ParamRef, Variable } from "../generated/admissionregistration.v1.ts";
import { duplicate, forbiddenField, invalidValue, path, required } from "../../machinery/field.ts";
import { cIdentifierErrors, dns1035LabelErrors, dnsSubdomainErrors, pathSegmentErrors } from "../../machinery/names.ts";
import { labelSelectorErrors } from "../../machinery/selector.ts";
import { complaints, each, type Errors, named, oneOf } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import type { Column } from "../kind.ts";
import { compilePolicy, type PolicySpec } from "./expressions.ts";
import { defaultRules, ruleErrors } from "./webhook.ts";

export function defaultMatchResources(resources: MatchResources | undefined): void {
  if (!resources) return;
  resources.matchPolicy ??= "Equivalent";
  resources.namespaceSelector ??= {};
  resources.objectSelector ??= {};
  defaultRules(resources.resourceRules);
  defaultRules(resources.excludeResourceRules);
}

function matchResourcesErrors(resources: MatchResources | undefined, at: string): Errors {
  if (!resources) return [];
  return [
    ...oneOf(path(at, "matchPolicy"), resources.matchPolicy, ["Equivalent", "Exact"]),
    ...labelSelectorErrors(resources.namespaceSelector, path(at, "namespaceSelector")),
    ...labelSelectorErrors(resources.objectSelector, path(at, "objectSelector")),
    ...each(path(at, "resourceRules"), resources.resourceRules, (here, rule) => ruleErrors(rule, here)),
    ...each(path(at, "excludeResourceRules"), resources.excludeResourceRules, (here, rule) => ruleErrors(rule, here)),
  ];
}

/** The constraints of a policy, which must name resources. */
export function constraintErrors(resources: MatchResources | undefined): Errors {
  const at = "spec.matchConstraints";
  if (!resources) return [required(at)];
  const errors = matchResourcesErrors(resources, at);
  return resources.resourceRules?.length ? errors : [...errors, required(path(at, "resourceRules"))];
}

export function paramKindErrors(kind: ParamKind | undefined): Errors {
  if (!kind) return [];
  const at = "spec.paramKind";
  const errors: Errors = [];
  if (!kind.apiVersion) errors.push(required(path(at, "apiVersion")));
  else {
    const slash = kind.apiVersion.indexOf("/");
    const field = path(at, "apiVersion");
    const [group, version] = [kind.apiVersion.slice(0, Math.max(slash, 0)), kind.apiVersion.slice(slash + 1)];
    if (group) errors.push(...complaints(field, kind.apiVersion, dnsSubdomainErrors(group)));
    errors.push(...complaints(field, kind.apiVersion, dns1035LabelErrors(version)));
  }
  return [...errors, ...named(path(at, "kind"), kind.kind, (text) => dns1035LabelErrors(text.toLowerCase()))];
}

export function variablesErrors(variables: readonly Variable[] | undefined): Errors {
  const seen = new Set<string>();
  return each("spec.variables", variables, (at, { name, expression }) => {
    const errors = named(path(at, "name"), name, cIdentifierErrors);
    if (name && seen.has(name)) errors.push(duplicate(path(at, "name"), name));
    seen.add(name);
    return expression?.trim() ? errors : [...errors, required(path(at, "expression"), "expression is not specified")];
  });
}

function paramRefErrors(reference: ParamRef | undefined): Errors {
  if (!reference) return [];
  const at = "spec.paramRef";
  const errors: Errors = [];
  const { name, selector } = reference;
  if (name && selector) {
    errors.push(forbiddenField(path(at, "name"), "name and selector are mutually exclusive"));
  } else if (!name && !selector) errors.push(required(at, "one of name or selector must be specified"));
  if (name) errors.push(...complaints(path(at, "name"), name, pathSegmentErrors(name)));
  const action = reference.parameterNotFoundAction;
  return [
    ...errors,
    ...labelSelectorErrors(selector, path(at, "selector")),
    ...oneOf(path(at, "parameterNotFoundAction"), action, ["Allow", "Deny"]),
  ];
}

interface BindingSpec {
  readonly policyName?: string;
  readonly paramRef?: ParamRef;
  readonly matchResources?: MatchResources;
}

export const bindingSpecErrors = (spec: BindingSpec | undefined): Errors => [
  ...named("spec.policyName", spec?.policyName, dnsSubdomainErrors),
  ...paramRefErrors(spec?.paramRef),
  ...matchResourcesErrors(spec?.matchResources, "spec.matchResources"),
];

export function paramKindText(kind: ParamKind | undefined): string {
  return kind ? `${kind.apiVersion}/${kind.kind}` : "<unset>";
}

function paramRefText(reference: ParamRef | undefined): string {
  if (!reference) return "<unset>";
  const name = reference.name || "*";
  return reference.namespace ? `${reference.namespace}/${name}` : name;
}

export const bindingColumns: readonly Column<KubeObject & { spec?: BindingSpec }>[] = [
  nameColumn,
  column("PolicyName", ({ spec }) => spec?.policyName ?? ""),
  column("ParamRef", ({ spec }) => paramRefText(spec?.paramRef)),
  ageColumn,
];

/** What keeps the expressions of a policy from being compiled; those that are missing are complained about elsewhere. */
export const expressionErrors = (spec: PolicySpec | undefined): Errors =>
  compilePolicy(spec ?? {})
    .errors.filter(({ expression }) => expression?.trim())
    .map(({ field, expression, text }) => invalidValue(field, expression, text));
