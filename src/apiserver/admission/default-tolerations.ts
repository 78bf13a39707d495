// Pods stay five minutes on a node that is not ready or unreachable, unless they say otherwise.
// Follows kubernetes v1.36 plugin/pkg/admission/defaulttolerationseconds.
import type { Pod } from "../../kinds/generated/core.v1.ts";
import { deepFreeze } from "../../store/entry.ts";
import type { AdmissionPlugin } from "./chain.ts";

/** For all pods the very same. */
const defaults = deepFreeze(
  ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].map((key) => ({
    key,
    operator: "Exists",
    effect: "NoExecute",
    tolerationSeconds: 300,
  })),
);

export const defaultTolerations: AdmissionPlugin = {
  name: "DefaultTolerationSeconds",
  operations: ["CREATE"],
  resources: ["/pods"],
  mutate({ object }) {
    const { spec } = object as Pod;
    if (!spec) return;
    const tolerations = spec.tolerations ?? [];
    const missing = defaults.filter(
      (one) => !tolerations.some(({ key, effect }) => (!key || key === one.key) && (!effect || effect === "NoExecute")),
    );
    if (missing.length > 0) spec.tolerations = [...tolerations, ...missing];
  },
};
