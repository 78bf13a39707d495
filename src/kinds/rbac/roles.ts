// Role and ClusterRole: what may be done in one namespace, or in the whole cluster.
// Follows kubernetes v1.36 pkg/apis/rbac/validation/validation.go.
import type * as rbac from "../generated/rbac.v1.ts";
import { invalidValue, path, required } from "../../machinery/field.ts";
import { labelSelectorErrors } from "../../machinery/selector.ts";
import { all, each, type Errors } from "../checks.ts";
import { createdColumns } from "../columns.ts";
import { defineKind } from "../kind.ts";

export type Role = rbac.Role;
export type ClusterRole = rbac.ClusterRole;

function ruleErrors(rule: rbac.PolicyRule, at: string, namespaced: boolean): Errors {
  const { verbs, apiGroups, resources, resourceNames, nonResourceURLs: urls } = rule;
  const field = path(at, "nonResourceURLs");
  const both = apiGroups?.length || resources?.length || resourceNames?.length;
  return all(
    !verbs?.length && required(path(at, "verbs"), "verbs must contain at least one value"),
    ...(urls?.length
      ? [
          namespaced && invalidValue(field, urls, "namespaced rules cannot apply to non-resource URLs"),
          both && invalidValue(field, urls, "rules cannot apply to both regular resources and non-resource URLs"),
        ]
      : [
          !apiGroups?.length && required(path(at, "apiGroups"), "resource rules must supply at least one api group"),
          !resources?.length && required(path(at, "resources"), "resource rules must supply at least one resource"),
        ]),
  );
}

const rulesErrors = (rules: readonly rbac.PolicyRule[] | undefined, namespaced: boolean): Errors =>
  each("rules", rules, (at, rule) => ruleErrors(rule, at, namespaced));

export const Role = defineKind<Role>("rbac.authorization.k8s.io/v1", "Role", {
  nameRule: "pathSegment",
  columns: createdColumns,
  validate: ({ rules }) => rulesErrors(rules, true),
});

export const ClusterRole = defineKind<ClusterRole>("rbac.authorization.k8s.io/v1", "ClusterRole", {
  namespaced: false,
  nameRule: "pathSegment",
  columns: createdColumns,
  validate: ({ rules, aggregationRule }) => {
    const at = "aggregationRule.clusterRoleSelectors";
    const selectors = aggregationRule?.clusterRoleSelectors;
    const text = "at least one clusterRoleSelector required if aggregationRule is non-nil";
    return all(
      rulesErrors(rules, false),
      aggregationRule && !selectors?.length && required(at, text),
      each(at, selectors, (here, selector) => labelSelectorErrors(selector, here)),
    );
  },
});
