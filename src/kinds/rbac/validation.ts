// Which roles and bindings are refused, and their defaults.
// Follows kubernetes v1.36 pkg/apis/rbac/validation/validation.go and pkg/apis/rbac/v1/defaults.go.
import type { PolicyRule, RoleRef, Subject } from "../generated/rbac.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { invalidValue, notSupported, path, required } from "../../machinery/field.ts";
import { dnsSubdomainErrors, pathSegmentErrors } from "../../machinery/names.ts";
import { complaints, each, type Errors, oneOf } from "../checks.ts";

const group = "rbac.authorization.k8s.io";

function ruleErrors(rule: PolicyRule, at: string, namespaced: boolean): Errors {
  const errors: Errors = [];
  if (!rule.verbs?.length) errors.push(required(path(at, "verbs"), "verbs must contain at least one value"));
  if (rule.nonResourceURLs?.length) {
    const field = path(at, "nonResourceURLs");
    if (namespaced) {
      errors.push(invalidValue(field, rule.nonResourceURLs, "namespaced rules cannot apply to non-resource URLs"));
    }
    if (rule.apiGroups?.length || rule.resources?.length || rule.resourceNames?.length) {
      const text = "rules cannot apply to both regular resources and non-resource URLs";
      errors.push(invalidValue(field, rule.nonResourceURLs, text));
    }
    return errors;
  }
  if (!rule.apiGroups?.length) {
    errors.push(required(path(at, "apiGroups"), "resource rules must supply at least one api group"));
  }
  if (!rule.resources?.length) {
    errors.push(required(path(at, "resources"), "resource rules must supply at least one resource"));
  }
  return errors;
}

export const rulesErrors = (rules: readonly PolicyRule[] | undefined, namespaced: boolean): Errors =>
  each("rules", rules, (at, rule) => ruleErrors(rule, at, namespaced));

interface Binding {
  roleRef: RoleRef;
  subjects?: Subject[];
}

export function defaultBinding(draft: Binding): void {
  if (draft.roleRef) draft.roleRef.apiGroup ||= group;
  for (const subject of draft.subjects ?? []) {
    if (subject.kind === "User" || subject.kind === "Group") subject.apiGroup ||= group;
  }
}

function subjectErrors(subject: Subject, at: string, namespaced: boolean): Errors {
  const errors: Errors = subject.name ? [] : [required(path(at, "name"))];
  const field = path(at, "apiGroup");
  switch (subject.kind) {
    case "ServiceAccount":
      if (subject.name) errors.push(...complaints(path(at, "name"), subject.name, dnsSubdomainErrors(subject.name)));
      if (subject.apiGroup) errors.push(notSupported(field, subject.apiGroup, [""]));
      if (!namespaced && !subject.namespace) errors.push(required(path(at, "namespace")));
      return errors;
    case "User":
    case "Group":
      if (subject.apiGroup !== group) errors.push(notSupported(field, subject.apiGroup ?? "", [group]));
      return errors;
    default:
      return [...errors, notSupported(path(at, "kind"), subject.kind, ["Group", "ServiceAccount", "User"])];
  }
}

export function bindingErrors({ roleRef, subjects }: Binding, namespaced: boolean): Errors {
  const errors: Errors = [];
  const kinds = namespaced ? ["Role", "ClusterRole"] : ["ClusterRole"];
  if (roleRef?.apiGroup !== group) errors.push(notSupported("roleRef.apiGroup", roleRef?.apiGroup ?? "", [group]));
  errors.push(...oneOf("roleRef.kind", roleRef?.kind, kinds));
  if (!roleRef?.name) errors.push(required("roleRef.name"));
  else errors.push(...complaints("roleRef.name", roleRef.name, pathSegmentErrors(roleRef.name)));
  return [...errors, ...each("subjects", subjects, (at, subject) => subjectErrors(subject, at, namespaced))];
}

export const bindingUpdateErrors = (next: Binding, old: Binding): Errors =>
  deepEqual(next.roleRef, old.roleRef) ? [] : [invalidValue("roleRef", next.roleRef, "cannot change roleRef")];
