// Cordoned nodes. Follows kubernetes v1.36 pkg/scheduler/framework/plugins/nodeunschedulable.
import { nodeGained, rejectForGood, type Plugin } from "../plugin.ts";
import { untolerated } from "../../kinds/core/node-fit.ts";

const cordon = [{ key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" }];

export const nodeUnschedulable: Plugin = {
  name: "NodeUnschedulable",
  filter({ pod }, { node }) {
    if (!node.spec?.unschedulable || !untolerated(pod.spec?.tolerations, cordon, ["NoSchedule"])) return undefined;
    return rejectForGood("node(s) were unschedulable");
  },
  wakes: (change) => nodeGained(change, (old, node) => Boolean(old.spec?.unschedulable) && !node.spec?.unschedulable),
};
