// The server's end of an HTTP/2 connection (RFC 9113): bytes in, requests and bytes out. Knows neither TLS nor Kubernetes.
// A peer that breaks the rules, or asks for more than anybody needs, loses a stream or this connection and nothing else.
import type { Clock } from "../../machinery/clock.ts";
import { Allowance } from "./allowance.ts";
import { FrameReader } from "./frame-reader.ts";
import {
  ConnectionError,
  defaultWindow,
  errorCode,
  frameFlag,
  frameType,
  headBytes,
  maxFrameBytes,
  maxWindow,
  putUint32,
  setting,
  uint16At,
  uint31At,
  uint32At,
} from "./frames.ts";
import { CompressionError, HpackDecoder, type HeaderBlock } from "./hpack.ts";
import { Outbox, Sending, type Wire } from "./outbox.ts";
import { Http2Stream, streamWindow, type StreamOwner } from "./stream.ts";

export interface ConnectionOptions {
  readonly wire: Wire;
  readonly clock: Clock;
  /** A request has come, at least its head. Must not throw. */
  readonly onRequest: (stream: Http2Stream) => void;
}

const maxStreams = 250;
const maxHeaderBytes = 64 * 1024;
const maxContinuations = 128;
const connectionWindow = 1024 * 1024;
/** Bodies that nobody has read yet; beyond that the peer has to wait. */
const maxUnreadBytes = 16 * 1024 * 1024;
/** What waits for the peer to read it, slow watches included; nobody who has so much waiting asks for more. */
const maxBufferedBytes = 256 * 1024 * 1024;
/** What the peer may still be sending on streams that were reset is ignored; of older ones it is an error. */
const maxResets = 1000;
/** A connection that broke the rules gets so long to read why. */
const lingerMs = 1000;

const ourSettings: readonly (readonly [number, number])[] = [
  [setting.maxConcurrentStreams, maxStreams],
  [setting.initialWindowSize, streamWindow],
  [setting.maxHeaderListSize, maxHeaderBytes],
];

/** A header block that goes on in the next frame. */
interface OpenBlock {
  readonly stream: number;
  readonly flags: number;
  readonly parts: Buffer[];
  bytes: number;
}

