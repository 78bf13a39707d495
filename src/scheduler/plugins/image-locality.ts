// Nodes that have the pod's images already. Follows kubernetes v1.36 pkg/scheduler/framework/plugins/imagelocality.
import type { ClusterView } from "../cluster-state.ts";
import type { Plugin } from "../plugin.ts";

const megabyte = 1024 * 1024;
const least = 23 * megabyte;
const mostPerContainer = 1000 * megabyte;

/** An image without tag or digest means its `latest`. */
export const normalizedImage = (image: string): string =>
  image.lastIndexOf(":") <= image.lastIndexOf("/") ? `${image}:latest` : image;

export const imageLocality: Plugin<ClusterView> = {
  name: "ImageLocality",
  prepare: (_pod, cluster) => cluster,
  score({ pod }, node, cluster) {
    if (node.images.size === 0) return 0;
    const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
    let sum = 0;
    for (const { image = "" } of containers) {
      const name = normalizedImage(image);
      // An image that few nodes have counts less, or all its pods would crowd on those.
      sum += ((node.images.get(name) ?? 0) * cluster.nodesWithImage(name)) / cluster.nodes.length;
    }
    const most = mostPerContainer * containers.length;
    return Math.floor((100 * (Math.min(Math.max(sum, least), most) - least)) / (most - least));
  },
  weight: 1,
  wakes: () => false,
};
