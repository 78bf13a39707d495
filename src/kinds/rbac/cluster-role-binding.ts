// ClusterRoleBinding: gives a role to users in the whole cluster.
import type * as rbac from "../generated/rbac.v1.ts";
import { bindingColumns } from "./columns.ts";
import { bindingErrors, bindingUpdateErrors, defaultBinding } from "./validation.ts";
import { defineKind } from "../kind.ts";

export type ClusterRoleBinding = rbac.ClusterRoleBinding;

export const ClusterRoleBinding = defineKind<rbac.ClusterRoleBinding>({
  group: "rbac.authorization.k8s.io",
  version: "v1",
  kind: "ClusterRoleBinding",
  plural: "clusterrolebindings",
  namespaced: false,
  nameRule: "pathSegment",
  columns: bindingColumns,
  defaults: defaultBinding,
  validate: (object) => bindingErrors(object, false),
  validateUpdate: bindingUpdateErrors,
});
