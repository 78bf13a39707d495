// IngressClass: names an ingress controller.
import type * as networking from "../generated/networking.v1.ts";
import { defineKind } from "../kind.ts";

export type IngressClass = networking.IngressClass;

export const IngressClass = defineKind<networking.IngressClass>({
  group: "networking.k8s.io",
  version: "v1",
  kind: "IngressClass",
  plural: "ingressclasses",
  namespaced: false,
  hasGeneration: true,
});
