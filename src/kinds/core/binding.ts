// Binding: ties a pod to a node. It is answered by the pod, not stored.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type Binding = core.Binding;

export const Binding = defineKind<Binding>("v1", "Binding", {
  verbs: ["create"],
  virtual: true,
});
