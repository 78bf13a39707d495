// A watch as a stream of newline-delimited JSON or length-delimited protobuf. Follows kubernetes v1.36
// staging/src/k8s.io/apiserver/pkg/endpoints/handlers/watch.go (frames, bookmarks, timeouts).
import type { AnyKind } from "../../kinds/registry.ts";
import type { Clock } from "../../machinery/clock.ts";
import { isReason } from "../../machinery/errors.ts";
import type { StoreEvent, Subscription } from "../../store/store.ts";
import type { Api, RequestContext, WatchParameters } from "../types.ts";
import { bookmarkFrame, errorFrame, eventEncoder, watchType, type Encoding, type EventEncoder } from "./encode.ts";
import { statusOf, type BodySink, type EdgeResponse } from "./exchange.ts";

export interface WatchOptions {
  readonly api: Api;
  readonly context: RequestContext;
  readonly kind: AnyKind;
  readonly parameters: WatchParameters;
  readonly encoding: Encoding;
  readonly clock: Clock;
  /** After this the watch ends normally; the client starts another one. */
  readonly timeoutSeconds: number;
  /** The revision up to which everything has been delivered to watchers. */
  readonly currentRevision: () => number;
  /** Calls back when the server ends; returns the unsubscriber. */
  readonly onClosing: (callback: () => void) => () => void;
}

/** A client that is so many events behind, beyond those it started with, is cut off; it comes back and resumes. */
const maxWaitingEvents = 10_000;
const bookmarkMs = 60_000;

/**
 * Starts the watch at once, so that refusals are ordinary error responses; events wait until the client is ready.
 * A start that is too old is an ERROR event, as clients expect it.
 */
export function watchResponse(options: WatchOptions): EdgeResponse {
  const { api, context, kind, parameters, encoding, clock } = options;
  const stream = new WatchStream(
    options,
    eventEncoder(kind, encoding, () => clock.now()),
  );
  let subscription: Subscription | undefined;
  try {
    subscription = api.watch(context, kind, parameters, {
      onEvents: (events) => stream.events(events),
      onInitialEnd: (revision) => stream.bookmark(revision, { "k8s.io/initial-events-end": "true" }),
      onEnd: (error) => stream.end(error),
    });
  } catch (error) {
    if (!isReason(error, "Expired", "Gone")) throw error;
    stream.end(error);
  }
  // The client may be gone before the body is ever asked for.
  context.signal?.addEventListener("abort", () => subscription?.close(), { once: true });
  return {
    status: 200,
    headers: { "content-type": watchType(encoding) },
    body: (sink) => stream.start(sink, subscription),
  };
}

/** What is written in one turn of the event loop: what a thousand clients watch must not hold up all others. */
const bytesPerTurn = 1024 * 1024;
/** The least that a write counts, as small ones cost more than their bytes. */
const bytesOfWrite = 4096;
const msPerTurn = 4;
/** What one stream writes at a time. */
const bytesPerWrite = 64 * 1024;

/** Streams whose turn has not come, and what others may write before it does. */
const crowd = { waiting: new Set<WatchStream>(), room: 0, until: 0, isScheduled: false };

/** Lets the stream write now or in a later turn. */
function takeTurn(stream: WatchStream): void {
  if (!crowd.isScheduled) {
    crowd.isScheduled = true;
    crowd.room = bytesPerTurn;
    crowd.until = performance.now() + msPerTurn;
    setImmediate(nextTurn);
  }
  if (crowd.room > 0 && performance.now() < crowd.until) crowd.room -= Math.max(bytesOfWrite, stream.flush());
  else crowd.waiting.add(stream);
}

function nextTurn(): void {
  crowd.isScheduled = false;
  // Who has more to write comes after those that are here already.
  const waiting = [...crowd.waiting];
  crowd.waiting.clear();
  for (const stream of waiting) takeTurn(stream);
}

