// Gives Services their addresses and node ports, and keeps or frees them when a Service changes.
import type { Service } from "../../kinds/generated/core.v1.ts";
import { defaultFamilies, dropUnneeded, keepAllocated } from "../services/fields.ts";
import type { AdmissionPlugin } from "./chain.ts";

export const serviceAllocation: AdmissionPlugin = {
  name: "ServiceAllocation",
  operations: ["CREATE", "UPDATE"],
  resources: ["/services"],
  mutate({ object, old }) {
    const draft = object as Service;
    if (!draft.spec) return;
    if (old) {
      keepAllocated(draft, old as Service);
      dropUnneeded(draft, old as Service);
    }
    defaultFamilies(draft);
  },
  // After validation, so that nothing is taken for a Service that is refused anyway.
  validate({ object, old, transaction }, { services }) {
    if ((object as Service).spec) services.allocate(object as Service, old as Service | undefined, transaction);
  },
};
