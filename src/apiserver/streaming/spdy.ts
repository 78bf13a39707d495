// A SPDY/3.1 connection over any duplex stream, as client or as server: streams are Node duplexes.
// Peers of this protocol (container runtimes, kubectl) use no flow control of their own; TCP's has to do.
import { Duplex } from "node:stream";
import {
  encodeDataHead,
  encodeGoAway,
  encodePing,
  encodeRstStream,
  encodeSynReply,
  encodeSynStream,
  FrameDecoder,
  HeaderDecoder,
  HeaderEncoder,
  SpdyError,
  type Frame,
  type Headers,
} from "./spdy-frames.ts";

export interface SpdyOptions {
  readonly role: "client" | "server";
  /** Bytes that arrived together with the end of the HTTP upgrade. */
  readonly head?: Buffer;
  /** Called for every stream that the peer opens; without it they are refused. */
  readonly onStream?: (stream: SpdyStream) => void;
}

/** A stream may hold this much unread before the whole connection waits for its reader. */
const maxUnreadBytes = 4 * 1024 * 1024;
const maxFrameBytes = 32 * 1024;
const maxStreams = 4096;
const status = { protocolError: 1, refused: 3, cancel: 5 };

/** Writing side: what a stream needs of its connection. */
interface FrameWriter {
  /** `done` is called when the transport took the bytes, so that a fast writer waits for a slow peer. */
  data(streamId: number, part: { data: Buffer; fin: boolean }, done: () => void): void;
  reset(streamId: number): void;
}

export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: Headers;
  readonly #writer: FrameWriter;
  #wanted: (() => void) | undefined;
  #finished = false;

  constructor(id: number, headers: Headers, writer: FrameWriter) {
    super({ allowHalfOpen: true });
    this.id = id;
    this.headers = headers;
    this.#writer = writer;
    // A stream that breaks off is an event of every day; whoever reads or writes it still sees the error.
    this.on("error", () => {});
  }

  /** Bytes from the peer; resolves when more are welcome. */
  receive(data: Buffer, fin: boolean): Promise<void> {
    if (this.destroyed) return Promise.resolve();
    if (data.length > 0) this.push(data);
    if (fin) this.push(null);
    if (fin || this.readableLength < maxUnreadBytes) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wanted = resolve;
      this.once("close", resolve);
    });
  }

  /**
   * The peer reset the stream. What it sent before still counts: containerd resets every stream of a command right after its
   * verdict, so unread bytes must reach their reader.
   */
  breakOff(): void {
    const unread = this.readableLength > 0;
    if (!unread || this.destroyed) {
      this.destroy(new SpdyError("the peer reset the stream"));
      return;
    }
    this.once("end", () => this.destroy());
    this.push(null);
    this.end();
  }

  override _read(): void {
    if (this.readableLength < maxUnreadBytes) this.#wanted?.();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.#writer.data(this.id, { data: chunk, fin: false }, done);
  }

  override _final(done: (error?: Error) => void): void {
    this.#finished = true;
    this.#writer.data(this.id, { data: Buffer.alloc(0), fin: true }, done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.#finished || !this.readableEnded) this.#writer.reset(this.id);
    this.#wanted?.();
    done(error);
  }
}

export class SpdyConnection {
  readonly #transport: Duplex;
  readonly #options: SpdyOptions;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #encoder = new HeaderEncoder();
  readonly #decoder = new HeaderDecoder();
  readonly #writer: FrameWriter;
  #nextId: number;
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed: Promise<void>;

  constructor(transport: Duplex, options: SpdyOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#nextId = options.role === "client" ? 1 : 2;
    this.#writer = {
      data: (streamId, part, done) => this.#sendData(streamId, part, done),
      reset: (streamId) => {
        if (this.#streams.delete(streamId) && transport.writable)
          transport.write(encodeRstStream(streamId, status.cancel));
      },
    };
    transport.on("error", () => {});
    this.closed = this.#run();
  }

