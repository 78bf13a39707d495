// Endpoints: the addresses behind a service, in the form before EndpointSlice.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type Endpoints = core.Endpoints;

export const Endpoints = defineKind<core.Endpoints>({
  group: "",
  version: "v1",
  kind: "Endpoints",
  plural: "endpoints",
  singular: "endpoints",
  shortNames: ["ep"],
});
