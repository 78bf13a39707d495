// Event: a report of something that happened to an object.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type Event = core.Event;

export const Event = defineKind<core.Event>({
  group: "",
  version: "v1",
  kind: "Event",
  plural: "events",
  shortNames: ["ev"],
  selectableFields: {
    "involvedObject.apiVersion": (event) => event.involvedObject.apiVersion ?? "",
    "involvedObject.fieldPath": (event) => event.involvedObject.fieldPath ?? "",
    "involvedObject.kind": (event) => event.involvedObject.kind ?? "",
    "involvedObject.name": (event) => event.involvedObject.name ?? "",
    "involvedObject.namespace": (event) => event.involvedObject.namespace ?? "",
    "involvedObject.resourceVersion": (event) => event.involvedObject.resourceVersion ?? "",
    "involvedObject.uid": (event) => event.involvedObject.uid ?? "",
    reason: (event) => event.reason ?? "",
    reportingComponent: (event) => event.reportingComponent || (event.source?.component ?? ""),
    source: (event) => event.source?.component || (event.reportingComponent ?? ""),
    type: (event) => event.type ?? "",
  },
});
