// The kinds that the network room watches and writes.
import type { Pod as PodType, Secret as SecretType, Service as ServiceType } from "../kinds/generated/core.v1.ts";
import type { EndpointSlice as EndpointSliceType } from "../kinds/generated/discovery.v1.ts";
import type { Ingress as IngressType, IngressClass as IngressClassType } from "../kinds/generated/networking.v1.ts";
import { defineKind } from "../kinds/kind.ts";

export const Pod = defineKind<PodType>({ group: "", version: "v1", kind: "Pod", plural: "pods" });
export const Secret = defineKind<SecretType>({ group: "", version: "v1", kind: "Secret", plural: "secrets" });
export const Service = defineKind<ServiceType>({ group: "", version: "v1", kind: "Service", plural: "services" });
export const EndpointSlice = defineKind<EndpointSliceType>({
  group: "discovery.k8s.io",
  version: "v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
});
export const Ingress = defineKind<IngressType>({
  group: "networking.k8s.io",
  version: "v1",
  kind: "Ingress",
  plural: "ingresses",
});
export const IngressClass = defineKind<IngressClassType>({
  group: "networking.k8s.io",
  version: "v1",
  kind: "IngressClass",
  plural: "ingressclasses",
  namespaced: false,
});
