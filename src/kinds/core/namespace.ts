// Namespace: a scope for names, and what deletes everything in it.
import type * as core from "../generated/core.v1.ts";
import { formatTime } from "../../machinery/clock.ts";
import { qualifiedNameErrors } from "../../machinery/names.ts";
import { complaints, each } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { allVerbs, defineKind } from "../kind.ts";

export type Namespace = core.Namespace;

const nameLabel = "kubernetes.io/metadata.name";

/** Held by every namespace until its content is deleted. */
const contentFinalizer = "kubernetes";

export const Namespace = defineKind<Namespace>("v1", "Namespace", {
  namespaced: false,
  isNamespace: true,
  nameRule: "label",
  shortNames: ["ns"],
  verbs: allVerbs.filter((verb) => verb !== "deletecollection"),
  subresources: { status: true, special: ["finalize"] },
  selectableFields: {
    "status.phase": (namespace) => namespace.status?.phase ?? "",
    name: (namespace) => namespace.metadata.name,
  },
  columns: [nameColumn, column("Status", (namespace) => namespace.status?.phase ?? ""), ageColumn],
  defaults: (draft) => {
    if (draft.metadata.name) draft.metadata.labels = { ...draft.metadata.labels, [nameLabel]: draft.metadata.name };
    if (!draft.status?.phase) draft.status = { ...draft.status, phase: "Active" };
  },
  prepareForCreate: (draft) => {
    draft.status = { phase: "Active" };
    draft.spec = { finalizers: [...new Set([...(draft.spec?.finalizers ?? []), contentFinalizer])] };
  },
  // Only the finalize subresource changes the finalizers of the spec.
  prepareForUpdate: (draft, old) => {
    draft.spec = { ...old.spec };
  },
  // It turns Terminating, and goes when both its sorts of finalizers are empty.
  deletion: (namespace, now) => {
    const { metadata, spec, status } = namespace;
    if (metadata.deletionTimestamp) {
      return spec?.finalizers?.length || metadata.finalizers?.length ? "nothing" : "remove";
    }
    const marked = { ...metadata, deletionTimestamp: formatTime(now) };
    return { ...namespace, metadata: marked, status: { ...status, phase: "Terminating" } };
  },
  validate: (namespace) =>
    each("spec.finalizers", namespace.spec?.finalizers, (at, name) => complaints(at, name, qualifiedNameErrors(name))),
});
