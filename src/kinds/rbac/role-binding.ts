// RoleBinding: gives a role to users in one namespace.
import type * as rbac from "../generated/rbac.v1.ts";
import { bindingColumns } from "./columns.ts";
import { bindingErrors, bindingUpdateErrors, defaultBinding } from "./validation.ts";
import { defineKind } from "../kind.ts";

export type RoleBinding = rbac.RoleBinding;

export const RoleBinding = defineKind<rbac.RoleBinding>({
  group: "rbac.authorization.k8s.io",
  version: "v1",
  kind: "RoleBinding",
  plural: "rolebindings",
  nameRule: "pathSegment",
  columns: bindingColumns,
  defaults: defaultBinding,
  validate: (object) => bindingErrors(object, true),
  validateUpdate: bindingUpdateErrors,
});
