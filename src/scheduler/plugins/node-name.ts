// The node that the pod asks for by name. Follows kubernetes v1.36 pkg/scheduler/framework/plugins/nodename.
import { nodeGained, rejectForGood, type Plugin } from "../plugin.ts";

export const nodeName: Plugin = {
  name: "NodeName",
  filter({ pod }, node) {
    const wanted = pod.spec?.nodeName;
    return wanted && wanted !== node.name ? rejectForGood("node(s) didn't match the requested node name") : undefined;
  },
  wakes: (change) => nodeGained(change, () => false),
};
