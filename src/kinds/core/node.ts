// Node: a machine that runs pods.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type Node = core.Node;

export const Node = defineKind<core.Node>({
  group: "",
  version: "v1",
  kind: "Node",
  plural: "nodes",
  namespaced: false,
  shortNames: ["no"],
  subresources: { status: true, special: ["proxy"] },
  selectableFields: { "spec.unschedulable": (node) => String(node.spec?.unschedulable ?? false) },
});
