// Node selector terms, of pods and of volumes. Follows kubernetes v1.36 component-helpers/scheduling/corev1/nodeaffinity.
import type { Node, NodeSelectorRequirement, NodeSelectorTerm, Pod } from "../kinds/generated/core.v1.ts";

function holds({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  const number = () => (value !== undefined && /^[+-]?\d+$/.test(value) ? BigInt(value) : undefined);
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return number() !== undefined && number()! > BigInt(values[0]!);
    case "Lt":
      return number() !== undefined && number()! < BigInt(values[0]!);
    default:
      return false;
  }
}

/** An empty term matches no node. */
export function termMatches({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  return (
    matchExpressions.every((requirement) => holds(requirement, node.metadata.labels?.[requirement.key])) &&
    matchFields.every((r) => holds(r, r.key === "metadata.name" ? node.metadata.name : undefined))
  );
}

export const selectorMatchesNode = (terms: readonly NodeSelectorTerm[], node: Node): boolean =>
  terms.some((term) => termMatches(term, node));

/** Whether the pod's nodeSelector and required node affinity allow the node. */
export function podAllowsNode({ spec }: Pod, node: Node): boolean {
  for (const [key, value] of Object.entries(spec?.nodeSelector ?? {})) {
    if (node.metadata.labels?.[key] !== value) return false;
  }
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || selectorMatchesNode(required.nodeSelectorTerms ?? [], node);
}
