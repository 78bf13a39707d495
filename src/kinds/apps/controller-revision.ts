// ControllerRevision: a recorded state of a DaemonSet or StatefulSet.
import type * as apps from "../generated/apps.v1.ts";
import { defineKind } from "../kind.ts";

export type ControllerRevision = apps.ControllerRevision;

export const ControllerRevision = defineKind<apps.ControllerRevision>({
  group: "apps",
  version: "v1",
  kind: "ControllerRevision",
  plural: "controllerrevisions",
});
