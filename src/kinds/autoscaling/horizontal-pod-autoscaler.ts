// HorizontalPodAutoscaler: scales a workload by its load.
import type * as autoscaling from "../generated/autoscaling.v2.ts";
import { defineKind } from "../kind.ts";

export type HorizontalPodAutoscaler = autoscaling.HorizontalPodAutoscaler;

export const HorizontalPodAutoscaler = defineKind<autoscaling.HorizontalPodAutoscaler>({
  group: "autoscaling",
  version: "v2",
  kind: "HorizontalPodAutoscaler",
  plural: "horizontalpodautoscalers",
  shortNames: ["hpa"],
  categories: ["all"],
  subresources: {
    status: true,
  },
});
