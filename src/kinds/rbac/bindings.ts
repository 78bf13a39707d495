// RoleBinding and ClusterRoleBinding: give a role to users in one namespace, or in the whole cluster.
// Follows kubernetes v1.36 pkg/apis/rbac/validation/validation.go and pkg/apis/rbac/v1/defaults.go.
import type * as rbac from "../generated/rbac.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { invalidValue, notSupported, path, required } from "../../machinery/field.ts";
import { dnsSubdomainErrors, pathSegmentErrors } from "../../machinery/names.ts";
import { all, each, type Errors, named, oneOf, optionallyNamed, present } from "../checks.ts";
import { ageColumn, column, nameColumn, wideColumn } from "../columns.ts";
import { defineKind, type Kind } from "../kind.ts";

export type RoleBinding = rbac.RoleBinding;
export type ClusterRoleBinding = rbac.ClusterRoleBinding;
type Binding = RoleBinding | ClusterRoleBinding;

const group = "rbac.authorization.k8s.io";

const subjectsColumn = (name: string, kind: string) =>
  wideColumn<Binding>(name, ({ subjects = [] }) =>
    subjects
      .filter((subject) => subject.kind === kind)
      .map((subject) => (kind === "ServiceAccount" ? `${subject.namespace ?? ""}/${subject.name}` : subject.name))
      .join(", "),
  );

function subjectErrors(
  { kind, name, namespace, apiGroup = "" }: rbac.Subject,
  at: string,
  namespaced: boolean,
): Errors {
  const field = path(at, "apiGroup");
  const missing = present(path(at, "name"), name);
  switch (kind) {
    case "ServiceAccount":
      return all(
        missing,
        optionallyNamed(path(at, "name"), name, dnsSubdomainErrors),
        apiGroup && notSupported(field, apiGroup, [""]),
        !namespaced && !namespace && required(path(at, "namespace")),
      );
    case "User":
    case "Group":
      return all(missing, apiGroup !== group && notSupported(field, apiGroup, [group]));
    default:
      return all(missing, notSupported(path(at, "kind"), kind, ["Group", "ServiceAccount", "User"]));
  }
}

const bindingOf = (namespaced: boolean): Partial<Kind<Binding>> => ({
  namespaced,
  nameRule: "pathSegment",
  columns: [
    nameColumn,
    column("Role", ({ roleRef }) => `${roleRef?.kind ?? ""}/${roleRef?.name ?? ""}`),
    ageColumn,
    subjectsColumn("Users", "User"),
    subjectsColumn("Groups", "Group"),
    subjectsColumn("ServiceAccounts", "ServiceAccount"),
  ],
  defaults: ({ roleRef, subjects }) => {
    if (roleRef) roleRef.apiGroup ||= group;
    for (const subject of subjects ?? []) {
      if (subject.kind === "User" || subject.kind === "Group") subject.apiGroup ||= group;
    }
  },
  validate: ({ roleRef, subjects }) =>
    all(
      roleRef?.apiGroup !== group && notSupported("roleRef.apiGroup", roleRef?.apiGroup ?? "", [group]),
      oneOf("roleRef.kind", roleRef?.kind, namespaced ? ["Role", "ClusterRole"] : ["ClusterRole"]),
      named("roleRef.name", roleRef?.name, pathSegmentErrors),
      each("subjects", subjects, (at, subject) => subjectErrors(subject, at, namespaced)),
    ),
  validateUpdate: (next, old) =>
    deepEqual(next.roleRef, old.roleRef) ? [] : [invalidValue("roleRef", next.roleRef, "cannot change roleRef")],
});

export const RoleBinding = defineKind<RoleBinding>(`${group}/v1`, "RoleBinding", bindingOf(true));
export const ClusterRoleBinding = defineKind<ClusterRoleBinding>(`${group}/v1`, "ClusterRoleBinding", bindingOf(false));
