// The quality-of-service class of a pod. Follows kubernetes v1.36 pkg/apis/core/helper/qos/qos.go (ComputePodQOS).
import { quantityToNumber } from "../../../machinery/quantity.ts";
import type { PodSpec, ResourceRequirements } from "../../generated/core.v1.ts";

export type QosClass = "BestEffort" | "Burstable" | "Guaranteed";

const counted = ["cpu", "memory"] as const;

const amount = (resources: ResourceRequirements | undefined, which: "requests" | "limits", name: string): number => {
  const quantity = resources?.[which]?.[name];
  return quantity === undefined ? 0 : quantityToNumber(quantity);
};

/** Guaranteed when every container limits CPU and memory to what it requests; BestEffort when none asks for anything. */
export function qosClassOf(spec: PodSpec): QosClass {
  const asked: (ResourceRequirements | undefined)[] = spec.resources
    ? [spec.resources]
    : [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((container) => container.resources);
  let anything = false;
  let guaranteed = asked.length > 0;
  for (const resources of asked) {
    for (const name of counted) {
      const limit = amount(resources, "limits", name);
      const request = amount(resources, "requests", name) || limit;
      if (limit > 0 || request > 0) anything = true;
      if (limit === 0 || request !== limit) guaranteed = false;
    }
  }
  if (!anything) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}
