// Performs plans: writes through the client, waits until the caches show them, and holds the one error policy.
import type { Client } from "../../client/client.ts";
import type { EventRecorder } from "../../client/events.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import type { Clock } from "../../machinery/clock.ts";
import { isReason, StatusError } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Action, Caches } from "./controller.ts";
import { Sightings, type Expected } from "./sightings.ts";

/** Groups of creates start small and double, so that a refusal (quota) is met by few. */
const firstGroup = 4;
const largestGroup = 64;

export class Performer {
  readonly #client: Client;
  readonly #events: EventRecorder;
  readonly #sightings: Sightings;

  constructor(
    client: Client,
    caches: Caches,
    events: EventRecorder,
    { clock, signal }: { clock: Clock; signal: AbortSignal },
  ) {
    this.#client = client;
    this.#events = events;
    this.#sightings = new Sightings(caches, clock, signal);
  }

  /**
   * Performs all actions and waits until the caches show them. Throws what the server refused: what is in the way (a
   * quota, a missing PriorityClass, another's write) may go within milliseconds or stay for days.
   */
  async perform(actions: readonly Action[]): Promise<void> {
    const expected = new Map<AnyKind, Expected>();
    try {
      for (const group of groups(actions)) {
        const results = await Promise.allSettled(group.map((action) => this.#act(action, expected)));
        const failure = results.find((result) => result.status === "rejected");
        if (failure) return await this.#fail(group[results.indexOf(failure)]!, failure.reason, expected);
      }
    } finally {
      await Promise.all([...expected].map(([kind, what]) => this.#sightings.wait(kind, what)));
    }
  }

  async #fail(action: Action, error: unknown, expected: Map<AnyKind, Expected>): Promise<void> {
    if (!(error instanceof StatusError)) throw error;
    // The object went away meanwhile: the caches will tell.
    if (isReason(error, "NotFound") && action.type !== "create") return;
    if (action.type === "create") {
      if (isTerminating(error)) return;
      if (action.announce) {
        this.#events.event(action.announce, "Warning", "FailedCreate", `Error creating: ${error.message}`);
      }
      for (const next of action.onError?.(error) ?? []) await this.#act(next, expected);
    }
    throw error;
  }

  async #act(action: Action, expected: Map<AnyKind, Expected>): Promise<void> {
    switch (action.type) {
      case "event":
        return this.#events.event(action.subject, action.eventType, action.reason, action.message);
      case "effect":
        return action.run();
      case "delete":
        return this.#delete(action, expected);
      case "create": {
        const created = await this.#client.create(action.kind, action.object);
        if (action.announce) {
          const message = `Created ${action.kind.singular}: ${created.metadata.name}`;
          this.#events.event(action.announce, "Normal", "SuccessfulCreate", message);
        }
        return expect(expected, action.kind, created);
      }
      case "update":
        return expect(expected, action.kind, await this.#client.update(action.kind, action.object));
      case "updateStatus":
        return expect(expected, action.kind, await this.#client.updateStatus(action.kind, action.object));
      case "patch": {
        const { kind, object, subresource, confirm } = action;
        if (confirm && !(await this.#lives(confirm.kind, confirm.object))) return;
        const patch = { ...action.patch, metadata: { ...(action.patch.metadata as object), uid: object.metadata.uid } };
        const options = subresource ? { subresource } : {};
        return expect(expected, kind, await this.#client.patch(kind, targetOf(object), "merge", patch, options));
      }
    }
  }

  /** Asks the server, not the cache. */
  async #lives(kind: AnyKind, { metadata }: KubeObject): Promise<boolean> {
    try {
      const { metadata: live } = await this.#client.get(kind, metadata.name, metadata.namespace);
      return live.uid === metadata.uid && live.deletionTimestamp === undefined;
    } catch (error) {
      if (isReason(error, "NotFound")) return false;
      throw error;
    }
  }

  async #delete(action: Action & { type: "delete" }, expected: Map<AnyKind, Expected>): Promise<void> {
    const { kind, object, propagationPolicy, gracePeriodSeconds, announce } = action;
    try {
      await this.#client.delete(kind, targetOf(object), {
        preconditions: { uid: object.metadata.uid },
        ...(propagationPolicy ? { propagationPolicy } : {}),
        ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
      });
    } catch (error) {
      // Gone already, or a namesake took its place: either way this object is no more.
      if (isReason(error, "NotFound", "Conflict")) return;
      if (announce) {
        this.#events.event(announce, "Warning", "FailedDelete", `Error deleting: ${(error as Error).message}`);
      }
      throw error;
    }
    if (announce) {
      this.#events.event(announce, "Normal", "SuccessfulDelete", `Deleted ${kind.singular}: ${object.metadata.name}`);
    }
    expectedOf(expected, kind).deleted.push(object);
  }
}

/** Neighbouring creates and neighbouring deletes together, everything else alone. */
function groups(actions: readonly Action[]): Action[][] {
  const out: Action[][] = [];
  let limit = largestGroup;
  for (const action of actions) {
    const last = out.at(-1);
    const joins = action.type === "create" || action.type === "delete";
    const first = last?.[0];
    if (joins && last && first?.type === action.type && first.kind === action.kind) {
      if (last.length < limit) last.push(action);
      else {
        out.push([action]);
        limit = Math.min(limit * 2, largestGroup);
      }
    } else {
      out.push([action]);
      limit = action.type === "create" ? firstGroup : largestGroup;
    }
  }
  return out;
}

const targetOf = ({ metadata }: KubeObject) => ({ name: metadata.name, namespace: metadata.namespace ?? "" });

function expectedOf(expected: Map<AnyKind, Expected>, kind: AnyKind): Expected {
  let found = expected.get(kind);
  if (!found) expected.set(kind, (found = { revision: 0, deleted: [] }));
  return found;
}

function expect(expected: Map<AnyKind, Expected>, kind: AnyKind, written: KubeObject): void {
  const found = expectedOf(expected, kind);
  found.revision = Math.max(found.revision, Number(written.metadata.resourceVersion));
}

/** A refusal because the namespace is going away: what could not be created would be deleted next. */
const isTerminating = (error: StatusError): boolean =>
  isReason(error, "Forbidden") &&
  (error.status.details?.causes ?? []).some(({ reason }) => reason === "NamespaceTerminating");
