// FlowSchema: sorts requests into priority levels.
import type * as flowcontrol from "../generated/flowcontrol.v1.ts";
import { defineKind } from "../kind.ts";

export type FlowSchema = flowcontrol.FlowSchema;

export const FlowSchema = defineKind<flowcontrol.FlowSchema>({
  group: "flowcontrol.apiserver.k8s.io",
  version: "v1",
  kind: "FlowSchema",
  plural: "flowschemas",
  namespaced: false,
  hasGeneration: true,
  subresources: {
    status: true,
  },
});
