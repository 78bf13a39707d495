// Nodes that have the pod's images already. Follows kubernetes v1.36 pkg/scheduler/framework/plugins/imagelocality.
import type { Plugin } from "../plugin.ts";

const megabyte = 1024 * 1024;
const least = 23 * megabyte;
const mostPerContainer = 1000 * megabyte;

/** An image without tag or digest means its `latest`. */
const normalizedImage = (image: string): string =>
  image.lastIndexOf(":") <= image.lastIndexOf("/") ? `${image}:latest` : image;

interface Image {
  readonly name: string;
  /** The part of all nodes that have it: an image that few have counts less, or all its pods would crowd on those. */
  readonly share: number;
}

export const imageLocality: Plugin<readonly Image[]> = {
  name: "ImageLocality",
  prepare({ pod }, cluster) {
    const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
    return containers.map(({ image = "" }) => {
      const name = normalizedImage(image);
      return { name, share: cluster.nodesWithImage(name) / cluster.nodes.length };
    });
  },
  indifferent: (_pod, images) => images.every(({ share }) => share === 0),
  score(_pod, node, images) {
    let sum = 0;
    for (const { name, share } of images) sum += (node.images.get(name) ?? 0) * share;
    const most = mostPerContainer * images.length;
    return Math.floor((100 * (Math.min(Math.max(sum, least), most) - least)) / (most - least));
  },
  weight: 1,
  wakes: () => false,
};
