// The body of a request: read whole within a bound, or passed on as it comes. What has come with the head is there at
// once, without a promise.
import type { Readable } from "node:stream";
import { badRequest, requestEntityTooLarge, tooManyRequests } from "../../machinery/errors.ts";

/** Where a body comes from. */
export interface BodySource {
  /** Tells the reader what has come, before it returns, and what still comes. To be called once. */
  read(reader: BodyReader): void;
  /** In the place of `read`. */
  stream(): Readable;
}

/** `data` any number of times, then one of the others. */
export interface BodyReader {
  /** The bytes stay valid. */
  data(chunk: Buffer): void;
  end(): void;
  fail(error: Error): void;
}

/** Upstream's limit for request bodies. */
const maxBodyBytes = 3 * 1024 * 1024;

/** All bodies that are held at one time; beyond that, clients are asked to come back. */
const maxHeldBytes = 512 * 1024 * 1024;
let heldBytes = 0;

export class RequestBody implements BodyReader {
  readonly #source: BodySource;
  readonly #declaredLength: string | undefined;
  #isAsked = false;
  #isWhole = false;
  #bytes: Buffer = nothing;
  #size = 0;
  #error: Error | undefined;
  #waiting: PromiseWithResolvers<Buffer> | undefined;
  /** Whether it counts among the bytes that are held. */
  #isHeld = false;

  /** `declaredLength` is the header content-length. */
  constructor(source: BodySource, declaredLength: string | undefined) {
    this.#source = source;
    this.#declaredLength = declaredLength;
  }

  /** Reads it for `whole`, and keeps it until `release`. Throws, or rejects with, TooManyRequests or what `whole` does. */
  prefetch(): Buffer | Promise<Buffer> {
    if (heldBytes > maxHeldBytes) {
      throw tooManyRequests("too many bytes of requests are waiting, please try again later", 1);
    }
    this.#isHeld = true;
    return this.whole();
  }

  release(): void {
    if (this.#isHeld) heldBytes -= this.#size;
    this.#isHeld = false;
    this.#bytes = nothing;
  }

  /** All of it. Throws, or rejects with, RequestEntityTooLarge or BadRequest. */
  whole(): Buffer | Promise<Buffer> {
    if (!this.#isAsked) {
      this.#isAsked = true;
      if (Number(this.#declaredLength) > maxBodyBytes) this.#error = tooLarge();
      else this.#source.read(this);
    }
    if (this.#error) throw this.#error;
    if (this.#isWhole) return this.#bytes;
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** To pass it on; not together with `whole`. */
  stream(): Readable {
    return this.#source.stream();
  }

  data(chunk: Buffer): void {
    // The stream outlives a refusal, as the answer goes out on the same one; what still comes is dropped.
    if (this.#error) return;
    const from = this.#size;
    this.#size += chunk.length;
    if (this.#isHeld) heldBytes += chunk.length;
    if (this.#size > maxBodyBytes) return this.#refuse(tooLarge());
    if (from === 0) {
      this.#bytes = chunk;
      return;
    }
    // Many small ones must not take more memory than their bytes.
    if (this.#size > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#size, Math.min(from * 2, maxBodyBytes)));
      this.#bytes.copy(larger, 0, 0, from);
      this.#bytes = larger;
    }
    chunk.copy(this.#bytes, from);
  }

  end(): void {
    if (this.#error) return;
    this.#isWhole = true;
    if (this.#bytes.length > this.#size) this.#bytes = this.#bytes.subarray(0, this.#size);
    this.#waiting?.resolve(this.#bytes);
  }

  fail({ message }: Error): void {
    if (!this.#isWhole && !this.#error) this.#refuse(badRequest(`the body could not be read: ${message}`));
  }

  #refuse(error: Error): void {
    this.#error = error;
    this.#bytes = nothing;
    this.#waiting?.reject(error);
  }
}

const nothing = Buffer.alloc(0);
const tooLarge = () => requestEntityTooLarge(`Request entity too large: limit is ${maxBodyBytes}`);

/** By events: iterating over a stream costs more than many a body takes to decode. */
export const sourceOf = (stream: Readable): BodySource => ({
  stream: () => stream,
  read(reader) {
    if (stream.readableEnded) return reader.end();
    if (stream.destroyed) return reader.fail(new Error("the connection was closed"));
    // The listeners stay: the stream lives no longer than the request, and taking them off costs more than a small body.
    stream
      .on("data", (chunk: Buffer) => reader.data(chunk))
      .on("end", () => reader.end())
      .on("error", (error: Error) => reader.fail(error))
      .on("close", () => reader.fail(new Error("the connection was closed")));
  },
});

/** All bytes of another server's answer. Throws, or rejects, as `whole` does. */
export const readWhole = async (stream: Readable): Promise<Buffer> =>
  new RequestBody(sourceOf(stream), undefined).whole();
