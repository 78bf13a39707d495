// ControllerRevision: a recorded state of a DaemonSet or StatefulSet.
import type * as apps from "../generated/apps.v1.ts";
import { required } from "../../machinery/field.ts";
import { controllerOf } from "../../machinery/object.ts";
import { notNegative, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";

export type ControllerRevision = apps.ControllerRevision;

function controllerText(revision: ControllerRevision): string {
  const owner = controllerOf(revision);
  if (!owner) return "<none>";
  const slash = owner.apiVersion.indexOf("/");
  const group = slash < 0 ? "" : `.${owner.apiVersion.slice(0, slash)}`;
  return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
}

export const ControllerRevision = defineKind<ControllerRevision>("apps/v1", "ControllerRevision", {
  columns: [
    nameColumn,
    column("Controller", controllerText),
    column("Revision", ({ revision }) => revision, { type: "integer" }),
    ageColumn,
  ],
  validate: ({ data, revision }) => [
    ...(data === undefined || data === null ? [required("data", "data is mandatory")] : []),
    ...notNegative("revision", revision),
  ],
  validateUpdate: (next, old) => unchanged("data", next.data, old.data),
});
