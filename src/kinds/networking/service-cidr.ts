// ServiceCIDR: address ranges of Services.
import type * as networking from "../generated/networking.v1.ts";
import { defineKind } from "../kind.ts";

export type ServiceCIDR = networking.ServiceCIDR;

export const ServiceCIDR = defineKind<networking.ServiceCIDR>({
  group: "networking.k8s.io",
  version: "v1",
  kind: "ServiceCIDR",
  plural: "servicecidrs",
  namespaced: false,
  hasGeneration: true,
  subresources: {
    status: true,
  },
});
