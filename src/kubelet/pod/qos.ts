// Quality of service of a pod. Follows kubernetes v1.36 pkg/apis/core/v1/helper/qos (ComputePodQOS).
import type { PodSpec } from "../../kinds/generated/core.v1.ts";
import { quantityToNumber } from "../../machinery/quantity.ts";

export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

const computed = ["cpu", "memory"] as const;
const positive = (value: string | undefined): boolean => value !== undefined && quantityToNumber(value) > 0;

export function qosOf(spec: PodSpec): QosClass {
  const parts = spec.resources ? [spec] : [...(spec.initContainers ?? []), ...spec.containers];
  let any = false;
  let guaranteed = true;
  for (const { resources } of parts) {
    for (const name of computed) {
      const request = resources?.requests?.[name];
      const limit = resources?.limits?.[name];
      if (positive(request) || positive(limit)) any = true;
      if (!positive(limit) || quantityToNumber(request ?? limit!) !== quantityToNumber(limit!)) guaranteed = false;
    }
  }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}