export class Http2Connection implements StreamOwner {
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #onRequest: ConnectionOptions["onRequest"];
  readonly #outbox: Outbox;
  readonly #decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: maxHeaderBytes });
  readonly #streams = new Map<number, Http2Stream>();
  /** Requests whose head came with the bytes at hand; they start when the body is there or the bytes are read. */
  #fresh: Http2Stream[] = [];
  /** Streams that were reset while the peer may still be sending. */
  readonly #resets = new Set<number>();
  readonly #reader = new FrameReader();
  readonly #onFrame = (bytes: Buffer, head: number, end: number): boolean => {
    this.#frame(bytes, head, end);
    return !this.#isDead;
  };
  #hasSettings = false;
  #block: OpenBlock | undefined;
  /** The highest stream of the peer. */
  #last = 0;
  #peerWindow = defaultWindow;
  #window = connectionWindow;
  #owed = 0;
  #unreadBytes = 0;
  #isLeaving = false;
  /** Streams above are not answered any more. */
  #lastServed = maxWindow;
  #isDead = false;
  /** How often in a row the wire was paused when somebody looked. */
  #pauses = 0;
  #cancelLinger = () => {};
  /** Clients cancel watches now and then; who does nothing else is attacking (CVE-2023-44487). */
  readonly #resetsAllowed: Allowance;
  /** Errors of streams. */
  readonly #errorsAllowed: Allowance;
  /** Frames that ask for an answer, or for nothing at all. */
  readonly #oddFramesAllowed: Allowance;

  constructor({ wire, clock, onRequest }: ConnectionOptions) {
    this.#wire = wire;
    this.#clock = clock;
    this.#onRequest = onRequest;
    this.#resetsAllowed = new Allowance(clock, 1000, 100);
    this.#errorsAllowed = new Allowance(clock, 100, 1);
    this.#oddFramesAllowed = new Allowance(clock, 1000, 100);
    const onEnded = ({ id }: Sending) => this.#sent(id);
    this.#outbox = new Outbox({ wire, clock, onEnded, onIdle: () => this.#endIfDone() }, defaultWindow);
    const payload = Buffer.alloc(ourSettings.length * 6);
    for (const [i, [name, value]] of ourSettings.entries()) {
      payload.writeUInt16BE(name, i * 6);
      payload.writeUInt32BE(value, i * 6 + 2);
    }
    this.#outbox.control(frameType.settings, 0, 0, payload);
    this.#outbox.control32(frameType.windowUpdate, 0, connectionWindow - defaultWindow);
  }

  /** Takes what came from the peer; the bytes must stay as they are. Never throws. */
  receive(chunk: Buffer): void {
    if (this.#isDead) return;
    try {
      this.#reader.read(chunk, this.#onFrame);
      this.#startFresh();
    } catch (error) {
      if (error instanceof ConnectionError) this.#fail(error.code);
      else this.#fail(error instanceof CompressionError ? errorCode.compression : errorCode.internal);
    }
  }

  /** Asks the peer to leave: what it asked so far is still answered. */
  leave(): void {
    if (this.#isLeaving || this.#isDead) return;
    this.#isLeaving = true;
    this.#lastServed = this.#last;
    this.#goAway(errorCode.none);
    this.#endIfDone();
  }

  /** The socket is gone. */
  closed(): void {
    this.#isDead = true;
    this.#cancelLinger();
    this.#outbox.close();
    this.#closeStreams();
  }

  /**
   * To be called now and then while a response waits, or the wire is paused: breaks off those of which nothing went out
   * `most` times in a row, and the connection if nothing at all did. Whether to call again.
   */
  endStalled(most: number): boolean {
    const { found, some } = this.#outbox.stalled(most);
    for (const { id } of found) {
      const stream = this.#streams.get(id);
      if (stream) this.reset(stream, errorCode.cancel);
    }
    this.#pauses = this.#outbox.isPaused ? this.#pauses + 1 : 0;
    if (this.#pauses > most) this.#wire.destroy();
    return some;
  }

  consumed(stream: Http2Stream, bytes: number): void {
    if (stream.isClosed || bytes === 0) return;
    stream.unreadBytes -= bytes;
    this.#unreadBytes -= bytes;
    this.#giveBack();
    this.#giveBackTo(stream, bytes);
  }

  #giveBackTo(stream: Http2Stream, bytes: number): void {
    if (stream.isReceived) return;
    stream.owed += bytes;
    if (stream.owed < streamWindow / 2) return;
    this.#outbox.control32(frameType.windowUpdate, stream.sending.id, stream.owed);
    stream.window += stream.owed;
    stream.owed = 0;
  }

  reset(stream: Http2Stream, code: number): void {
    const { id } = stream.sending;
    this.#resetStream(id, code);
    this.#close(id, stream);
  }

  #frame(bytes: Buffer, head: number, end: number): void {
    const type = bytes[head + 3]!;
    const flags = bytes[head + 4]!;
    const id = uint31At(bytes, head + 5);
    const start = head + headBytes;
    if (!this.#hasSettings) {
      if (type !== frameType.settings || (flags & frameFlag.ack) !== 0)
        throw protocol("the first frame is no SETTINGS");
      this.#hasSettings = true;
    }
    if (this.#block && (type !== frameType.continuation || id !== this.#block.stream)) {
      throw protocol("a header block is interrupted");
    }
    switch (type) {
      case frameType.data:
        return this.#data(bytes, start, end, flags, id);
      case frameType.headers:
        return this.#headers(bytes, start, end, flags, id);
      case frameType.continuation:
        return this.#continuation(bytes.subarray(start, end), flags);
      case frameType.windowUpdate:
        return this.#windowUpdate(bytes, start, end, id);
      case frameType.reset:
        return this.#reset(end - start, id);
      case frameType.settings:
        return this.#settings(bytes, start, end, flags, id);
      case frameType.ping:
        return this.#ping(bytes, start, end, flags, id);
      case frameType.goAway:
        return this.#peerLeaves(end - start, id);
      case frameType.priority:
        return this.#priority(end - start, id);
      case frameType.pushPromise:
        throw protocol("a client cannot push");
      default:
        this.#odd();
    }
  }

  #data(bytes: Buffer, start: number, end: number, flags: number, id: number): void {
    if (id === 0) throw protocol("DATA outside of streams");
    const size = end - start;
    const isPadded = (flags & frameFlag.padded) !== 0;
    const from = isPadded ? start + 1 : start;
    const to = isPadded ? end - padding(bytes, start, end) : end;
    this.#window -= size;
    if (this.#window < 0) throw new ConnectionError(errorCode.flowControl, "more data than the window allows");
    this.#owed += size;
    const stream = this.#streams.get(id);
    if (!stream || stream.isReceived) {
      this.#giveBack();
      return this.#unexpected(id);
    }
    const isLast = (flags & frameFlag.endStream) !== 0;
    stream.window -= size;
    if (stream.window < 0) return this.#streamError(stream, errorCode.flowControl);
    if (!stream.fits(to - from, isLast)) return this.#streamError(stream, errorCode.protocol);
    if (to > from) this.#body(stream, bytes, from, to, isLast);
    else if (!isLast) this.#odd();
    // What is only padding is read.
    if (size > to - from) this.#giveBackTo(stream, size - (to - from));
    this.#giveBack();
    if (!isLast) return;
    stream.receiveEnd();
    this.#start(stream);
    if (stream.sending.isEnded) this.#close(id, stream);
  }

  #body(stream: Http2Stream, bytes: Buffer, from: number, to: number, isLast: boolean): void {
    const part = bytes.subarray(from, to);
    this.#unreadBytes += part.length;
    // A whole body is read soon. Of one that comes bit by bit each would keep all the bytes around it alive.
    stream.receive(!isLast && part.length * 2 < bytes.length ? Buffer.from(part) : part);
  }

  #headers(bytes: Buffer, start: number, end: number, flags: number, id: number): void {
    if (id === 0 || id % 2 === 0) throw protocol("HEADERS of no stream of a client");
    const isPadded = (flags & frameFlag.padded) !== 0;
    const from = start + (isPadded ? 1 : 0) + ((flags & frameFlag.priority) === 0 ? 0 : 5);
    const to = isPadded ? end - padding(bytes, start, end) : end;
    if (from > to) throw new ConnectionError(errorCode.frameSize, "HEADERS is too short");
    const part = bytes.subarray(from, to);
    if ((flags & frameFlag.endHeaders) !== 0) this.#headerBlock(id, flags, part);
    else this.#block = { stream: id, flags, parts: [part], bytes: part.length };
  }

  #continuation(part: Buffer, flags: number): void {
    const block = this.#block;
    if (!block) throw protocol("CONTINUATION of nothing");
    block.parts.push(part);
    block.bytes += part.length;
    if (block.bytes > maxHeaderBytes || block.parts.length > maxContinuations) {
      throw new ConnectionError(errorCode.enhanceYourCalm, "the headers have no end");
    }
    if ((flags & frameFlag.endHeaders) === 0) return;
    this.#block = undefined;
    this.#headerBlock(block.stream, block.flags, Buffer.concat(block.parts));
  }

  #headerBlock(id: number, flags: number, block: Buffer): void {
    const isLast = (flags & frameFlag.endStream) !== 0;
    const stream = this.#streams.get(id);
    // Whatever becomes of it, the table needs every block.
    const head = this.#decoder.decode(block, stream ? "trailers" : "request");
    if (stream) {
      if (stream.isReceived) return this.#streamError(stream, errorCode.streamClosed);
      if (!isLast || head.type !== "fields" || !stream.fits(0, true)) {
        return this.#streamError(stream, errorCode.protocol);
      }
      stream.receiveEnd();
      this.#start(stream);
      if (stream.sending.isEnded) this.#close(id, stream);
      return;
    }
    if (id <= this.#last) {
      if (this.#resets.has(id)) return;
      throw new ConnectionError(errorCode.streamClosed, "HEADERS of a stream that is closed");
    }
    this.#last = id;
    if (id > this.#lastServed) return isLast ? undefined : this.#ignore(id);
    if (head.type === "malformed") return this.#refuse(id, errorCode.protocol, isLast);
    if (this.#streams.size >= maxStreams || this.#outbox.bufferedBytes > maxBufferedBytes) {
      return this.#refuse(id, errorCode.refusedStream, isLast);
    }
    this.#open(id, head.type === "fields" ? head : undefined, isLast);
  }

  /** Without a head, the headers are too large. */
  #open(id: number, head: HeaderBlock | undefined, isLast: boolean): void {
    const sending = new Sending(id, this.#peerWindow);
    const stream = new Http2Stream(head ?? noHead, sending, this, this.#outbox);
    this.#streams.set(id, stream);
    if (isLast && !stream.fits(0, true)) return this.#streamError(stream, errorCode.protocol);
    if (isLast) stream.receiveEnd();
    if (!head) stream.respondHead(431, {}, true);
    else if (isLast) this.#start(stream);
    else this.#fresh.push(stream);
  }

  #start(stream: Http2Stream): void {
    if (stream.isStarted) return;
    stream.isStarted = true;
    this.#onRequest(stream);
  }

  #startFresh(): void {
    if (this.#fresh.length === 0) return;
    const fresh = this.#fresh;
    this.#fresh = [];
    for (const stream of fresh) {
      if (stream.isClosed || stream.isStarted) continue;
      if (stream.head.headers.expect?.toLowerCase() === "100-continue") this.#outbox.proceed(stream.sending);
      this.#start(stream);
    }
  }

  #windowUpdate(bytes: Buffer, start: number, end: number, id: number): void {
    if (end - start !== 4) throw new ConnectionError(errorCode.frameSize, "WINDOW_UPDATE of another size");
    const by = uint31At(bytes, start);
    if (id === 0) {
      if (by === 0) throw protocol("a window grows by nothing");
      if (!this.#outbox.grow(by)) throw new ConnectionError(errorCode.flowControl, "the window is too large");
      return;
    }
    const stream = this.#streams.get(id);
    if (!stream) {
      this.#checkOpened(id);
      return;
    }
    if (by === 0) this.#streamError(stream, errorCode.protocol);
    else if (!this.#outbox.growStream(stream.sending, by)) this.#streamError(stream, errorCode.flowControl);
  }

  #reset(length: number, id: number): void {
    if (length !== 4) throw new ConnectionError(errorCode.frameSize, "RST_STREAM of another size");
    this.#checkOpened(id);
    if (!this.#resetsAllowed.take()) throw tooMuch("streams are reset");
    const stream = this.#streams.get(id);
    if (stream) this.#close(id, stream);
  }

  #settings(bytes: Buffer, start: number, end: number, flags: number, id: number): void {
    if (id !== 0) throw protocol("SETTINGS of a stream");
    const isAck = (flags & frameFlag.ack) !== 0;
    if ((end - start) % 6 !== 0 || (isAck && end > start)) {
      throw new ConnectionError(errorCode.frameSize, "SETTINGS of another size");
    }
    this.#odd();
    if (isAck) return;
    for (let at = start; at < end; at += 6) this.#setting(uint16At(bytes, at), uint32At(bytes, at + 2));
    this.#outbox.control(frameType.settings, frameFlag.ack, 0);
  }

  /** Its tables and frame sizes are of no matter, as neither a table nor a larger frame is ever used. */
  #setting(name: number, value: number): void {
    if ((name === setting.enablePush || name === setting.enableConnectProtocol) && value > 1) {
      throw protocol("a setting is neither on nor off");
    }
    if (name === setting.maxFrameSize && (value < maxFrameBytes || value > 0xff_ffff)) {
      throw protocol("frames cannot have that size");
    }
    if (name !== setting.initialWindowSize) return;
    if (value > maxWindow) throw new ConnectionError(errorCode.flowControl, "the window is too large");
    const by = value - this.#peerWindow;
    this.#peerWindow = value;
    for (const { sending } of this.#streams.values()) {
      if (this.#outbox.growStream(sending, by)) continue;
      throw new ConnectionError(errorCode.flowControl, "the window is too large");
    }
  }

  #ping(bytes: Buffer, start: number, end: number, flags: number, id: number): void {
    if (id !== 0) throw protocol("PING of a stream");
    if (end - start !== 8) throw new ConnectionError(errorCode.frameSize, "PING of another size");
    this.#odd();
    if ((flags & frameFlag.ack) === 0) {
      this.#outbox.control(frameType.ping, frameFlag.ack, 0, bytes.subarray(start, end));
    }
  }

  #peerLeaves(length: number, id: number): void {
    if (id !== 0) throw protocol("GOAWAY of a stream");
    if (length < 8) throw new ConnectionError(errorCode.frameSize, "GOAWAY is too short");
    this.#isLeaving = true;
    this.#endIfDone();
  }

  #priority(length: number, id: number): void {
    if (id === 0) throw protocol("PRIORITY of no stream");
    this.#odd();
    if (length === 5) return;
    const stream = this.#streams.get(id);
    if (!stream) throw new ConnectionError(errorCode.frameSize, "PRIORITY of another size");
    this.#streamError(stream, errorCode.frameSize);
  }

  /** Data of a stream that does not expect any. */
  #unexpected(id: number): void {
    this.#checkOpened(id);
    if (this.#resets.has(id)) return;
    const stream = this.#streams.get(id);
    if (stream) this.#streamError(stream, errorCode.streamClosed);
    else this.#refuse(id, errorCode.streamClosed, false);
  }

  #checkOpened(id: number): void {
    if (id === 0 || id % 2 === 0 || id > this.#last) throw protocol("a stream that was never opened");
  }

  #streamError(stream: Http2Stream, code: number): void {
    if (!this.#errorsAllowed.take()) throw tooMuch("streams break the rules");
    this.reset(stream, code);
  }

  #refuse(id: number, code: number, isReceived: boolean): void {
    const allowed = code === errorCode.refusedStream ? this.#resetsAllowed : this.#errorsAllowed;
    if (!allowed.take()) throw tooMuch("requests are refused");
    this.#resetStream(id, code, isReceived);
  }

  #resetStream(id: number, code: number, isReceived = this.#streams.get(id)?.isReceived): void {
    this.#outbox.control32(frameType.reset, id, code);
    if (!isReceived) this.#ignore(id);
  }

  /** What is still to come of a stream is of no matter. */
  #ignore(id: number): void {
    this.#resets.add(id);
    if (this.#resets.size > maxResets) this.#resets.delete(this.#resets.values().next().value!);
  }

  #odd(): void {
    if (!this.#oddFramesAllowed.take()) throw tooMuch("frames say nothing");
  }

  /** The response is out. A body that nobody reads any more need not be sent either. */
  #sent(id: number): void {
    const stream = this.#streams.get(id);
    if (!stream) return;
    if (stream.isReceived) this.#close(id, stream);
    else this.reset(stream, errorCode.none);
  }

  #close(id: number, stream: Http2Stream): void {
    if (!this.#streams.delete(id)) return;
    this.#unreadBytes -= stream.unreadBytes;
    stream.close();
    this.#giveBack();
    this.#endIfDone();
  }

  #giveBack(): void {
    if (this.#owed < connectionWindow / 2 || this.#unreadBytes > maxUnreadBytes) return;
    this.#outbox.control32(frameType.windowUpdate, 0, this.#owed);
    this.#window += this.#owed;
    this.#owed = 0;
  }

  #goAway(code: number): void {
    const payload = Buffer.alloc(8);
    putUint32(payload, 0, Math.min(this.#last, this.#lastServed));
    putUint32(payload, 4, code);
    this.#outbox.control(frameType.goAway, 0, 0, payload);
  }

  #endIfDone(): void {
    if (this.#streams.size > 0 || !(this.#isLeaving || this.#isDead)) return;
    this.#outbox.flush();
    if (this.#outbox.isIdle) this.#wire.end();
  }

  #fail(code: number): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#fresh = [];
    this.#closeStreams();
    this.#goAway(code);
    this.#endIfDone();
    this.#cancelLinger = this.#clock.after(lingerMs, () => this.#wire.destroy());
  }

  #closeStreams(): void {
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) stream.close();
  }
}

const noHead: HeaderBlock = {
  type: "fields",
  method: "",
  path: "",
  scheme: "",
  authority: undefined,
  headers: {},
};

const protocol = (reason: string) => new ConnectionError(errorCode.protocol, reason);
const tooMuch = (reason: string) => new ConnectionError(errorCode.enhanceYourCalm, `too many ${reason}`);

/** How long the padding at the end of the payload is. */
function padding(bytes: Buffer, start: number, end: number): number {
  if (end === start) throw new ConnectionError(errorCode.frameSize, "no room for the padding");
  const length = bytes[start]!;
  if (length >= end - start) throw protocol("more padding than there is room");
  return length;
}
