// A watch's answer, newline-delimited JSON, as an iterable of events.
import type { WatchEvent } from "./client.ts";
import type { HttpAnswer } from "./http-session.ts";
import { serviceUnavailable, StatusError, type Status } from "../machinery/errors.ts";
import type { KubeObject } from "../machinery/object.ts";

type Frame<T extends KubeObject> = WatchEvent<T> | { readonly type: "ERROR"; readonly object: Status };

const newline = 0x0a;

/** Splits a stream of chunks into complete lines; a part of a line at the very end is dropped: it was cut off. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const line = Buffer.concat([...rest, chunk.subarray(start, end)]);
      rest = [];
      start = end + 1;
      if (line.length > 0) yield line.toString("utf8");
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
  }
}

/**
 * Starts a watch and yields its events. Ends when the server ends it or the signal aborts; throws StatusError when the
 * server refuses it or sends an ERROR event, ServiceUnavailable when the connection breaks.
 */
export async function* watchEvents<T extends KubeObject>(
  start: (signal: AbortSignal) => Promise<HttpAnswer>,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>> {
  if (signal.aborted) return;
  let answer: HttpAnswer | undefined;
  try {
    answer = await start(signal);
    for await (const line of linesOf(answer.body)) {
      if (signal.aborted) return;
      const frame = JSON.parse(line) as Frame<T>;
      if (frame.type === "ERROR") throw new StatusError(frame.object);
      yield frame;
    }
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof StatusError) throw error;
    throw Object.assign(serviceUnavailable(`the watch broke off: ${String(error)}`), { cause: error });
  } finally {
    answer?.body.destroy();
  }
}
