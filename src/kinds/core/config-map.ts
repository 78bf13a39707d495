// ConfigMap: configuration as keys and values.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type ConfigMap = core.ConfigMap;

export const ConfigMap = defineKind<core.ConfigMap>({
  group: "",
  version: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  shortNames: ["cm"],
});
