// RuntimeClass: names a configuration of the container runtime.
import type * as nodeApi from "../generated/node.v1.ts";
import { defineKind } from "../kind.ts";

export type RuntimeClass = nodeApi.RuntimeClass;

export const RuntimeClass = defineKind<nodeApi.RuntimeClass>({
  group: "node.k8s.io",
  version: "v1",
  kind: "RuntimeClass",
  plural: "runtimeclasses",
  namespaced: false,
});
