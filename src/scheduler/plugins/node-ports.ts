// Host ports. Follows kubernetes v1.36 pkg/scheduler/framework/plugins/nodeports.
import { portsCollide } from "../../kinds/core/node-room.ts";
import { podInfo } from "../pod-info.ts";
import { nodeGained, reject, type Plugin } from "../plugin.ts";

export const nodePorts: Plugin = {
  name: "NodePorts",
  filter({ hostPorts }, node) {
    if (hostPorts.length === 0) return undefined;
    for (const other of node.pods) {
      if (portsCollide(other.hostPorts, hostPorts)) {
        return reject("node(s) didn't have free ports for the requested pod ports");
      }
    }
    return undefined;
  },
  wakes: (change) =>
    nodeGained(change, () => false) ||
    (change.type === "pod" && change.pod === undefined && podInfo(change.old!).hostPorts.length > 0),
};
