// DaemonSet: one pod on every matching node.
import type * as apps from "../generated/apps.v1.ts";
import { defineKind } from "../kind.ts";

export type DaemonSet = apps.DaemonSet;

export const DaemonSet = defineKind<apps.DaemonSet>({
  group: "apps",
  version: "v1",
  kind: "DaemonSet",
  plural: "daemonsets",
  shortNames: ["ds"],
  categories: ["all"],
  hasGeneration: true,
  subresources: {
    status: true,
  },
});
