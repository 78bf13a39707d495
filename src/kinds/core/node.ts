// Node: a machine that runs pods.
import type * as core from "../generated/core.v1.ts";
import { ageColumn, column, listOrNone, nameColumn, wideColumn } from "../columns.ts";
import { validateNode, validateNodeUpdate } from "./node-validation.ts";
import { defineKind } from "../kind.ts";

export type Node = core.Node;

function nodeStatus({ spec, status }: core.Node): string {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const word = ready ? (ready.status === "True" ? "Ready" : "NotReady") : "Unknown";
  return spec?.unschedulable ? `${word},SchedulingDisabled` : word;
}

const rolePrefix = "node-role.kubernetes.io/";

/** Roles by the node's labels, sorted. */
function nodeRoles(node: core.Node): string[] {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith(rolePrefix) && key.length > rolePrefix.length) roles.add(key.slice(rolePrefix.length));
    else if (key === "kubernetes.io/role" && value !== "") roles.add(value);
  }
  return [...roles].toSorted();
}

const address = (node: core.Node, type: string): string =>
  node.status?.addresses?.find((one) => one.type === type)?.address ?? "<none>";

export const Node = defineKind<Node>("v1", "Node", {
  namespaced: false,
  shortNames: ["no"],
  subresources: { status: true, special: ["proxy"] },
  selectableFields: { "spec.unschedulable": (node) => String(node.spec?.unschedulable ?? false) },
  columns: [
    nameColumn,
    column("Status", nodeStatus),
    column("Roles", (node) => listOrNone(nodeRoles(node))),
    ageColumn,
    column("Version", (node) => node.status?.nodeInfo?.kubeletVersion ?? ""),
    wideColumn("Internal-IP", (node) => address(node, "InternalIP")),
    wideColumn("External-IP", (node) => address(node, "ExternalIP")),
    wideColumn("OS-Image", ({ status }) => status?.nodeInfo?.osImage || "<unknown>"),
    wideColumn("Kernel-Version", ({ status }) => status?.nodeInfo?.kernelVersion || "<unknown>"),
    wideColumn("Container-Runtime", ({ status }) => status?.nodeInfo?.containerRuntimeVersion || "<unknown>"),
  ],
  defaults: (draft) => {
    if (draft.status?.capacity && !draft.status.allocatable) {
      draft.status = { ...draft.status, allocatable: { ...draft.status.capacity } };
    }
  },
  validate: validateNode,
  validateUpdate: validateNodeUpdate,
});
