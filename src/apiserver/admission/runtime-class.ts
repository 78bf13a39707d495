// A pod's runtime class brings its overhead and its place on nodes. Follows kubernetes v1.36 plugin/pkg/admission/runtimeclass.
import type { Pod } from "../../kinds/generated/core.v1.ts";
import type { RuntimeClass } from "../../kinds/generated/node.v1.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { forbidden } from "../../machinery/errors.ts";
import type { AdmissionPlugin } from "./chain.ts";

export const runtimeClass: AdmissionPlugin = {
  name: "RuntimeClass",
  operations: ["CREATE"],
  resources: ["/pods"],
  mutate({ object, name }, { store }) {
    const { spec } = object as Pod;
    if (!spec) return;
    const refuse = (why: string) => forbidden({ group: "", resource: "pods" }, name, `pod rejected: ${why}`);
    if (!spec.runtimeClassName) {
      if (Object.keys(spec.overhead ?? {}).length)
        throw refuse("Pod Overhead set without corresponding RuntimeClass defined Overhead");
      return;
    }
    const entry = store.latest({
      collection: "node.k8s.io/runtimeclasses",
      namespace: "",
      name: spec.runtimeClassName,
    });
    if (!entry) throw refuse(`RuntimeClass ${JSON.stringify(spec.runtimeClassName)} not found`);
    const { overhead, scheduling } = entry.object as RuntimeClass;
    if (spec.overhead && !deepEqual(spec.overhead, overhead?.podFixed)) {
      throw refuse("Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    }
    if (overhead?.podFixed) spec.overhead = { ...overhead.podFixed };
    for (const [key, value] of Object.entries(scheduling?.nodeSelector ?? {})) {
      const own = spec.nodeSelector?.[key];
      if (own !== undefined && own !== value)
        throw refuse(
          `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
        );
      spec.nodeSelector = { ...spec.nodeSelector, [key]: value };
    }
    const added = (scheduling?.tolerations ?? []).filter(
      (one) => !spec.tolerations?.some((own) => deepEqual(own, one)),
    );
    if (added.length) spec.tolerations = [...(spec.tolerations ?? []), ...added.map((one) => ({ ...one }))];
  },
};
