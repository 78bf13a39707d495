// Pods stay five minutes on a node that is not ready or unreachable, unless they say otherwise.
// Follows kubernetes v1.36 plugin/pkg/admission/defaulttolerationseconds.
import type { Pod } from "../../kinds/generated/core.v1.ts";
import type { AdmissionPlugin } from "./chain.ts";

const seconds = 300;
const taints = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

export const defaultTolerations: AdmissionPlugin = {
  name: "DefaultTolerationSeconds",
  operations: ["CREATE"],
  resources: ["/pods"],
  mutate({ object }) {
    const { spec } = object as Pod;
    if (!spec) return;
    const tolerations = spec.tolerations ?? [];
    const missing = taints.filter(
      (taint) => !tolerations.some(({ key, effect }) => (!key || key === taint) && (!effect || effect === "NoExecute")),
    );
    if (missing.length === 0) return;
    spec.tolerations = [
      ...tolerations,
      ...missing.map((key) => ({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: seconds })),
    ];
  },
};
