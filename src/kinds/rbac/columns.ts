// Columns of roles and bindings.
import type { KubeObject } from "../../machinery/object.ts";
import type { RoleRef, Subject } from "../generated/rbac.v1.ts";
import { ageColumn, column, nameColumn, wideColumn } from "../columns.ts";
import type { Column } from "../kind.ts";

/** Name and time of creation: kinds that have nothing else to show. */
export const createdColumns: readonly Column<KubeObject>[] = [
  nameColumn,
  column("Created At", ({ metadata }) => metadata.creationTimestamp, { type: "date" }),
];

type Binding = KubeObject & { roleRef: RoleRef; subjects?: Subject[] };

const subjectsColumn = (name: string, kind: string) =>
  wideColumn<Binding>(name, ({ subjects = [] }) =>
    subjects
      .filter((subject) => subject.kind === kind)
      .map((subject) => (kind === "ServiceAccount" ? `${subject.namespace ?? ""}/${subject.name}` : subject.name))
      .join(", "),
  );

export const bindingColumns: readonly Column<Binding>[] = [
  nameColumn,
  column("Role", ({ roleRef }) => `${roleRef?.kind ?? ""}/${roleRef?.name ?? ""}`),
  ageColumn,
  subjectsColumn("Users", "User"),
  subjectsColumn("Groups", "Group"),
  subjectsColumn("ServiceAccounts", "ServiceAccount"),
];
