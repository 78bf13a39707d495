// Taints of nodes. Follows kubernetes v1.36 pkg/scheduler/framework/plugins/tainttoleration.
import { deepEqual } from "../../machinery/equal.ts";
import { nodeGained, normalizeByMaximum, rejectForGood, type Plugin } from "../plugin.ts";
import { tolerates, untolerated } from "../../kinds/core/node-fit.ts";

export const taintToleration: Plugin = {
  name: "TaintToleration",
  filter({ pod }, { node }) {
    const taint = untolerated(pod.spec?.tolerations, node.spec?.taints, ["NoSchedule", "NoExecute"]);
    return taint && rejectForGood(`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`);
  },
  score({ pod }, { node }) {
    if (!node.spec?.taints) return 0;
    const preferNot = node.spec.taints.filter(({ effect }) => effect === "PreferNoSchedule");
    const mild = (pod.spec?.tolerations ?? []).filter(({ effect }) => !effect || effect === "PreferNoSchedule");
    return preferNot.filter((taint) => !mild.some((toleration) => tolerates(toleration, taint))).length;
  },
  normalize: (scores) => normalizeByMaximum(scores, true),
  weight: 3,
  wakes: (change) => nodeGained(change, (old, node) => !deepEqual(old.spec?.taints, node.spec?.taints)),
};
