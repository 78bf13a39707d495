// Event of events.k8s.io: the same stored objects as the core Event, with other field names.
// Follows kubernetes v1.36 pkg/apis/core/v1 and pkg/apis/events/v1/conversion.go (which field becomes which).
import type * as core from "../generated/core.v1.ts";
import type * as events from "../generated/events.v1.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { invalidValue, required, tooLong } from "../../machinery/field.ts";
import { qualifiedNameErrors } from "../../machinery/names.ts";
import { type Errors, named, oneOf } from "../checks.ts";
import { columnsThrough } from "../columns.ts";
import { Event, eventColumns } from "../core/event.ts";
import { defineKind } from "../kind.ts";

export type EventsEvent = events.Event;

/** Fields of the core Event that are called otherwise here. */
const renamed: Readonly<Record<string, string>> = {
  involvedObject: "regarding",
  message: "note",
  source: "deprecatedSource",
  firstTimestamp: "deprecatedFirstTimestamp",
  lastTimestamp: "deprecatedLastTimestamp",
  count: "deprecatedCount",
  reportingComponent: "reportingController",
};
const renamedBack = Object.fromEntries(Object.entries(renamed).map(([core, events]) => [events, core]));

const rename = (object: object, names: Readonly<Record<string, string>>): object =>
  Object.fromEntries(Object.entries(object).map(([field, value]) => [names[field] ?? field, value]));

/** The events.k8s.io view of a stored core Event. */
const toEventsV1 = (stored: core.Event): events.Event =>
  ({ ...rename(stored, renamed), apiVersion: "events.k8s.io/v1" }) as events.Event;

/** The core Event to store for one of events.k8s.io. */
const toCoreEvent = (event: events.Event): core.Event => {
  const absent = { involvedObject: {}, source: {}, reportingComponent: "", reportingInstance: "" };
  return { ...absent, ...rename(event, renamedBack), apiVersion: "v1" } as core.Event;
};

const longestShortField = 128;
const longestNote = 1024;

/** Old clients wrote events without these fields; only new events of this API must have them. */
function validate(event: EventsEvent): Errors {
  if (event.metadata.resourceVersion) return [];
  const errors = [
    ...(event.eventTime ? [] : [required("eventTime")]),
    ...named("reportingController", event.reportingController, qualifiedNameErrors),
    ...oneOf("type", event.type, ["Normal", "Warning"]),
  ];
  for (const field of ["reportingInstance", "action", "reason"] as const) {
    const value = event[field];
    if (!value) errors.push(required(field));
    else if (value.length > longestShortField) errors.push(tooLong(field, longestShortField));
  }
  if ((event.note?.length ?? 0) > longestNote) errors.push(tooLong("note", longestNote));
  if (event.series && event.series.count < 2) {
    errors.push(invalidValue("series.count", event.series.count, "should be at least 2"));
  }
  return errors;
}

export const EventsEvent = defineKind<EventsEvent>("events.k8s.io/v1", "Event", {
  shortNames: ["ev"],
  selectableFields: {
    "regarding.apiVersion": ({ regarding }) => regarding?.apiVersion ?? "",
    "regarding.fieldPath": ({ regarding }) => regarding?.fieldPath ?? "",
    "regarding.kind": ({ regarding }) => regarding?.kind ?? "",
    "regarding.name": ({ regarding }) => regarding?.name ?? "",
    "regarding.namespace": ({ regarding }) => regarding?.namespace ?? "",
    "regarding.resourceVersion": ({ regarding }) => regarding?.resourceVersion ?? "",
    "regarding.uid": ({ regarding }) => regarding?.uid ?? "",
    reason: ({ reason }) => reason ?? "",
    reportingController: ({ reportingController }) => reportingController ?? "",
    type: ({ type }) => type ?? "",
  },
  columns: columnsThrough(toCoreEvent, eventColumns),
  validate,
  storage: {
    group: Event.group,
    version: Event.version,
    plural: Event.plural,
    fromStored: (stored: KubeObject) => toEventsV1(stored as core.Event),
    toStored: toCoreEvent,
  },
});
