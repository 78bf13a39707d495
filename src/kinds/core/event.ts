// Event: a report of something that happened to an object.
import type * as core from "../generated/core.v1.ts";
import { ageOf } from "../../machinery/duration.ts";
import { invalidValue } from "../../machinery/field.ts";
import { column, wideColumn } from "../columns.ts";
import { type Column, defineKind } from "../kind.ts";

export type Event = core.Event;

const source = (event: core.Event): string =>
  [event.source?.component || event.reportingComponent, event.source?.host || event.reportingInstance]
    .filter(Boolean)
    .join(", ");

function object({ involvedObject }: core.Event): string {
  const kind = (involvedObject.kind ?? "").toLowerCase();
  return involvedObject.name ? `${kind}/${involvedObject.name}` : kind;
}

const firstSeen = (event: core.Event) => event.firstTimestamp ?? event.eventTime;

const lastSeen = (event: core.Event) => event.series?.lastObservedTime ?? event.lastTimestamp ?? firstSeen(event);

/** What `kubectl get events` shows. */
export const eventColumns: readonly Column<core.Event>[] = [
  column("Last Seen", (event, now) => ageOf(lastSeen(event), now)),
  column("Type", (event) => event.type ?? ""),
  column("Reason", (event) => event.reason ?? ""),
  column("Object", object),
  wideColumn("Subobject", (event) => event.involvedObject.fieldPath ?? ""),
  wideColumn("Source", source),
  column("Message", (event) => (event.message ?? "").trim()),
  wideColumn("First Seen", (event, now) => ageOf(firstSeen(event), now)),
  wideColumn("Count", (event) => String(event.series?.count ?? (event.count || 1))),
  column("Name", (event) => event.metadata.name, { format: "name", priority: 1 }),
];

export const Event = defineKind<Event>("v1", "Event", {
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
  columns: eventColumns,
  defaults: (draft) => {
    draft.involvedObject ??= {};
    draft.source ??= {};
    draft.reportingComponent ??= "";
    draft.reportingInstance ??= "";
  },
  validate: (event) => {
    const namespace = event.metadata.namespace ?? "";
    const involved = event.involvedObject.namespace ?? "";
    const fits = involved === "" ? namespace === "" || namespace === "default" : involved === namespace;
    return fits ? [] : [invalidValue("involvedObject.namespace", involved, "does not match event.namespace")];
  },
});
