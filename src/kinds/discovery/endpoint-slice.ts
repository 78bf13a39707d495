// EndpointSlice: a part of the endpoints of a Service.
import type * as discovery from "../generated/discovery.v1.ts";
import { defineKind } from "../kind.ts";

export type EndpointSlice = discovery.EndpointSlice;

export const EndpointSlice = defineKind<discovery.EndpointSlice>({
  group: "discovery.k8s.io",
  version: "v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
});
