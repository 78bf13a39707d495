// PriorityLevelConfiguration: limits requests of one priority level.
import type * as flowcontrol from "../generated/flowcontrol.v1.ts";
import { defineKind } from "../kind.ts";

export type PriorityLevelConfiguration = flowcontrol.PriorityLevelConfiguration;

export const PriorityLevelConfiguration = defineKind<flowcontrol.PriorityLevelConfiguration>({
  group: "flowcontrol.apiserver.k8s.io",
  version: "v1",
  kind: "PriorityLevelConfiguration",
  plural: "prioritylevelconfigurations",
  namespaced: false,
  hasGeneration: true,
  subresources: {
    status: true,
  },
});
