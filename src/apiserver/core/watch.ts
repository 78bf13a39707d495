// Watch: the store's events of one collection, seen through a selector, after the start that the client names.
import { collectionOf } from "../../kinds/kind.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { methodNotSupported } from "../../machinery/errors.ts";
import { StoreError } from "../../store/store.ts";
import type { StoreEvent, Subscription } from "../../store/store.ts";
import type { Api, RequestContext, WatchParameters } from "../types.ts";
import { authorize } from "./authorize.ts";
import { resourceOf } from "./core.ts";
import type { Core } from "./core.ts";
import { atRevision, prepareViews, viewOfEvent } from "./entries.ts";
import { expiredVersion, listSelected, parseVersion, tooLargeVersion } from "./list.ts";
import { selectionOf } from "./selection.ts";
import type { Selection } from "./selection.ts";

type Sink = Parameters<Api["watch"]>[3];

/** Starts a watch; throws StatusError (Expired, Forbidden, BadRequest) before anything is delivered. */
export function watch(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  parameters: WatchParameters,
  sink: Sink,
): Subscription {
  if (!kind.verbs.includes("watch")) throw methodNotSupported(resourceOf(kind), "watch");
  const selection = selectionOf(kind, parameters.labelSelector, parameters.fieldSelector);
  const { namespace } = parameters;
  authorize(core.authorizer, context, kind, "watch", { namespace, name: selection.name }, "", selection);
  const version = parameters.resourceVersion ?? "";
  const fromNow = version === "" || version === "0";
  const asked = fromNow ? 0 : parseVersion(version);
  if (asked > core.store.revision) throw tooLargeVersion(asked, core.store.revision);
  const initial = parameters.sendInitialEvents ?? fromNow;
  const after = initial ? sendInitial(core, kind, parameters, selection, sink) : fromNow ? core.store.revision : asked;
  const watched = namespace || selection.namespace || undefined;
  const deliver = (events: readonly StoreEvent[]) => {
    const seen = selectEvents(kind, selection, events);
    if (seen.length > 0) sink.onEvents(seen);
  };
  const state = { closed: false };
  const listener = kind.storage?.foreign ? inTurn(kind, state, deliver, sink) : deliver;
  try {
    const query = { collection: collectionOf(kind), after, ...(watched ? { namespace: watched } : {}) };
    const subscription = core.store.watch(query, listener);
    return {
      close() {
        state.closed = true;
        subscription.close();
      },
    };
  } catch (error) {
    if (error instanceof StoreError && error.code === "compacted") throw expiredVersion(asked, core);
    throw error;
  }
}

/** Delivers events in their order, each batch when its objects are ready to be seen. */
function inTurn(
  kind: AnyKind,
  state: { readonly closed: boolean },
  deliver: (events: readonly StoreEvent[]) => void,
  sink: Sink,
): typeof deliver {
  let turn: Promise<unknown> = Promise.resolve();
  return (events) => {
    const entries = events.flatMap(({ entry, previous }) => (previous ? [entry, previous] : [entry]));
    turn = turn
      .then(() => prepareViews(kind, entries))
      .then(
        () => state.closed || deliver(events),
        (error: unknown) => state.closed || sink.onEnd(error),
      );
  };
}

/** Delivers what is there as ADDED; returns the revision of the listing. */
function sendInitial(core: Core, kind: AnyKind, parameters: WatchParameters, selection: Selection, sink: Sink): number {
  const { namespace } = parameters;
  const { entries, revision } = listSelected(core, kind, { namespace }, selection);
  // In the order of their changes, so that a client can go on from the last that it has got.
  const events = entries
    .map((entry): StoreEvent => ({ type: "ADDED", revision: entry.revision, entry }))
    .toSorted((a, b) => a.revision - b.revision);
  if (events.length > 0) sink.onEvents(events);
  if (parameters.sendInitialEvents) sink.onInitialEnd?.(revision);
  return revision;
}

/** The events as a watcher with this selection sees them. */
export function selectEvents(
  kind: AnyKind,
  selection: Selection,
  events: readonly StoreEvent[],
): readonly StoreEvent[] {
  if (selection.all && !kind.storage) return events;
  const seen: StoreEvent[] = [];
  for (const stored of events) {
    const event = select(selection, viewOfEvent(kind, stored));
    if (event) seen.push(event);
  }
  return seen;
}

function select(selection: Selection, event: StoreEvent): StoreEvent | undefined {
  if (selection.all) return event;
  const { type, entry, previous, revision } = event;
  const before = previous !== undefined && selection.matches(previous.object);
  if (type === "DELETED") return before || (!previous && selection.matches(entry.object)) ? event : undefined;
  const now = selection.matches(entry.object);
  if (now) return before ? event : { type: "ADDED", revision, entry };
  return before ? { type: "DELETED", revision, entry: atRevision(previous, revision), previous } : undefined;
}
