// A long body out of many small parts: copied into one buffer that is written, waited for and filled again, so that a list
// of any size takes no memory of its own, and nobody waits long for the turn of somebody else.
import { setImmediate } from "node:timers/promises";
import type { Body, BodySink } from "./exchange.ts";

/** Large enough to keep TLS busy, small enough to be filled and written in about two milliseconds. */
const chunkBytes = 512 * 1024;

/** Parts that are made when their turn comes may take longer: then a chunk is smaller. */
const msPerChunk = 4;
/** How many parts are taken before the clock is looked at. */
const partsPerLook = 16;

/** Of a UTF-16 code unit in UTF-8. */
const maxCharBytes = 3;

/** Filled buffers are garbage that only a full collection finds, so a few are used again. */
const spare: Buffer[] = [];
const maxSpare = 2;

export type BodyPart = Uint8Array | string;

class Chunks {
  readonly #parts: Iterator<BodyPart>;
  readonly #buffer = spare.pop() ?? Buffer.allocUnsafeSlow(chunkBytes);
  /** The part that did not fit, from where it has not been copied. */
  #rest: Uint8Array | undefined;

  constructor(parts: Iterator<BodyPart>) {
    this.#parts = parts;
  }

  /** The next bytes, valid until the next call; `last` when there are no more. */
  next(): { readonly bytes: Buffer; readonly last: boolean } {
    let size = 0;
    const until = performance.now() + msPerChunk;
    for (let parts = 1; size < chunkBytes; parts++) {
      if (parts % partsPerLook === 0 && performance.now() > until) break;
      const next = this.#rest ?? (this.#parts.next().value as BodyPart | undefined);
      if (next === undefined) return { bytes: this.#buffer.subarray(0, size), last: true };
      if (typeof next === "string" && next.length * maxCharBytes <= chunkBytes - size) {
        size += this.#buffer.write(next, size);
        continue;
      }
      const part = typeof next === "string" ? Buffer.from(next) : next;
      const fits = Math.min(part.length, chunkBytes - size);
      this.#buffer.set(fits === part.length ? part : part.subarray(0, fits), size);
      this.#rest = fits === part.length ? undefined : part.subarray(fits);
      size += fits;
    }
    return { bytes: this.#buffer.subarray(0, size), last: false };
  }

  release(): void {
    if (spare.length < maxSpare) spare.push(this.#buffer);
  }
}

/** The parts as a body: whole when they are few, else in chunks with pauses for other requests. */
export function chunked(parts: Iterator<BodyPart>): Exclude<Body, string> {
  const chunks = new Chunks(parts);
  const first = chunks.next();
  if (first.last) {
    const whole = Buffer.from(first.bytes);
    chunks.release();
    return whole;
  }
  return (sink) => writeChunks(sink, chunks, first);
}

async function writeChunks(sink: BodySink, chunks: Chunks, first: ReturnType<Chunks["next"]>): Promise<void> {
  for (let chunk = first; ; chunk = chunks.next()) {
    const { bytes, last } = chunk;
    await new Promise<void>((resolve) => sink.write(bytes, resolve));
    // What a connection that broke off still holds is not used again.
    if (sink.signal.aborted) return;
    if (last) break;
    await setImmediate();
  }
  chunks.release();
  sink.end();
}

/** All bytes of a body; undefined when they are more than `limit`. */
export async function bytesOf(body: Body, limit = Infinity): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const take = (chunk: Uint8Array | string) => {
    size += chunk.length;
    if (size <= limit) chunks.push(Buffer.from(chunk as Uint8Array));
  };
  if (typeof body === "function") await gather(body, take);
  else take(body);
  return size > limit ? undefined : Buffer.concat(chunks);
}

const gather = (produce: (sink: BodySink) => void | Promise<void>, take: (chunk: Uint8Array) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const sink: BodySink = {
      write(chunk, done) {
        take(chunk);
        done?.();
        return true;
      },
      drained: () => Promise.resolve(),
      bufferedBytes: 0,
      end: resolve,
      abort: () => reject(new Error("the body broke off")),
      signal: new AbortController().signal,
    };
    Promise.try(produce, sink).catch(reject);
  });
