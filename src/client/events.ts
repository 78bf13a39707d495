// Records core/v1 Events about objects, one per (object, reason, message): repetitions raise its count.
// Follows kubernetes v1.36 client-go/tools/record (event names, aggregation by count).
import type { Client } from "./client.ts";
import type { Event } from "../kinds/generated/core.v1.ts";
import { defineKind } from "../kinds/kind.ts";
import { formatTime, type Clock } from "../machinery/clock.ts";
import { isReason } from "../machinery/errors.ts";
import type { KubeObject, NewObject } from "../machinery/object.ts";

/** What an event is about; an object of the cache fits. `fieldPath` names a part, such as `spec.containers{web}`. */
export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Pick<KubeObject["metadata"], "name"> & Partial<KubeObject["metadata"]>;
  readonly fieldPath?: string;
}

export interface EventRecorder {
  /** Queues an event; never throws and never blocks. Events that cannot be written are dropped. */
  event(subject: EventSubject, type: "Normal" | "Warning", reason: string, message: string): void;
  /** Resolves when everything queued so far is written or dropped. */
  flush(): Promise<void>;
}

/** The address of events is all that the recorder needs of the kind. */
const eventKind = defineKind<Event>({ group: "", version: "v1", kind: "Event", plural: "events" });

const rememberedEvents = 1024;
/** Events that wait to be written; more are dropped, so that an unreachable server costs no memory. */
const longestQueue = 1000;
const longestMessage = 1024;

interface Remembered {
  readonly name: string;
  readonly namespace: string;
  count: number;
}

/** `host` is set by node components, so that `kubectl describe` shows where the event comes from. */
export function createEventRecorder(client: Client, component: string, clock: Clock, host?: string): EventRecorder {
  const remembered = new Map<string, Remembered>();
  // Recorders start apart, so that two of them do not name events alike within one millisecond.
  let sequence = [...`${component}/${host ?? ""}`].reduce(
    (sum, char) => (sum * 31 + char.codePointAt(0)!) % 1_000_000,
    0,
  );
  let queued = 0;
  let tail: Promise<void> = Promise.resolve();

  function remember(key: string, entry: Remembered): void {
    remembered.delete(key);
    remembered.set(key, entry);
    if (remembered.size > rememberedEvents) remembered.delete(remembered.keys().next().value!);
  }

  async function write(subject: EventSubject, type: string, reason: string, text: string, at: number): Promise<void> {
    const message = text.length > longestMessage ? text.slice(0, longestMessage) : text;
    const key = [
      subject.metadata.uid,
      subject.kind,
      subject.metadata.name,
      subject.fieldPath,
      type,
      reason,
      message,
    ].join("\n");
    const known = remembered.get(key);
    if (known) {
      known.count++;
      remember(key, known);
      try {
        const { name, namespace } = known;
        await client.patch(eventKind, { name, namespace }, "merge", {
          count: known.count,
          lastTimestamp: formatTime(at),
        });
        return;
      } catch (error) {
        // Old events expire; then this one is the first again.
        if (!isReason(error, "NotFound")) throw error;
      }
    }
    const event = newEvent(subject, { type, reason, message, component, host, at, sequence: sequence++ });
    remember(key, { name: event.metadata.name!, namespace: event.metadata.namespace!, count: 1 });
    await client.create(eventKind, event);
  }

  return {
    event(subject, type, reason, message) {
      if (queued >= longestQueue) return;
      queued++;
      const at = clock.now();
      tail = tail
        .then(() => write(subject, type, reason, message, at))
        .catch(() => {})
        .finally(() => queued--);
    },
    flush: () => tail,
  };
}

interface EventFacts {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly component: string;
  readonly host: string | undefined;
  readonly at: number;
  readonly sequence: number;
}

function newEvent(subject: EventSubject, facts: EventFacts): NewObject<Event> {
  const { apiVersion, kind, metadata, fieldPath } = subject;
  const namespace = metadata.namespace || "default";
  // Unique among recorders: the time in nanoseconds, with this recorder's sequence in the digits the clock lacks.
  const stamp = (BigInt(facts.at) * 1_000_000n + BigInt(facts.sequence % 1_000_000)).toString(16);
  const time = formatTime(facts.at);
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: `${metadata.name}.${stamp}`, namespace },
    involvedObject: {
      apiVersion,
      kind,
      name: metadata.name,
      ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
      ...(metadata.uid ? { uid: metadata.uid } : {}),
      ...(metadata.resourceVersion ? { resourceVersion: metadata.resourceVersion } : {}),
      ...(fieldPath ? { fieldPath } : {}),
    },
    type: facts.type,
    reason: facts.reason,
    message: facts.message,
    source: { component: facts.component, ...(facts.host ? { host: facts.host } : {}) },
    reportingComponent: facts.component,
    reportingInstance: facts.host ?? "",
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
}
