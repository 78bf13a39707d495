// Pods with resource claims are refused by name: nothing here allocates devices.
import { Unschedulable, type Plugin } from "../plugin.ts";

export const dynamicResources: Plugin = {
  name: "DynamicResources",
  prepare({ pod }) {
    if (pod.spec?.resourceClaims?.length)
      throw new Unschedulable("spec.resourceClaims is not supported by this scheduler");
  },
  wakes: () => false,
};
