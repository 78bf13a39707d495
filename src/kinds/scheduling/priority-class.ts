// PriorityClass: names a pod priority.
import type * as scheduling from "../generated/scheduling.v1.ts";
import { defineKind } from "../kind.ts";

export type PriorityClass = scheduling.PriorityClass;

export const PriorityClass = defineKind<scheduling.PriorityClass>({
  group: "scheduling.k8s.io",
  version: "v1",
  kind: "PriorityClass",
  plural: "priorityclasses",
  namespaced: false,
  shortNames: ["pc"],
});
