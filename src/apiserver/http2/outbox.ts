// What a connection sends: frames are copied into buffers that leave whole, one write at a time. Small answers go in at
// once; what does not fit, or has no window, waits and takes turns, a frame each, so that no stream holds up the others.
import type { Clock } from "../../machinery/clock.ts";
import { encodeResponse, responseBytes, type ResponseHeaders } from "./hpack-encode.ts";
import { frameFlag, frameType, headBytes, maxFrameBytes, maxWindow, putHead, putUint32 } from "./frames.ts";
import { dateBytes, headFrames, noTable, proceedBlock, putDate } from "./response-head.ts";

/** The socket below. */
export interface Wire {
  /** `done` is called when the bytes are out of use; not when the socket broke. */
  write(bytes: Buffer, done: () => void): void;
  /** No more is read until `resume`. */
  pause(): void;
  resume(): void;
  /** Closes once everything is written. */
  end(): void;
  destroy(): void;
}

const slabBytes = 64 * 1024;
/** The last part of a slab is for those who wait. */
const smallBytes = slabBytes - headBytes - maxFrameBytes;
const spareSlabs: Buffer[] = [];
const maxSpareSlabs = 32;
/** Streams are told that they are behind when so much waits. */
const behindBytes = 64 * 1024;

interface Part {
  readonly bytes: Uint8Array;
  /** Ready frames, which no window counts. */
  readonly isFrames: boolean;
  readonly done: (() => void) | undefined;
}

/** The sending half of a stream. */
export class Sending {
  readonly id: number;
  window: number;
  /** Bytes that wait. */
  bufferedBytes = 0;
  /** The response is complete; what waits is all that is left. */
  isEnding = false;
  /** Nothing is sent any more. */
  isEnded = false;
  /** How often in a row nothing had moved when somebody looked; undefined when it may take as long as it likes. */
  stalls: number | undefined;
  /** Oldest first. */
  parts: Part[] = none;
  /** How much of the first one is sent. */
  offset = 0;
  waiters: (() => void)[] | undefined;

  constructor(id: number, window: number) {
    this.id = id;
    this.window = window;
  }

  get isBehind(): boolean {
    return this.bufferedBytes >= behindBytes;
  }
}

const none: Part[] = [];

export interface OutboxOptions {
  readonly wire: Wire;
  readonly clock: Clock;
  /** A stream has sent everything. */
  readonly onEnded: (sending: Sending) => void;
  /** The socket has taken all there was. */
  readonly onIdle: () => void;
}

export class Outbox {
  readonly #wire: Wire;
  readonly #options: OutboxOptions;
  /** Of the connection. */
  #window: number;
  #slab: Buffer | undefined;
  #used = 0;
  /** A filled slab that waits for the one on its way. */
  readonly #full: Buffer[] = [];
  #writing: Buffer | undefined;
  #isScheduled = false;
  #isPaused = false;
  #isClosed = false;
  #saidNoTable = false;
  /** To be told that their bytes are out of use. */
  readonly #copied: (() => void)[] = [];
  /** Streams with something to send and a window for it, in the order of their turns. */
  readonly #ready = new Set<Sending>();
  /** Those without a window. */
  readonly #blocked = new Set<Sending>();
  bufferedBytes = 0;

  constructor(options: OutboxOptions, window: number) {
    this.#wire = options.wire;
    this.#options = options;
    this.#window = window;
  }

  get isIdle(): boolean {
    return !this.#writing && this.#used === 0 && this.#full.length === 0 && this.#ready.size === 0;
  }