  /** Opens a stream; it can be written to at once. */
  open(headers: Headers): SpdyStream {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new SpdyStream(id, headers, this.#writer);
    this.#streams.set(id, stream);
    this.#transport.write(encodeSynStream(id, false, this.#encoder.encode(headers)));
    return stream;
  }

  /** Says goodbye and ends the connection once everything written is out. */
  close(): void {
    if (!this.#transport.writable) return;
    this.#transport.write(encodeGoAway(0, 0));
    this.#transport.end();
  }

  destroy(): void {
    this.#transport.destroy();
  }

  async #run(): Promise<void> {
    const chunks = receivedBy(this.#transport);
    try {
      const frames = new FrameDecoder();
      const read = async (chunk: Buffer) => {
        for (const frame of frames.push(chunk)) await this.#handle(frame);
      };
      if (this.#options.head?.length) await read(this.#options.head);
      for await (const chunk of chunks) await read(chunk);
    } catch {
      // A broken or hostile peer: the streams below end, which is all there is to tell.
      this.#transport.destroy();
    }
    this.#decoder.close();
    for (const stream of this.#streams.values()) {
      if (!stream.readableEnded) stream.push(null);
      stream.once("end", () => stream.destroy());
      if (!stream.writableEnded) stream.end();
    }
    this.#streams.clear();
    if (!this.#transport.destroyed) this.#transport.end();
  }

  async #handle(frame: Frame): Promise<void> {
    switch (frame.type) {
      case "data":
        await this.#streams.get(frame.streamId)?.receive(frame.data, frame.fin);
        return;
      case "synStream":
        return this.#accept(frame.streamId, frame.fin, await this.#decoder.decode(frame.block));
      case "synReply":
      case "headers":
        // Decoded for the state that it carries on.
        await this.#decoder.decode(frame.block);
        if (frame.fin) await this.#streams.get(frame.streamId)?.receive(Buffer.alloc(0), true);
        return;
      case "rstStream": {
        const stream = this.#streams.get(frame.streamId);
        this.#streams.delete(frame.streamId);
        stream?.breakOff();
        return;
      }
      case "ping":
        // Odd ids are the client's: answer the peer's, ignore answers to ours.
        if ((frame.id % 2 === 1) === (this.#options.role === "server")) this.#transport.write(encodePing(frame.id));
    }
  }

  async #accept(id: number, fin: boolean, headers: Headers): Promise<void> {
    const isPeers = (id % 2 === 1) === (this.#options.role === "server") && id > 0;
    if (!isPeers || this.#streams.has(id)) throw new SpdyError("the peer opened a stream that it may not open");
    if (!this.#options.onStream || this.#streams.size >= maxStreams) {
      this.#transport.write(encodeRstStream(id, status.refused));
      return;
    }
    const stream = new SpdyStream(id, headers, this.#writer);
    this.#streams.set(id, stream);
    stream.once("close", () => this.#streams.delete(id));
    this.#transport.write(encodeSynReply(id, false, this.#encoder.encode({})));
    this.#options.onStream(stream);
    if (fin) await stream.receive(Buffer.alloc(0), true);
  }

  #sendData(streamId: number, { data, fin }: { data: Buffer; fin: boolean }, done: () => void): void {
    const transport = this.#transport;
    if (!this.#streams.has(streamId) || !transport.writable) return done();
    let at = 0;
    do {
      const part = data.subarray(at, at + maxFrameBytes);
      at += part.length;
      transport.cork();
      transport.write(encodeDataHead(streamId, part.length, fin && at >= data.length));
      if (part.length > 0) transport.write(part);
      transport.uncork();
    } while (at < data.length);
    if (!transport.writableNeedDrain) return done();
    const ready = () => {
      transport.off("drain", ready);
      transport.off("close", ready);
      done();
    };
    transport.on("drain", ready);
    transport.on("close", ready);
  }
}

/** So many chunks wait for their reader before the peer has to. */
const maxWaitingChunks = 16;

/**
 * What a transport receives, up to the last byte. A stream drops what it has buffered when a write to it fails, and a
 * runtime closes the connection right after its verdict: so the bytes are taken out of it as they come.
 */
function receivedBy(transport: Duplex): AsyncIterable<Buffer> {
  const waiting: Buffer[] = [];
  let ended = transport.destroyed || transport.readableEnded;
  let wake = () => {};
  const end = () => {
    ended = true;
    wake();
  };
  transport.once("end", end).once("close", end);
  transport.on("data", (chunk: Buffer) => {
    waiting.push(chunk);
    if (waiting.length >= maxWaitingChunks) transport.pause();
    wake();
  });
  return (async function* () {
    for (;;) {
      const chunk = waiting.shift();
      if (chunk) yield chunk;
      else if (ended) return;
      else {
        const woken = new Promise<void>((resolve) => (wake = resolve));
        transport.resume();
        await woken;
      }
    }
  })();
}
