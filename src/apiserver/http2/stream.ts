// One request on an HTTP/2 connection: its head, its body as it comes, and the way for the response.
import { Readable } from "node:stream";
import type { BodyReader, BodySource } from "../http/request-body.ts";
import { errorCode } from "./frames.ts";
import type { ResponseHeaders } from "./hpack-encode.ts";
import type { HeaderBlock } from "./hpack.ts";
import type { Outbox, Sending } from "./outbox.ts";

/** What a stream asks of its connection. */
export interface StreamOwner {
  /** Bytes of the body are out of use: the peer may send as many more. */
  consumed(stream: Http2Stream, bytes: number): void;
  /** Ends the stream before its time. */
  reset(stream: Http2Stream, code: number): void;
}

/** What may be in flight from the peer. */
export const streamWindow = 1024 * 1024;

export class Http2Stream implements BodySource {
  readonly head: HeaderBlock;
  readonly sending: Sending;
  /** Handed to the one who answers. */
  isStarted = false;
  /** The request is complete. */
  isReceived = false;
  /** No frame of it counts any more. */
  isClosed = false;
  /** Bytes that the peer may still send, and those it gets back when enough have come together. */
  window = streamWindow;
  owed = 0;
  /** Bytes of the body that are still in use. */
  unreadBytes = 0;
  readonly #owner: StreamOwner;
  readonly #outbox: Outbox;
  /** Bytes of the body to come by its content-length; undefined when it may have any length. */
  #expected: number | undefined;
  #reader: BodyReader | undefined;
  /** Whether bytes are out of use as soon as they are read. */
  #isEager = true;
  #unread: Buffer[] | undefined;
  #onClose: (() => void)[] | undefined;

  constructor(head: HeaderBlock, sending: Sending, owner: StreamOwner, outbox: Outbox) {
    this.head = head;
    this.sending = sending;
    this.#owner = owner;
    this.#outbox = outbox;
    const length = head.headers["content-length"];
    if (length !== undefined) this.#expected = Number(length);
  }

  /** Whether the body may go on, or end, with so many bytes. */
  fits(bytes: number, isLast: boolean): boolean {
    if (this.#expected === undefined) return true;
    this.#expected -= bytes;
    return isLast ? this.#expected === 0 : this.#expected >= 0;
  }

  /** Takes bytes of the body; they stay valid. */
  receive(bytes: Buffer): void {
    this.unreadBytes += bytes.length;
    if (!this.#reader) {
      (this.#unread ??= []).push(bytes);
      return;
    }
    this.#reader.data(bytes);
    if (this.#isEager) this.#owner.consumed(this, bytes.length);
  }

  /** The body is complete. */
  receiveEnd(): void {
    this.isReceived = true;
    this.#reader?.end();
  }

  read(reader: BodyReader): void {
    this.#reader = reader;
    if (this.#unread) {
      for (const bytes of this.#unread) {
        reader.data(bytes);
        if (this.#isEager) this.#owner.consumed(this, bytes.length);
      }
      this.#unread = undefined;
    }
    if (this.isReceived) reader.end();
    else if (this.isClosed) reader.fail(gone());
  }

  stream(): Readable {
    this.#isEager = false;
    let taken = 0;
    const give = () => {
      this.#owner.consumed(this, taken);
      taken = 0;
    };
    const readable = new Readable({
      read: give,
      destroy: (error, callback) => {
        this.#isEager = true;
        give();
        callback(error);
      },
    });
    this.read({
      data(chunk) {
        taken += chunk.length;
        readable.push(chunk);
      },
      end: () => void readable.push(null),
      fail: (error) => void readable.destroy(error),
    });
    return readable;
  }

  onClose(callback: () => void): void {
    if (this.isClosed) callback();
    else (this.#onClose ??= []).push(callback);
  }

  /** A whole response, without its body for HEAD. Throws TypeError for headers that cannot be sent; nothing is sent then. */
  respond(status: number, headers: ResponseHeaders, body: Uint8Array, isHead: boolean): void {
    const isEmpty = isHead || body.length === 0;
    this.#outbox.head(this.sending, status, headers, body.length, isEmpty);
    if (!isEmpty) this.#outbox.data(this.sending, body, true);
  }

  /** The head of a response; a body follows unless it is the last. Throws as `respond` does. */
  respondHead(status: number, headers: ResponseHeaders, isLast: boolean): void {
    this.#outbox.head(this.sending, status, headers, undefined, isLast);
  }

  /** As BodySink has it. */
  write(chunk: Uint8Array, done?: () => void): boolean {
    return this.#outbox.data(this.sending, chunk, false, done);
  }

  drained(): Promise<void> {
    const { sending } = this;
    if (sending.isEnded || !sending.isBehind) return Promise.resolve();
    return new Promise((resolve) => (sending.waiters ??= []).push(resolve));
  }

  end(): void {
    this.#outbox.end(this.sending);
  }

  reset(code: number = errorCode.internal): void {
    if (!this.isClosed) this.#owner.reset(this, code);
  }

  /** Called once by the connection. */
  close(): void {
    this.isClosed = true;
    const callbacks = this.#onClose;
    this.#onClose = undefined;
    if (callbacks) for (const callback of callbacks) callback();
    this.#outbox.drop(this.sending);
    this.#unread = undefined;
    if (!this.isReceived) this.#reader?.fail(gone());
  }
}

const gone = () => new Error("the connection was closed");
