// Namespace: a scope for names, and what deletes everything in it.
import type * as core from "../generated/core.v1.ts";
import { allVerbs, defineKind } from "../kind.ts";

export type Namespace = core.Namespace;

export const Namespace = defineKind<core.Namespace>({
  group: "",
  version: "v1",
  kind: "Namespace",
  plural: "namespaces",
  namespaced: false,
  nameRule: "label",
  shortNames: ["ns"],
  verbs: allVerbs.filter((verb) => verb !== "deletecollection"),
  subresources: { status: true, special: ["finalize"] },
  selectableFields: {
    "status.phase": (namespace) => namespace.status?.phase ?? "",
    name: (namespace) => namespace.metadata.name,
  },
});
