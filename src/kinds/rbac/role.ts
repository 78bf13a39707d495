// Role: what may be done in one namespace.
import type * as rbac from "../generated/rbac.v1.ts";
import { createdColumns } from "./columns.ts";
import { rulesErrors } from "./validation.ts";
import { defineKind } from "../kind.ts";

export type Role = rbac.Role;

export const Role = defineKind<rbac.Role>({
  group: "rbac.authorization.k8s.io",
  version: "v1",
  kind: "Role",
  plural: "roles",
  nameRule: "pathSegment",
  columns: createdColumns,
  validate: ({ rules }) => rulesErrors(rules, true),
});
