// nodeSelector and node affinity. Follows kubernetes v1.36 pkg/scheduler/framework/plugins/nodeaffinity.
import { deepEqual } from "../../machinery/equal.ts";
import { podAllowsNode, termMatches } from "../../kinds/core/node-fit.ts";
import { nodeGained, normalizeByMaximum, rejectForGood, type Plugin } from "../plugin.ts";

export const nodeAffinity: Plugin = {
  name: "NodeAffinity",
  filter({ pod }, { node }) {
    return podAllowsNode(pod.spec, node)
      ? undefined
      : rejectForGood("node(s) didn't match Pod's node affinity/selector");
  },
  indifferent: ({ pod }) => !pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.length,
  score({ pod }, { node }) {
    const preferred = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    let score = 0;
    for (const { weight, preference } of preferred) if (termMatches(preference, node)) score += weight;
    return score;
  },
  normalize: (scores) => normalizeByMaximum(scores, false),
  weight: 2,
  wakes: (change) => nodeGained(change, (old, node) => !deepEqual(old.metadata.labels, node.metadata.labels)),
};
