// Whether a node is well, as its conditions, taints and heartbeat tell.
import type { NodeCondition, Taint } from "../../kinds/generated/core.v1.ts";
import type { Node } from "../../kinds/index.ts";

export const conditionOf = (node: Node, type: string): NodeCondition | undefined =>
  node.status?.conditions?.find((condition) => condition.type === type);

export const isReady = (node: Node): boolean => conditionOf(node, "Ready")?.status === "True";

/** Taints that evict. */
export const evictingTaints = (node: Node): Taint[] =>
  (node.spec?.taints ?? []).filter(({ effect }) => effect === "NoExecute");
