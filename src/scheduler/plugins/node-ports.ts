// Host ports. Follows kubernetes v1.36 pkg/scheduler/framework/plugins/nodeports.
import type { HostPort } from "../pod-info.ts";
import { podInfo } from "../pod-info.ts";
import { nodeGained, reject, type Plugin } from "../plugin.ts";

const collide = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === "0.0.0.0" || b.ip === "0.0.0.0");

export const nodePorts: Plugin = {
  name: "NodePorts",
  filter({ hostPorts }, node) {
    if (hostPorts.length === 0) return undefined;
    for (const other of node.pods) {
      if (other.hostPorts.some((used) => hostPorts.some((wanted) => collide(used, wanted)))) {
        return reject("node(s) didn't have free ports for the requested pod ports");
      }
    }
    return undefined;
  },
  wakes: (change) =>
    nodeGained(change, () => false) ||
    (change.type === "pod" && change.pod === undefined && podInfo(change.old!).hostPorts.length > 0),
};
