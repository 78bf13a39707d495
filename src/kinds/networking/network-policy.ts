// NetworkPolicy: which traffic pods may send and receive.
import type * as networking from "../generated/networking.v1.ts";
import { defineKind } from "../kind.ts";

export type NetworkPolicy = networking.NetworkPolicy;

export const NetworkPolicy = defineKind<networking.NetworkPolicy>({
  group: "networking.k8s.io",
  version: "v1",
  kind: "NetworkPolicy",
  plural: "networkpolicies",
  shortNames: ["netpol"],
  hasGeneration: true,
});
