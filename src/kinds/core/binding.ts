// Binding: ties a pod to a node. It is answered by the pod, not stored.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type Binding = core.Binding;

export const Binding = defineKind<core.Binding>({
  group: "",
  version: "v1",
  kind: "Binding",
  plural: "bindings",
  verbs: ["create"],
  virtual: true,
});
