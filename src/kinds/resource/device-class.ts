// DeviceClass: names a selection of devices.
import type * as resource from "../generated/resource.v1.ts";
import { defineKind } from "../kind.ts";

export type DeviceClass = resource.DeviceClass;

export const DeviceClass = defineKind<resource.DeviceClass>({
  group: "resource.k8s.io",
  version: "v1",
  kind: "DeviceClass",
  plural: "deviceclasses",
  namespaced: false,
  hasGeneration: true,
});
