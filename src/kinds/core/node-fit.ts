// Whether a node fits a pod by the pod's own word: node selectors, node affinity, tolerations of taints.
// Follows kubernetes v1.36 component-helpers/scheduling/corev1 (ToleratesTaint, nodeaffinity).
import type {
  Node,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodSpec,
  Taint,
  Toleration,
} from "../generated/core.v1.ts";

/** An empty key with Exists tolerates everything; an empty effect every effect. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  const value = taint.value ?? "";
  switch (toleration.operator || "Equal") {
    case "Exists":
      return true;
    case "Equal":
      return toleration.key !== undefined && toleration.key !== "" && (toleration.value ?? "") === value;
    case "Gt":
      return isInteger(value) && isInteger(toleration.value) && BigInt(value) > BigInt(toleration.value!);
    case "Lt":
      return isInteger(value) && isInteger(toleration.value) && BigInt(value) < BigInt(toleration.value!);
    default:
      return false;
  }
}

const isInteger = (text: string | undefined): boolean => text !== undefined && /^-?\d+$/.test(text);

/** The first taint of these effects that none of the tolerations covers. */
export const untolerated = (
  tolerations: readonly Toleration[] | undefined,
  taints: readonly Taint[] | undefined,
  effects: readonly string[],
): Taint | undefined =>
  taints?.find((t) => effects.includes(t.effect) && !tolerations?.some((toleration) => tolerates(toleration, t)));

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
export function podAllowsNode(spec: PodSpec | undefined, node: Node): boolean {
  for (const [key, value] of Object.entries(spec?.nodeSelector ?? {})) {
    if (node.metadata.labels?.[key] !== value) return false;
  }
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || selectorMatchesNode(required.nodeSelectorTerms ?? [], node);
}