  /** The peer does not even take answers to what it asks of the connection. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** False when the window would be larger than any may be. */
  grow(by: number): boolean {
    this.#window += by;
    if (this.#ready.size > 0) this.#schedule();
    return this.#window <= maxWindow;
  }

  /** As `grow`, for a stream; also less than nothing, as the peer's settings may have it. */
  growStream(sending: Sending, by: number): boolean {
    sending.window += by;
    if (sending.window > 0 && this.#blocked.delete(sending)) this.#queue(sending);
    return sending.window <= maxWindow;
  }

  /** A frame about the connection or a stream: up to a few bytes, always sent. */
  control(type: number, flags: number, stream: number, payload: Uint8Array = empty): void {
    if (this.#isClosed) return;
    const at = this.#roomNow(headBytes + payload.length);
    putHead(this.#slab!, at, { length: payload.length, type, flags, stream });
    this.#slab!.set(payload, at + headBytes);
  }

  control32(type: number, stream: number, value: number): void {
    if (this.#isClosed) return;
    const at = this.#roomNow(headBytes + 4);
    putHead(this.#slab!, at, { length: 4, type, flags: 0, stream });
    putUint32(this.#slab!, at + headBytes, value);
  }

  /** The head of a response. Throws TypeError for headers that cannot be sent. */
  head(sending: Sending, status: number, headers: ResponseHeaders, length: number | undefined, isLast: boolean): void {
    if (this.#isClosed || sending.isEnded) return;
    const most = headBytes + 1 + dateBytes + responseBytes(headers);
    if (most <= headBytes + maxFrameBytes && this.#hasRoom(most)) {
      const at = this.#used;
      let from = at + headBytes;
      if (!this.#saidNoTable) this.#slab![from++] = noTable;
      const end = this.#putBlock(this.#slab!, from, status, headers, length);
      this.#saidNoTable = true;
      const flags = frameFlag.endHeaders | (isLast ? frameFlag.endStream : 0);
      putHead(this.#slab!, at, {
        length: end - at - headBytes,
        type: frameType.headers,
        flags,
        stream: sending.id,
      });
      this.#used = end;
      this.#schedule();
      if (isLast) this.#ended(sending);
      return;
    }
    // What waits may be overtaken, so it says it too.
    const block = Buffer.allocUnsafe(most);
    block[0] = noTable;
    const end = this.#putBlock(block, 1, status, headers, length);
    if (end > maxFrameBytes * 2) throw new TypeError("the headers of the response are too large");
    sending.isEnding = isLast;
    this.#wait(sending, {
      bytes: headFrames(sending.id, block.subarray(0, end), isLast),
      isFrames: true,
      done: undefined,
    });
  }

  /** Tells a client that asks first to send its body. */
  proceed(sending: Sending): void {
    const block = this.#saidNoTable ? proceedBlock : Buffer.concat([Buffer.of(noTable), proceedBlock]);
    this.#saidNoTable = true;
    this.control(frameType.headers, frameFlag.endHeaders, sending.id, block);
  }

  #putBlock(target: Buffer, at: number, status: number, headers: ResponseHeaders, length: number | undefined): number {
    at = encodeResponse(target, at, status, headers, length);
    return headers.date === undefined ? putDate(target, at, this.#options.clock.now()) : at;
  }

  /** Bytes of the body; with the last ones the stream ends. False when the peer is behind. */
  data(sending: Sending, bytes: Uint8Array, isLast: boolean, done?: () => void): boolean {
    if (this.#isClosed || sending.isEnded) {
      done?.();
      return false;
    }
    const { length } = bytes;
    const isNext = sending.parts.length === 0 && length <= sending.window && length <= this.#window;
    // Making room sends what waits of others, out of the same window.
    if (isNext && length <= maxFrameBytes && this.#hasRoom(headBytes + length) && length <= this.#window) {
      const slab = this.#slab!;
      const flags = isLast ? frameFlag.endStream : 0;
      putHead(slab, this.#used, { length, type: frameType.data, flags, stream: sending.id });
      slab.set(bytes, this.#used + headBytes);
      this.#used += headBytes + length;
      sending.window -= length;
      this.#window -= length;
      this.#schedule();
      if (isLast) this.#ended(sending);
      done?.();
      return true;
    }
    sending.isEnding = isLast;
    this.#wait(sending, { bytes, isFrames: false, done });
    return !sending.isBehind;
  }

  /** Nothing more comes; what waits is still sent. */
  end(sending: Sending): void {
    if (sending.parts.length > 0) sending.isEnding = true;
    else this.data(sending, empty, true);
  }

  /** Nothing of the stream is sent any more. */
  drop(sending: Sending): void {
    if (sending.isEnded && sending.parts.length === 0) return;
    sending.isEnded = true;
    this.#ready.delete(sending);
    this.#blocked.delete(sending);
    this.bufferedBytes -= sending.bufferedBytes;
    sending.bufferedBytes = 0;
    for (const { done } of sending.parts.splice(0)) done?.();
    wake(sending);
  }

  /** Streams that wait although somebody looked `most` times before, and whether any waits. */
  stalled(most: number): { readonly found: readonly Sending[]; readonly some: boolean } {
    const found: Sending[] = [];
    let some = this.#isPaused;
    for (const set of [this.#ready, this.#blocked]) {
      for (const sending of set) {
        if (sending.stalls === undefined) continue;
        some = true;
        if (sending.stalls++ >= most) found.push(sending);
      }
    }
    return { found, some };
  }

  /** Writes what there is without waiting for the end of the turn. */
  flush(): void {
    this.#isScheduled = false;
    if (this.#writing || this.#isClosed) return;
    this.#takeTurns();
    const filled = this.#full.shift() ?? this.#filled();
    if (!filled) return;
    this.#writing = filled;
    this.#wire.write(filled, this.#written);
    // Those who are told may write again, so only now.
    for (const done of this.#copied.splice(0)) done();
  }

  /** The socket is gone: nothing it still holds is used again. */
  close(): void {
    this.#isClosed = true;
    this.#isPaused = false;
    this.#slab = undefined;
    this.#used = 0;
    this.#full.length = 0;
    for (const done of this.#copied.splice(0)) done();
  }

  #written = (): void => {
    if (spareSlabs.length < maxSpareSlabs) spareSlabs.push(slabOf(this.#writing!));
    this.#writing = undefined;
    this.flush();
    if (this.#isPaused && this.#full.length === 0) {
      this.#isPaused = false;
      this.#wire.resume();
    }
    if (this.isIdle) this.#options.onIdle();
  };

  #filled(): Buffer | undefined {
    if (this.#used === 0) return undefined;
    const filled = this.#slab!.subarray(0, this.#used);
    this.#slab = undefined;
    this.#used = 0;
    return filled;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#writing) return;
    this.#isScheduled = true;
    // What is answered in one turn of the loop leaves in one write: writes cost more than most answers.
    setImmediate(flush, this);
  }

  /** Whether an answer that could wait fits; the slab is there then. */
  #hasRoom(bytes: number): boolean {
    if (this.#used + bytes > smallBytes && this.#used > 0 && !this.#writing) this.flush();
    if (this.#used + bytes > smallBytes) return false;
    this.#slab ??= takeSlab();
    return true;
  }

  /** Where so many bytes go that cannot wait; they are counted as used. */
  #room(bytes: number): number {
    if (this.#used + bytes > slabBytes) {
      this.#full.push(this.#filled()!);
      if (!this.#isPaused) {
        // Whoever does not read is not listened to either: so nothing piles up.
        this.#isPaused = true;
        this.#wire.pause();
      }
    }
    this.#slab ??= takeSlab();
    const at = this.#used;
    this.#used += bytes;
    this.#schedule();
    return at;
  }

  #roomNow(bytes: number): number {
    if (this.#used + bytes > slabBytes && !this.#writing) this.flush();
    return this.#room(bytes);
  }

  #wait(sending: Sending, part: Part): void {
    if (sending.parts === none) sending.parts = [];
    sending.parts.push(part);
    sending.bufferedBytes += part.bytes.length;
    this.bufferedBytes += part.bytes.length;
    if (sending.parts.length === 1) this.#queue(sending);
  }

  #queue(sending: Sending): void {
    const [first] = sending.parts;
    if (!first) return;
    const canGo = first.isFrames || sending.window > 0 || first.bytes.length === 0;
    (canGo ? this.#ready : this.#blocked).add(sending);
    if (canGo) this.#schedule();
  }

  /** A frame of each stream that waits, again and again until the slab is full. */
  #takeTurns(): void {
    for (const sending of this.#ready) {
      const first = sending.parts[0]!;
      if (this.#full.length > 0) return;
      if (first.isFrames) {
        const at = this.#room(first.bytes.length);
        this.#slab!.set(first.bytes, at);
        this.#shift(sending);
      } else if (sending.window > 0 || first.bytes.length === 0) {
        if (this.#window <= 0 && first.bytes.length > 0) continue;
        const room = slabBytes - this.#used - headBytes;
        // Scraps are not worth a frame while a whole slab is next.
        if (room < Math.min(sending.bufferedBytes, 1024)) return;
        this.#dataFrame(sending, room);
      }
      // To the end of the line.
      this.#ready.delete(sending);
      this.#queue(sending);
    }
  }

  /** One frame of what waits, out of as many parts as it takes. */
  #dataFrame(sending: Sending, room: number): void {
    this.#slab ??= takeSlab();
    const slab = this.#slab;
    const most = Math.min(room, maxFrameBytes, Math.max(sending.window, 0), Math.max(this.#window, 0));
    const at = this.#used;
    const start = at + headBytes;
    let length = 0;
    for (let part = sending.parts[0]; part && !part.isFrames; part = sending.parts[0]) {
      const { bytes } = part;
      const taken = Math.min(bytes.length - sending.offset, most - length);
      slab.set(
        sending.offset === 0 && taken === bytes.length ? bytes : bytes.subarray(sending.offset, sending.offset + taken),
        start + length,
      );
      length += taken;
      sending.offset += taken;
      if (sending.offset < bytes.length) break;
      this.#shift(sending);
    }
    const isLast = sending.isEnding && sending.parts.length === 0;
    putHead(slab, at, { length, type: frameType.data, flags: isLast ? frameFlag.endStream : 0, stream: sending.id });
    this.#used = start + length;
    this.#window -= length;
    sending.window -= length;
    if (sending.stalls !== undefined) sending.stalls = 0;
    if (isLast) this.#ended(sending);
    if (!sending.isBehind) wake(sending);
  }

  #shift(sending: Sending): void {
    const { bytes, done, isFrames } = sending.parts.shift()!;
    sending.offset = 0;
    sending.bufferedBytes -= bytes.length;
    this.bufferedBytes -= bytes.length;
    if (isFrames && sending.isEnding && sending.parts.length === 0) this.#ended(sending);
    if (done) this.#copied.push(done);
  }

  #ended(sending: Sending): void {
    sending.isEnded = true;
    this.#options.onEnded(sending);
  }
}

const empty = Buffer.alloc(0);
const takeSlab = (): Buffer => spareSlabs.pop() ?? Buffer.allocUnsafeSlow(slabBytes);
const slabOf = (filled: Buffer): Buffer => Buffer.from(filled.buffer, 0, slabBytes);

function flush(outbox: Outbox): void {
  outbox.flush();
}

function wake(sending: Sending): void {
  const { waiters } = sending;
  sending.waiters = undefined;
  if (waiters) for (const waiter of waiters) waiter();
}
