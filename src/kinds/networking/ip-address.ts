// IPAddress: an address in use by a Service.
import type * as networking from "../generated/networking.v1.ts";
import { defineKind } from "../kind.ts";

export type IPAddress = networking.IPAddress;

export const IPAddress = defineKind<networking.IPAddress>({
  group: "networking.k8s.io",
  version: "v1",
  kind: "IPAddress",
  plural: "ipaddresses",
  namespaced: false,
  nameRule: "pathSegment",
  shortNames: ["ip"],
  hasGeneration: true,
  selectableFields: {
    "spec.parentRef.resource": (o) => o.spec.parentRef?.resource ?? "",
  },
});
