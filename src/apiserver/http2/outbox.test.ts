// Whatever a client's windows and whenever it reads: every body arrives whole and in order, and no window is overrun.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Http2Connection } from "./connection.ts";
import { frameFlag, frameType, maxFrameBytes } from "./frames.ts";
import type { Http2Stream } from "./stream.ts";
import { FakeWire, frame, getBlock, greeting, uint32, type Frame } from "./testing.ts";

/** Byte `i` of the body of a stream. */
const byteOf = (stream: number, i: number): number => (stream * 31 + i * 7 + (i >> 8)) & 0xff;
const bodyOf = (stream: number, length: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => byteOf(stream, i)));

interface Received {
  window: number;
  bytes: number;
  isEnded: boolean;
}

/** Reads when told to, and checks what it reads. */
class Reader {
  readonly connection: Http2Connection;
  readonly streams = new Map<number, Received>();
  readonly #wire = new FakeWire();
  readonly #initialWindow: number;
  #window = 65_535;

  constructor(initialWindow: number, onRequest: (stream: Http2Stream) => void) {
    this.#initialWindow = initialWindow;
    const clock = { now: () => 0, after: () => () => {} };
    this.connection = new Http2Connection({ wire: this.#wire, clock, onRequest });
    const settings = Buffer.concat([Buffer.of(0, 4), uint32(initialWindow)]);
    this.connection.receive(Buffer.concat([greeting, frame(frameType.settings, 0, 0, settings)]));
  }

  ask(stream: number): void {
    this.streams.set(stream, { window: this.#initialWindow, bytes: 0, isEnded: false });
    const flags = frameFlag.endHeaders | frameFlag.endStream;
    this.connection.receive(frame(frameType.headers, flags, stream, getBlock));
  }

  grant(stream: number, bytes: number): void {
    if (stream === 0) this.#window += bytes;
    else this.streams.get(stream)!.window += bytes;
    this.connection.receive(frame(frameType.windowUpdate, 0, stream, uint32(bytes)));
  }

  async read(): Promise<void> {
    for (const one of await this.#wire.turn()) this.#take(one);
    assert.ok(!this.#wire.isEnded && !this.#wire.isDestroyed);
  }

  #take({ type, flags, stream: id, payload }: Frame): void {
    const { length } = payload;
    assert.ok(length <= maxFrameBytes);
    const stream = this.streams.get(id);
    if (!stream) return;
    assert.ok(!stream.isEnded, "nothing after the end");
    stream.isEnded = (flags & frameFlag.endStream) !== 0;
    if (type !== frameType.data) return assert.equal(type, frameType.headers);
    stream.window -= length;
    this.#window -= length;
    assert.ok(length === 0 || (stream.window >= 0 && this.#window >= 0), "the windows hold");
    for (let i = 0; i < length; i++) {
      if (payload[i] !== byteOf(id, stream.bytes + i)) assert.fail(`byte ${stream.bytes + i} of ${id}`);
    }
    stream.bytes += length;
  }
}

/** The sizes of the parts of a body; as one, or one after the other, waiting for the client or not. */
interface Answer {
  readonly whole: boolean;
  readonly chunks: readonly number[];
  readonly waits: boolean;
}

const sizes = fc.oneof(fc.nat(40), fc.nat(20_000), fc.nat(200_000), fc.constantFrom(0, 16_384, 65_519, 65_535));
const answers: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({ whole: fc.constant(true), chunks: fc.tuple(sizes), waits: fc.constant(false) }),
  fc.record({ whole: fc.constant(false), chunks: fc.array(sizes, { maxLength: 6 }), waits: fc.boolean() }),
);
const steps = fc.array(
  fc.oneof(
    fc.record({ does: fc.constant("read" as const) }),
    fc.record({ does: fc.constant("grant" as const), stream: fc.nat(8), bytes: fc.integer({ min: 1, max: 70_000 }) }),
    fc.record({ does: fc.constant("ask" as const), answer: answers }),
  ),
  { minLength: 3, maxLength: 30 },
);

const ask = (whole: boolean, chunks: number[], waits = false) => ({
  does: "ask" as const,
  answer: { whole, chunks, waits },
});
const read = { does: "read" as const };
/** One byte more than the connection's window, with what waits going out in the moment when the last answer comes. */
const lastByte = [
  ask(false, [16_384]),
  ask(false, [2612, 2612], true),
  ask(true, [11_102]),
  ask(false, [16_145, 16_681]),
  read,
  ask(true, [0]),
  read,
];

test("bodies arrive whole, within windows, and all are told that their bytes are out of use", async () => {
  const initialWindows = fc.constantFrom(0, 1, 100, 65_535, 1 << 20);
  await fc.assert(
    fc.asyncProperty(initialWindows, steps, async (initialWindow, list) => {
      const asked: Answer[] = [];
      let inUse = 0;
      const respond = async (stream: Http2Stream) => {
        const { id } = stream.sending;
        const { whole, chunks, waits } = asked[(id - 1) / 2]!;
        const body = bodyOf(
          id,
          chunks.reduce((sum, size) => sum + size, 0),
        );
        if (whole) return stream.respond(200, {}, body, false);
        stream.respondHead(200, {}, false);
        let at = 0;
        for (const size of chunks) {
          inUse++;
          stream.write(body.subarray(at, at + size), () => inUse--);
          at += size;
          if (waits) await stream.drained();
        }
        stream.end();
      };
      const reader = new Reader(initialWindow, (stream) => void respond(stream));
      for (const step of list) {
        if (step.does === "read") await reader.read();
        else if (step.does === "ask") reader.ask(asked.push(step.answer) * 2 - 1);
        else if (step.stream <= asked.length) reader.grant(Math.max(step.stream * 2 - 1, 0), step.bytes);
      }
      reader.grant(0, 100_000_000);
      for (const id of reader.streams.keys()) reader.grant(id, 10_000_000);
      for (let round = 0; round < 200; round++) await reader.read();
      for (const [id, { bytes, isEnded }] of reader.streams) {
        const { chunks } = asked[(id - 1) / 2]!;
        assert.deepEqual([bytes, isEnded], [chunks.reduce((sum, size) => sum + size, 0), true], `stream ${id}`);
      }
      assert.equal(inUse, 0);
    }),
    { numRuns: 60, seed: 3, examples: [[65_535, lastByte]] },
  );
});

test("no stream holds up another: smaller answers leave while larger ones are on their way", async () => {
  const sizes = [3_000_000, 3_000_000, 3_000_000, 200_000, 5];
  const reader = new Reader(1 << 30, (stream) => {
    const { id } = stream.sending;
    stream.respond(200, {}, bodyOf(id, sizes[(id - 1) / 2]!), false);
  });
  reader.grant(0, 1 << 30);
  for (const id of [1, 3, 5]) reader.ask(id);
  for (let i = 0; i < 5; i++) await reader.read();
  for (const id of [7, 9]) reader.ask(id);
  const bytesAt = async (id: number) => {
    while (!reader.streams.get(id)!.isEnded) await reader.read();
    return [...reader.streams.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  };
  const before = await bytesAt(9);
  assert.ok(before < 1_000_000, `the smallest after ${before} bytes`);
  const after = (await bytesAt(7)) - before;
  assert.ok(after < 2_000_000, `the smaller one after ${after} bytes more`);
  assert.ok([1, 3, 5].every((id) => !reader.streams.get(id)!.isEnded));
});
