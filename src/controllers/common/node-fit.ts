// Which nodes a pod may run on by its own word: node affinity, node selector and tolerations.
// Follows kubernetes v1.36 staging/src/k8s.io/component-helpers/scheduling/corev1 (node affinity, tolerations).
import type { NodeSelectorTerm, PodSpec, Taint, Toleration } from "../../kinds/generated/core.v1.ts";
import type { Node } from "../../kinds/index.ts";
import { selectorMatches, type SelectorOperator } from "../../machinery/selector.ts";

const operators: Readonly<Record<string, SelectorOperator>> = {
  In: "in",
  NotIn: "notin",
  Exists: "exists",
  DoesNotExist: "!",
  Gt: "gt",
  Lt: "lt",
};

type Requirements = NodeSelectorTerm["matchExpressions"];

const holds = (requirements: Requirements, labels: Record<string, string> | undefined): boolean =>
  (requirements ?? []).every(({ key, operator, values = [] }) => {
    const known = operators[operator];
    return known !== undefined && selectorMatches([{ key, operator: known, values }], labels);
  });

/** A term without requirements matches nothing. */
export const matchesTerm = ({ matchExpressions, matchFields }: NodeSelectorTerm, { metadata }: Node): boolean =>
  Boolean(matchExpressions?.length || matchFields?.length) &&
  holds(matchExpressions, metadata.labels) &&
  holds(matchFields, { "metadata.name": metadata.name });

export function matchesNodeAffinity(spec: PodSpec, node: Node): boolean {
  const selected = Object.entries(spec.nodeSelector ?? {}).every(
    ([key, value]) => node.metadata.labels?.[key] === value,
  );
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return selected && (!required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node)));
}

export const tolerates = ({ key, operator = "Equal", value = "", effect }: Toleration, taint: Taint): boolean => {
  if (effect && effect !== taint.effect) return false;
  if (key && key !== taint.key) return false;
  return operator === "Exists" || (operator === "Equal" && Boolean(key) && value === (taint.value ?? ""));
};

export const untolerated = (taints: readonly Taint[], tolerations: readonly Toleration[]): Taint[] =>
  taints.filter((taint) => !tolerations.some((toleration) => tolerates(toleration, taint)));
