// A watch as a stream of newline-delimited JSON or length-delimited protobuf. Follows kubernetes v1.36
// staging/src/k8s.io/apiserver/pkg/endpoints/handlers/watch.go (frames, bookmarks, timeouts).
import type { AnyKind } from "../../kinds/registry.ts";
import type { Clock } from "../../machinery/clock.ts";
import { isReason } from "../../machinery/errors.ts";
import type { StoreEvent, Subscription } from "../../store/store.ts";
import type { Api, RequestContext, WatchParameters } from "../types.ts";
import { bookmarkFrame, errorFrame, eventEncoder, watchType, type Encoding } from "./encode.ts";
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

/** A client this far behind is cut off; it comes back and resumes from its last revision. */
const maxBufferedBytes = 32 * 1024 * 1024;
const bookmarkMs = 60_000;

/**
 * Starts the watch at once, so that refusals are ordinary error responses; events wait until the client is ready.
 * A start that is too old is an ERROR event, as clients expect it.
 */
export function watchResponse(options: WatchOptions): EdgeResponse {
  const { api, context, kind, parameters, encoding, clock } = options;
  const stream = new WatchStream(options);
  const encode = eventEncoder(kind, encoding, () => clock.now());
  let subscription: Subscription | undefined;
  try {
    subscription = api.watch(context, kind, parameters, {
      onEvents: (events) => stream.events(events, encode),
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

/** Frames written in one turn of the event loop: what a thousand clients watch must not hold up all others. */
const framesPerTurn = 256;

/** Streams whose turn has not come, and how many more may write in this one. */
const crowd = { waiting: new Set<WatchStream>(), room: framesPerTurn, isScheduled: false };

/** Whether the stream may write now; else it is told when. */
function takeTurn(stream: WatchStream): boolean {
  if (!crowd.isScheduled) {
    crowd.isScheduled = true;
    setImmediate(nextTurn);
  }
  if (crowd.room > 0) return crowd.room-- > 0;
  crowd.waiting.add(stream);
  return false;
}

function nextTurn(): void {
  crowd.isScheduled = false;
  crowd.room = framesPerTurn;
  for (const stream of crowd.waiting) {
    if (crowd.room === 0) break;
    crowd.waiting.delete(stream);
    takeTurn(stream);
    stream.flush();
  }
}

class WatchStream {
  readonly #options: WatchOptions;
  readonly #waiting: Buffer[] = [];
  #sink: BodySink | undefined;
  #ended = false;
  #revision = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  events(events: readonly StoreEvent[], encode: (event: StoreEvent) => Buffer): void {
    if (this.#ended) return;
    this.#write(events.length === 1 ? encode(events[0]!) : Buffer.concat(events.map(encode)));
    this.#revision = Math.max(this.#revision, events.at(-1)!.revision);
  }

  bookmark(revision: number, annotations?: Record<string, string>): void {
    if (this.#ended) return;
    this.#write(bookmarkFrame(this.#options.kind, this.#options.encoding, revision, annotations));
    this.#revision = revision;
  }

  /** Ends the stream, with an ERROR event when there is an error. */
  end(error?: unknown): void {
    if (this.#ended) return;
    const { kind, encoding } = this.#options;
    if (error !== undefined) this.#write(errorFrame(kind, encoding, statusOf(error)));
    this.#ended = true;
    this.flush();
    this.#sink?.end();
  }

  /** Writes what waits. */
  flush(): void {
    const sink = this.#sink;
    const waiting = this.#waiting;
    if (!sink || waiting.length === 0) return;
    sink.write(waiting.length === 1 ? waiting[0]! : Buffer.concat(waiting));
    waiting.length = 0;
    if (sink.bufferedBytes > maxBufferedBytes) sink.abort();
  }

  start(sink: BodySink, subscription: Subscription | undefined): void {
    this.#sink = sink;
    const cancels = [() => subscription?.close()];
    const stop = () => {
      this.#ended = true;
      for (const cancel of cancels.splice(0)) cancel();
    };
    this.flush();
    if (this.#ended) {
      stop();
      return sink.end();
    }
    if (sink.signal.aborted) return stop();
    sink.signal.addEventListener("abort", stop, { once: true });
    const { clock, timeoutSeconds, parameters, onClosing } = this.#options;
    const finish = () => (stop(), this.flush(), sink.end());
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

  #write(frame: Buffer): void {
    this.#waiting.push(frame);
    if (this.#sink && takeTurn(this)) this.flush();
  }
}
