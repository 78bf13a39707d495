// Pods of a DaemonSet: which nodes they belong on, and how each is bound to its node.
// Follows kubernetes v1.36 pkg/controller/daemon/{daemon_controller.go,util/daemonset_util.go}.
import type { NodeSelectorTerm, PodSpec, Toleration } from "../../kinds/generated/core.v1.ts";
import type { DaemonSet, Node, Pod } from "../../kinds/index.ts";
import type { NewObject } from "../../machinery/object.ts";
import { podAllowsNode, untolerated } from "../../kinds/core/node-fit.ts";
import { podFromTemplate } from "../common/pods.ts";
import { revisionLabel } from "../common/revisions.ts";

const nameField = "metadata.name";

/** Daemons outlast whatever drives other pods off a node. */
const daemonTolerations: readonly Toleration[] = [
  { key: "node.kubernetes.io/not-ready", operator: "Exists", effect: "NoExecute" },
  { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute" },
  { key: "node.kubernetes.io/disk-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/memory-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/pid-pressure", operator: "Exists", effect: "NoSchedule" },
  { key: "node.kubernetes.io/unschedulable", operator: "Exists", effect: "NoSchedule" },
];
const networkUnavailable: Toleration = {
  key: "node.kubernetes.io/network-unavailable",
  operator: "Exists",
  effect: "NoSchedule",
};

function tolerationsOf(spec: PodSpec): Toleration[] {
  const added = spec.hostNetwork ? [...daemonTolerations, networkUnavailable] : daemonTolerations;
  const known = spec.tolerations ?? [];
  const has = ({ key, effect }: Toleration) =>
    known.some((other) => other.key === key && other.effect === effect && other.operator === "Exists");
  return [...known, ...added.filter((toleration) => !has(toleration))];
}

/** Whether a daemon should start on the node, and whether one that is there may stay. */
export function placement(set: DaemonSet, node: Node): { readonly run: boolean; readonly stay: boolean } {
  const spec = set.spec!.template.spec!;
  const fits = (!spec.nodeName || spec.nodeName === node.metadata.name) && podAllowsNode(spec, node);
  if (!fits) return { run: false, stay: false };
  const allows = (...effects: string[]) => !untolerated(tolerationsOf(spec), node.spec?.taints, effects);
  const stay = allows("NoExecute");
  return { run: stay && allows("NoSchedule"), stay };
}

/** The pod of one node; the scheduler puts it there. */
export function daemonPod(set: DaemonSet, node: string, revisionHash: string): NewObject<Pod> {
  const { template } = set.spec!;
  const spec = template.spec!;
  const labels = { ...template.metadata?.labels, [revisionLabel]: revisionHash };
  return podFromTemplate(set, {
    ...template,
    metadata: { ...template.metadata, labels },
    spec: { ...spec, tolerations: tolerationsOf(spec), affinity: withNode(spec.affinity, node) },
  });
}

function withNode(affinity: PodSpec["affinity"], node: string): NonNullable<PodSpec["affinity"]> {
  const matchFields = [{ key: nameField, operator: "In", values: [node] }];
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const nodeSelectorTerms: NodeSelectorTerm[] = terms?.length
    ? terms.map((term) => ({ ...term, matchFields }))
    : [{ matchFields }];
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms },
    },
  };
}

/** The node that a daemon runs on or is meant for. */
export function nodeOf({ spec }: Pod): string | undefined {
  if (spec?.nodeName) return spec.nodeName;
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  for (const { matchFields = [] } of terms ?? []) {
    const field = matchFields.find(({ key, operator }) => key === nameField && operator === "In");
    if (field?.values?.length === 1) return field.values[0];
  }
  return undefined;
}
