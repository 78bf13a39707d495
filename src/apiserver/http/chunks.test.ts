import assert from "node:assert/strict";
import { test } from "node:test";
import { chunked } from "./chunks.ts";
import type { BodySink } from "./exchange.ts";

const parts = (fill: string, count: number, bytes: number) =>
  Array.from({ length: count }, () => Buffer.alloc(bytes, fill)).values();

/** Reads what was written only when it says so, as a connection does. */
function slowSink(): { sink: BodySink; text: Promise<string> } {
  const ended = Promise.withResolvers<string>();
  let text = "";
  const sink: BodySink = {
    write(chunk, done) {
      setImmediate(() => {
        text += Buffer.from(chunk).toString();
        done?.();
      });
      return false;
    },
    drained: () => Promise.resolve(),
    bufferedBytes: 0,
    end: () => ended.resolve(text),
    abort: () => ended.reject(new Error("aborted")),
    signal: new AbortController().signal,
  };
  return { sink, text: ended.promise };
}

async function read(body: ReturnType<typeof chunked>): Promise<string> {
  if (typeof body !== "function") return Buffer.from(body).toString();
  const { sink, text } = slowSink();
  void body(sink);
  return text;
}

test("small parts are one body, many and large ones come in order", async () => {
  assert.equal(await read(chunked(parts("a", 3, 2))), "aaaaaa");
  assert.equal(await read(chunked(parts("a", 0, 0))), "");
  assert.equal(await read(chunked(parts("b", 3000, 999))), "b".repeat(3000 * 999));
  assert.equal(await read(chunked(parts("c", 2, 1_500_000))), "c".repeat(3_000_000));
});

test("bodies under way at once do not touch each other, nor those after them", async () => {
  const bodies = ["a", "b", "c", "d"].map((fill) => chunked(parts(fill, 400, 5000)));
  const texts = await Promise.all(bodies.map(read));
  assert.deepEqual(
    texts,
    ["a", "b", "c", "d"].map((fill) => fill.repeat(2_000_000)),
  );
  assert.equal(await read(chunked(parts("e", 400, 5000))), "e".repeat(2_000_000));
});

test("parts that take long to make leave in smaller chunks", async () => {
  function* slowParts(): Generator<string> {
    for (let part = 0; part < 64; part++) {
      const until = performance.now() + 1;
      while (performance.now() < until);
      yield String(part);
    }
  }
  const body = chunked(slowParts());
  assert.equal(typeof body, "function", "not all at once");
  assert.equal(await read(body), Array.from({ length: 64 }, (_, part) => part).join(""));
});
