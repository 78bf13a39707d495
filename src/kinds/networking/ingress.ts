// Ingress: routes HTTP from outside to Services.
import type * as networking from "../generated/networking.v1.ts";
import { defineKind } from "../kind.ts";

export type Ingress = networking.Ingress;

export const Ingress = defineKind<networking.Ingress>({
  group: "networking.k8s.io",
  version: "v1",
  kind: "Ingress",
  plural: "ingresses",
  shortNames: ["ing"],
  hasGeneration: true,
  subresources: {
    status: true,
  },
});
