// Node: a machine that runs pods.
// Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (ValidateNode, ValidateNodeUpdate).
import type * as core from "../generated/core.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { duplicate, forbiddenField, invalidValue, path } from "../../machinery/field.ts";
import { cidrErrors, labelValueErrors, qualifiedNameErrors } from "../../machinery/names.ts";
import type { NodeSpec, Taint } from "../generated/core.v1.ts";
import { complaints, each, eachEntry, type Errors, named, oneOf, quantityNotNegative } from "../checks.ts";
import { ageColumn, column, listOrNone, nameColumn, wideColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";

/** Taints of a node at `at`: each key and effect once. */
function validateTaints(taints: readonly Taint[] | undefined, at: string): Errors {
  const seen = new Set<string>();
  return each(at, taints, (here, taint) => {
    const errors = [
      ...named(path(here, "key"), taint.key, qualifiedNameErrors),
      ...complaints(path(here, "value"), taint.value, labelValueErrors(taint.value ?? "")),
      ...oneOf(path(here, "effect"), taint.effect, ["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    ];
    const key = `${taint.key}:${taint.effect}`;
    if (seen.has(key)) errors.push(duplicate(here, key));
    seen.add(key);
    return errors;
  });
}

function validateNode({ spec, status }: Node): Errors {
  const errors = [
    ...validateTaints(spec?.taints, "spec.taints"),
    ...each("spec.podCIDRs", spec?.podCIDRs, (at, cidr) => complaints(at, cidr, cidrErrors(cidr))),
    ...eachEntry("status.capacity", status?.capacity, quantityNotNegative),
    ...eachEntry("status.allocatable", status?.allocatable, quantityNotNegative),
  ];
  if (spec?.podCIDRs?.length && spec.podCIDR !== undefined && spec.podCIDR !== spec.podCIDRs[0]) {
    errors.push(invalidValue("spec.podCIDRs", spec.podCIDRs, "the first value must match `podCIDR`"));
  }
  return errors;
}

/** The spec without what may change; addresses and provider are given once. */
function frozen(spec: NodeSpec | undefined, old: NodeSpec | undefined): NodeSpec {
  const out = { ...spec };
  delete out.taints;
  delete out.unschedulable;
  delete out.configSource;
  if (!old?.providerID) delete out.providerID;
  if (!old?.podCIDR) {
    delete out.podCIDR;
    delete out.podCIDRs;
  }
  return out;
}

function validateNodeUpdate(next: Node, old: Node): Errors {
  const errors: Errors = [];
  if (!deepEqual(frozen(next.spec, old.spec), frozen(old.spec, old.spec))) {
    errors.push(
      forbiddenField(
        "spec",
        "node updates may only change labels, taints, or capacity (or configSource, if the DynamicKubeletConfig feature gate is enabled)",
      ),
    );
  }
  return errors;
}

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
