import { test } from "node:test";
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { createDeflate, constants } from "node:zlib";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { SpdyConnection, type SpdyStream } from "./spdy.ts";
import {
  dictionary,
  encodeDataHead,
  encodePing,
  encodeSynReply,
  encodeSynStream,
  FrameDecoder,
  HeaderDecoder,
  HeaderEncoder,
  SpdyError,
} from "./spdy-frames.ts";

test("the header dictionary is the one of the protocol", () => {
  assert.equal(dictionary.length, 1423);
  let a = 1;
  let b = 0;
  for (const byte of dictionary) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  assert.equal((b * 65536 + a).toString(16), "e3c6a7c2");
});

test("header blocks come back as they were, ours and really compressed ones", async () => {
  const encoder = new HeaderEncoder();
  const decoder = new HeaderDecoder();
  const samples: Record<string, string>[] = [
    { streamtype: "error" },
    { streamtype: "data", port: "80", requestid: "0" },
  ];
  for (const headers of samples) {
    assert.deepEqual(await decoder.decode(encoder.encode(headers)), headers);
  }
  decoder.close();
  const deflate = createDeflate({ dictionary });
  const compressed = await new Promise<Buffer>((resolve) => {
    const chunks: Buffer[] = [];
    deflate.on("data", (chunk: Buffer) => chunks.push(chunk));
    deflate.write(Buffer.from("\0\0\0\x01\0\0\0\x0astreamtype\0\0\0\x05stdin", "latin1"));
    deflate.flush(constants.Z_SYNC_FLUSH, () => resolve(Buffer.concat(chunks)));
  });
  deflate.destroy();
  const other = new HeaderDecoder();
  assert.deepEqual(await other.decode(compressed), { streamtype: "stdin" });
  other.close();
});

test("a broken header block is an error, not a crash", async () => {
  const decoder = new HeaderDecoder();
  await assert.rejects(decoder.decode(Buffer.from("not zlib at all")), SpdyError);
  await assert.rejects(decoder.decode(Buffer.from("and never again")), SpdyError);
});

test("frames survive being cut anywhere", () => {
  const encoder = new HeaderEncoder();
  const bytes = Buffer.concat([
    encodeSynStream(1, false, encoder.encode({ streamtype: "stdout" })),
    encodeDataHead(1, 5, false),
    Buffer.from("hello"),
    encodePing(1),
    encodeDataHead(1, 0, true),
  ]);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (cuts) => {
      const decoder = new FrameDecoder();
      const edges = [0, ...cuts.toSorted((x, y) => x - y), bytes.length];
      const frames = edges.slice(1).flatMap((end, index) => [...decoder.push(bytes.subarray(edges[index], end))]);
      const data = frames.flatMap((frame) => (frame.type === "data" ? [frame.data] : []));
      assert.equal(Buffer.concat(data).toString(), "hello");
      assert.deepEqual(
        frames.filter(({ type }) => type !== "data").map(({ type }) => type),
        ["synStream", "ping"],
      );
      assert.ok(frames.some((frame) => frame.type === "data" && frame.fin));
    }),
  );
});

test("no bytes crash the frame decoder", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
      const decoder = new FrameDecoder();
      try {
        for (const chunk of chunks) for (const frame of decoder.push(Buffer.from(chunk))) assert.ok(frame.type);
      } catch (error) {
        assert.ok(error instanceof SpdyError);
      }
    }),
  );
});

test("a hostile peer ends its connection and nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 256 }), async (noise) => {
      const [here, there] = duplexPair();
      const connection = new SpdyConnection(here, { role: "server", onStream: (stream) => void stream.resume() });
      there.on("error", () => {});
      there.resume();
      there.end(Buffer.from(noise));
      await connection.closed;
    }),
    { numRuns: 50 },
  );
});

test("streams carry bytes both ways and end one side at a time", async () => {
  const [here, there] = duplexPair();
  const accepted: SpdyStream[] = [];
  const server = new SpdyConnection(there, {
    role: "server",
    onStream(stream) {
      accepted.push(stream);
      stream.pipe(stream);
    },
  });
  const client = new SpdyConnection(here, { role: "client" });
  const stream = client.open({ streamtype: "data", port: "80" });
  const big = "x".repeat(100_000);
  stream.end(big);
  assert.equal(await text(stream), big);
  assert.deepEqual(accepted[0]!.headers, { streamtype: "data", port: "80" });
  client.close();
  await Promise.all([client.closed, server.closed]);
});

test("streams end when the connection does", async () => {
  const [here, there] = duplexPair();
  const client = new SpdyConnection(here, { role: "client" });
  const stream = client.open({ streamtype: "stdout" });
  there.resume();
  there.end();
  assert.equal(await text(stream), "");
  await client.closed;
});

test("what arrived before the connection broke still reaches its reader", async () => {
  const [ours, theirs] = duplexPair();
  const connection = new SpdyConnection(ours, { role: "client" });
  const stream = connection.open({ streamtype: "error" });
  theirs.resume();
  theirs.write(encodeSynReply(stream.id, false, new HeaderEncoder().encode({})));
  theirs.write(Buffer.concat([encodeDataHead(stream.id, 7, false), Buffer.from("verdict")]));
  await new Promise((resolve) => setImmediate(resolve));
  ours.destroy(new Error("a write failed"));
  assert.equal(await text(stream), "verdict");
});
