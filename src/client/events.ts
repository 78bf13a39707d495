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
const eventKind = defineKind<Event>("v1", "Event");

const rememberedEvents = 1024;
/** Events that wait to be written; more are dropped, so that an unreachable server costs no memory. */
const longestQueue = 1000;
const longestMessage = 1024;
/** Events gather for so long: their writing must not compete with what they tell about, and one commit takes them all. */
const gatherMs = 200;

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
  let gathered = new Map<string, Occurrence>();
  let cancelTimer: (() => void) | undefined;
  let tail: Promise<void> = Promise.resolve();

  function remember(key: string, entry: Remembered): void {
    remembered.delete(key);
    remembered.set(key, entry);
    if (remembered.size > rememberedEvents) remembered.delete(remembered.keys().next().value!);
  }

  async function write(key: string, { subject, type, reason, message, at, times }: Occurrence): Promise<void> {
    const known = remembered.get(key);
    if (known) {
      known.count += times;
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
    const event = newEvent(subject, { type, reason, message, component, host, at, times, sequence: sequence++ });
    remember(key, { name: event.metadata.name!, namespace: event.metadata.namespace!, count: times });
    await client.create(eventKind, event);
  }

  /** Everything gathered is written side by side, each event once; the next lot comes after it. */
  function writeGathered(): void {
    cancelTimer?.();
    cancelTimer = undefined;
    const lot = gathered;
    gathered = new Map();
    tail = tail.then(async () => {
      await Promise.allSettled([...lot].map(([key, occurrence]) => write(key, occurrence)));
      queued -= lot.size;
    });
  }

  return {
    event(subject, type, reason, message) {
      const occurrence = { subject, type, reason, message: message.slice(0, longestMessage), at: clock.now() };
      const key = keyOfOccurrence(occurrence);
      const earlier = gathered.get(key);
      if (earlier) gathered.set(key, { ...occurrence, times: earlier.times + 1 });
      else if (queued < longestQueue) {
        queued++;
        gathered.set(key, { ...occurrence, times: 1 });
        cancelTimer ??= clock.after(gatherMs, writeGathered);
      }
    },
    flush() {
      writeGathered();
      return tail;
    },
  };
}

interface Occurrence {
  readonly subject: EventSubject;
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  /** Of the last time, milliseconds since the epoch. */
  readonly at: number;
  readonly times: number;
}

/** What repetitions of an event have in common. */
const keyOfOccurrence = ({ subject, type, reason, message }: Omit<Occurrence, "times">): string =>
  [subject.metadata.uid, subject.kind, subject.metadata.name, subject.fieldPath, type, reason, message].join("\n");

interface EventFacts {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly component: string;
  readonly host: string | undefined;
  readonly at: number;
  readonly times: number;
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
    count: facts.times,
  };
}
