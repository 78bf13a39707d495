// ClusterRole: what may be done in the whole cluster.
import type * as rbac from "../generated/rbac.v1.ts";
import { required } from "../../machinery/field.ts";
import { labelSelectorErrors } from "../../machinery/selector.ts";
import { each } from "../checks.ts";
import { createdColumns } from "./columns.ts";
import { rulesErrors } from "./validation.ts";
import { defineKind } from "../kind.ts";

export type ClusterRole = rbac.ClusterRole;

export const ClusterRole = defineKind<rbac.ClusterRole>({
  group: "rbac.authorization.k8s.io",
  version: "v1",
  kind: "ClusterRole",
  plural: "clusterroles",
  namespaced: false,
  nameRule: "pathSegment",
  columns: createdColumns,
  validate: ({ rules, aggregationRule }) => {
    const at = "aggregationRule.clusterRoleSelectors";
    const selectors = aggregationRule?.clusterRoleSelectors;
    return [
      ...rulesErrors(rules, false),
      ...(aggregationRule && !selectors?.length
        ? [required(at, "at least one clusterRoleSelector required if aggregationRule is non-nil")]
        : []),
      ...each(at, selectors, (here, selector) => labelSelectorErrors(selector, here)),
    ];
  },
});
