// Node: a machine that runs pods.
// Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (ValidateNode, ValidateNodeUpdate).
import type * as core from "../generated/core.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { duplicate, forbiddenField, invalidValue, path } from "../../machinery/field.ts";
import { cidrErrors, labelValueErrors, qualifiedNameErrors } from "../../machinery/names.ts";
import type { NodeSpec, Taint } from "../generated/core.v1.ts";
import {
  all,
  complaints,
  each,
  eachEntry,
  type Errors,
  named,
  oneOf,
  quantityNotNegative,
  repeats,
} from "../checks.ts";
import { ageColumn, column, listOrNone, nameColumn, wideColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";

/** Taints of a node at `at`: each key and effect once. */
function validateTaints(taints: readonly Taint[] | undefined, at: string): Errors {
  const again = repeats();
  return each(at, taints, (here, taint) => {
    const key = `${taint.key}:${taint.effect}`;
    return all(
      named(path(here, "key"), taint.key, qualifiedNameErrors),
      complaints(path(here, "value"), taint.value, labelValueErrors(taint.value ?? "")),
      oneOf(path(here, "effect"), taint.effect, ["NoSchedule", "PreferNoSchedule", "NoExecute"]),
      again(key) && duplicate(here, key),
    );
  });
}

function validateNode({ spec: { taints, podCIDR, podCIDRs } = {}, status }: Node): Errors {
  const differ = podCIDRs?.length && podCIDR !== undefined && podCIDR !== podCIDRs[0];
  return all(
    validateTaints(taints, "spec.taints"),
    each("spec.podCIDRs", podCIDRs, (at, cidr) => complaints(at, cidr, cidrErrors(cidr))),
    eachEntry("status.capacity", status?.capacity, quantityNotNegative),
    eachEntry("status.allocatable", status?.allocatable, quantityNotNegative),
    differ && invalidValue("spec.podCIDRs", podCIDRs, "the first value must match `podCIDR`"),
  );
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
  const text =
    "node updates may only change labels, taints, or capacity (or configSource, if the DynamicKubeletConfig feature gate is enabled)";
  return deepEqual(frozen(next.spec, old.spec), frozen(old.spec, old.spec)) ? [] : [forbiddenField("spec", text)];
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
  withoutHeartbeat: ({ spec, status }) => ({
    spec,
    status: {
      ...status,
      conditions: status?.conditions?.map((condition) => ({ ...condition, lastHeartbeatTime: "" })),
    },
  }),
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
