// All plugins, in the order in which they filter.
import type { AnyPlugin } from "../plugin.ts";
import { dynamicResources } from "./dynamic-resources.ts";
import { imageLocality } from "./image-locality.ts";
import { interPodAffinity } from "./inter-pod-affinity.ts";
import { nodeAffinity } from "./node-affinity.ts";
import { nodeName } from "./node-name.ts";
import { nodePorts } from "./node-ports.ts";
import { balancedAllocation, nodeResourcesFit } from "./node-resources.ts";
import { nodeUnschedulable } from "./node-unschedulable.ts";
import { podTopologySpread } from "./pod-topology-spread.ts";
import { taintToleration } from "./taint-toleration.ts";
import { volumeBinding, volumeRestrictions, type VolumeView } from "./volume-binding.ts";

export const allPlugins = (volumes: VolumeView): readonly AnyPlugin[] => [
  dynamicResources,
  nodeUnschedulable,
  nodeName,
  taintToleration,
  nodeAffinity,
  nodePorts,
  nodeResourcesFit,
  volumeRestrictions(volumes),
  volumeBinding(volumes),
  podTopologySpread,
  interPodAffinity,
  balancedAllocation,
  imageLocality,
];
