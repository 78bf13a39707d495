// Event of events.k8s.io: the same stored objects as the core Event, with other field names.
// Follows kubernetes v1.36 pkg/apis/core/v1 and pkg/apis/events/v1/conversion.go (which field becomes which).
import type * as core from "../generated/core.v1.ts";
import type * as events from "../generated/events.v1.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { Event } from "../core/event.ts";
import { defineKind } from "../kind.ts";

export type EventsEvent = events.Event;

/** The events.k8s.io view of a stored core Event. */
export function toEventsV1(stored: core.Event): events.Event {
  const { involvedObject, message, source, firstTimestamp, lastTimestamp, count, reportingComponent, ...rest } = stored;
  return compact({
    ...rest,
    apiVersion: "events.k8s.io/v1",
    regarding: involvedObject,
    note: message,
    deprecatedSource: source,
    deprecatedFirstTimestamp: firstTimestamp,
    deprecatedLastTimestamp: lastTimestamp,
    deprecatedCount: count,
    reportingController: reportingComponent,
  }) as events.Event;
}

/** The core Event to store for one of events.k8s.io. */
export function toCoreEvent(event: events.Event): core.Event {
  const {
    regarding,
    note,
    deprecatedSource,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedCount,
    reportingController,
    ...rest
  } = event;
  return compact({
    ...rest,
    apiVersion: "v1",
    involvedObject: regarding ?? {},
    message: note,
    source: deprecatedSource,
    firstTimestamp: deprecatedFirstTimestamp,
    lastTimestamp: deprecatedLastTimestamp,
    count: deprecatedCount,
    reportingComponent: reportingController,
  }) as core.Event;
}

const compact = (object: object) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

export const EventsEvent = defineKind<events.Event>({
  group: "events.k8s.io",
  version: "v1",
  kind: "Event",
  plural: "events",
  shortNames: ["ev"],
  storage: {
    group: Event.group,
    plural: Event.plural,
    fromStored: (stored: KubeObject) => toEventsV1(stored as core.Event),
    toStored: toCoreEvent,
  },
});
