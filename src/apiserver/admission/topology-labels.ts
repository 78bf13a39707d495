// A pod carries the zone and region of its node, so that its containers can learn them.
// Follows kubernetes v1.36 plugin/pkg/admission/podtopologylabels.
import type { Binding, Pod } from "../../kinds/generated/core.v1.ts";
import type { AdmissionPlugin } from "./chain.ts";

const copied = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

export const podTopologyLabels: AdmissionPlugin = {
  name: "PodTopologyLabels",
  operations: ["CREATE"],
  resources: ["/pods"],
  subresources: ["binding"],
  mutate({ object, subresource }, { store }) {
    const nodeName = subresource === "binding" ? (object as Binding).target?.name : (object as Pod).spec?.nodeName;
    if (!nodeName) return;
    const node = store.get({ collection: "/nodes", namespace: "", name: nodeName })?.object.metadata.labels;
    const labels = Object.fromEntries(copied.flatMap((key) => (node?.[key] ? [[key, node[key]]] : [])));
    if (Object.keys(labels).length === 0) return;
    object.metadata = { ...object.metadata, labels: { ...object.metadata?.labels, ...labels } };
  },
};