class WatchStream {
  readonly #options: WatchOptions;
  readonly #encode: EventEncoder;
  /** Events are encoded when they are written: what a slow client has not got yet takes next to no memory. */
  #waiting: (StoreEvent | Buffer)[] = [];
  #next = 0;
  #mostWaiting = Infinity;
  #sink: BodySink | undefined;
  #isBehind = false;
  #ended = false;
  #revision = 0;

  constructor(options: WatchOptions, encode: EventEncoder) {
    this.#options = options;
    this.#encode = encode;
  }

  events(events: readonly StoreEvent[]): void {
    if (this.#ended) return;
    this.#revision = Math.max(this.#revision, events.at(-1)!.revision);
    if (this.#waiting.length === 0 && events.length > 1) this.#waiting = [...events];
    else for (const event of events) this.#waiting.push(event);
    if (this.#waiting.length - this.#next > this.#mostWaiting) this.#sink!.abort();
    else this.#proceed();
  }

  bookmark(revision: number, annotations?: Record<string, string>): void {
    if (this.#ended) return;
    this.#revision = revision;
    this.#waiting.push(bookmarkFrame(this.#options.kind, this.#options.encoding, revision, annotations));
    this.#proceed();
  }

  /** Ends the stream when everything is written, with an ERROR event when there is an error. */
  end(error?: unknown): void {
    if (this.#ended) return;
    const { kind, encoding } = this.#options;
    if (error !== undefined) this.#waiting.push(errorFrame(kind, encoding, statusOf(error)));
    this.#ended = true;
    this.#proceed();
  }

  #proceed(): void {
    if (this.#sink && !this.#isBehind) takeTurn(this);
  }

  /** Writes some of what waits; says how many bytes. */
  flush(): number {
    const sink = this.#sink!;
    const frames: Buffer[] = [];
    let size = 0;
    while (this.#next < this.#waiting.length && size < bytesPerWrite) {
      const item = this.#waiting[this.#next++]!;
      const frame = "entry" in item ? this.#encode(item) : item;
      frames.push(frame);
      size += frame.length;
    }
    const isDone = this.#next === this.#waiting.length;
    if (isDone) {
      this.#waiting = [];
      this.#next = 0;
    }
    const isTaken = size === 0 || sink.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames));
    if (isDone && this.#ended) sink.end();
    else if (!isTaken) void this.#waitForClient(sink);
    else if (!isDone) crowd.waiting.add(this);
    return size;
  }

  async #waitForClient(sink: BodySink): Promise<void> {
    this.#isBehind = true;
    await sink.drained();
    this.#isBehind = false;
    if (!sink.signal.aborted && (this.#waiting.length > 0 || this.#ended)) takeTurn(this);
  }

  start(sink: BodySink, subscription: Subscription | undefined): void {
    this.#sink = sink;
    this.#mostWaiting = this.#waiting.length + maxWaitingEvents;
    const cancels = [() => subscription?.close()];
    const stop = () => {
      this.#ended = true;
      for (const cancel of cancels.splice(0)) cancel();
    };
    const leave = () => {
      stop();
      this.#waiting = [];
      this.#next = 0;
    };
    if (sink.signal.aborted) return leave();
    if (this.#waiting.length > 0 || this.#ended) takeTurn(this);
    if (this.#ended) return stop();
    sink.signal.addEventListener("abort", leave, { once: true });
    const { clock, timeoutSeconds, parameters, onClosing } = this.#options;
    // What the client has not got by then, it asks for again.
    const finish = () => (leave(), this.#proceed());
    cancels.push(clock.after(timeoutSeconds * 1000, finish), onClosing(finish));
    if (parameters.allowBookmarks) this.#bookmarkRegularly(cancels);
  }

  #bookmarkRegularly(cancels: (() => void)[]): void {
    const { clock, currentRevision } = this.#options;
    const tick = () => {
      const revision = currentRevision();
      if (revision > this.#revision) this.bookmark(revision);
      cancels[slot] = clock.after(bookmarkMs, tick);
    };
    const slot = cancels.push(clock.after(bookmarkMs, tick)) - 1;
  }
}
