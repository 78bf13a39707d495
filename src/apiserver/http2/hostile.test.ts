// Clients that break the rules of RFC 9113, or ask for more than anybody needs: each costs itself a stream or its connection.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Http2Connection } from "./connection.ts";
import { errorCode, frameFlag, frameType, preface, uint32At } from "./frames.ts";
import type { Http2Stream } from "./stream.ts";
import { FakeWire, frame as makeFrame, getBlock, greeting, postBlock, uint32, type Frame } from "./testing.ts";

const { data, headers, priority, reset, settings, pushPromise, ping, goAway, windowUpdate, continuation } = frameType;
const { endStream, ack, endHeaders, padded } = frameFlag;

/** A frame; its payload may be in hexadecimal. */
const frame = (type: number, flags: number, stream: number, payload: Buffer | string = ""): Buffer =>
  makeFrame(type, flags, stream, typeof payload === "string" ? hex(payload) : payload);
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const set = (name: number, value: number) => frame(settings, 0, 0, Buffer.concat([Buffer.of(0, name), uint32(value)]));
const field = (name: string, value: string) =>
  Buffer.concat([Buffer.of(0, name.length), Buffer.from(name), Buffer.of(value.length), Buffer.from(value)]);
const get = (id: number, ...more: Buffer[]) =>
  frame(headers, endHeaders | endStream, id, Buffer.concat([getBlock, ...more]));
const post = (id: number, ...more: Buffer[]) => frame(headers, endHeaders, id, Buffer.concat([postBlock, ...more]));

const nameOf = new Map(Object.entries(errorCode).map(([name, code]) => [code as number, name]));

/** What a frame of the server's tells a client, in words; nothing for those of every connection. */
function meaning({ type, flags, stream, payload }: Frame): string[] {
  const end = (flags & endStream) === 0 ? "" : " end";
  if (type === goAway) return [`goaway ${nameOf.get(uint32At(payload, 4))}`];
  if (type === reset) return [`reset ${stream} ${nameOf.get(uint32At(payload, 0))}`];
  if (type === ping) return [`ping ${payload.toString("hex")}`];
  if (type === headers) return [`headers ${stream}${end}`];
  return type === data ? [`data ${stream} ${payload.length}${end}`] : [];
}

/** A client of bytes. Requests for /hold are left open, all others are answered when they are complete. */
class Client {
  readonly wire = new FakeWire();
  readonly streams: Http2Stream[] = [];
  readonly connection: Http2Connection;
  now = 0;

  constructor(answer: (stream: Http2Stream) => void = answerWhole) {
    this.connection = new Http2Connection({
      wire: this.wire,
      clock: { now: () => this.now, after: () => () => {} },
      onRequest: (stream) => {
        this.streams.push(stream);
        answer(stream);
      },
    });
  }

  get isEnded(): boolean {
    return this.wire.isEnded || this.wire.isDestroyed;
  }

  send(...frames: Buffer[]): this {
    this.connection.receive(Buffer.concat(frames));
    return this;
  }

  /** Reads all there is. */
  read = async (): Promise<string[]> => (await this.wire.rest()).flatMap(meaning);
}

function answerWhole(stream: Http2Stream): void {
  if (stream.head.path === "/hold") return;
  stream.read({ data: () => {}, end: () => stream.respond(204, {}, Buffer.alloc(0), false), fail: () => {} });
}

/** GET https://a/hold, which is never answered. */
const held = (id: number) =>
  frame(headers, endHeaders | endStream, id, Buffer.concat([hex("8287010161"), field(":path", "/hold")]));
const heldPost = (id: number, ...more: Buffer[]) =>
  frame(headers, endHeaders, id, Buffer.concat([hex("8387010161"), field(":path", "/hold"), ...more]));

const lastWord = "ping 0102030405060708";
const goodbye = frame(ping, 0, 0, "0102030405060708");
const big = Buffer.alloc(16_384);

/** Frames after the greeting, and what the client reads then; the last ping is answered where the connection goes on. */
const cases: Record<string, readonly [sent: readonly Buffer[], read: readonly string[]]> = {
  // 4: frames
  "4.2 a frame that is too large": [[frame(data, 0, 1, Buffer.alloc(16_385))], ["goaway frameSize"]],
  "4.2 a DATA frame as large as it may be": [
    [post(1), frame(data, endStream, 1, big)],
    ["headers 1 end", lastWord],
  ],
  "4.3 a block that cannot be decoded": [[frame(headers, endHeaders, 1, "80")], ["goaway compression"]],
  "4.3 trailers that cannot be decoded": [
    [post(1), frame(headers, endHeaders | endStream, 1, "80")],
    ["goaway compression"],
  ],
  "4.3 a table size beyond what was allowed": [[frame(headers, endHeaders, 1, "3fe21f")], ["goaway compression"]],
  "5.5 frames of unknown type": [[frame(0xee, 0xff, 0, "00"), frame(0xed, 0, 7, "")], [lastWord]],
  "4.1 a reserved bit and unknown flags": [
    [Buffer.from(get(1)).fill(0x80, 5, 6), frame(ping, 0xfe, 0, "0000000000000000")],
    ["headers 1 end", "ping 0000000000000000", lastWord],
  ],
  // 5.1: states
  "5.1 DATA on an idle stream": [[frame(data, 0, 1, "00")], ["goaway protocol"]],
  "5.1 RST_STREAM on an idle stream": [[frame(reset, 0, 1, "00000008")], ["goaway protocol"]],
  "5.1 WINDOW_UPDATE on an idle stream": [[frame(windowUpdate, 0, 1, "00000001")], ["goaway protocol"]],
  "5.1 PRIORITY on an idle stream": [
    [frame(priority, 0, 9, "0000000010"), get(1)],
    ["headers 1 end", lastWord],
  ],
  "5.1 DATA on a half-closed stream": [
    [held(1), frame(data, 0, 1, "00")],
    ["reset 1 streamClosed", lastWord],
  ],
  "5.1 HEADERS on a half-closed stream": [
    [held(1), get(1)],
    ["reset 1 streamClosed", lastWord],
  ],
  "5.1 RST_STREAM and WINDOW_UPDATE on a closed stream": [
    [get(1), frame(windowUpdate, 0, 1, "00000001"), frame(reset, 0, 1, "00000008")],
    ["headers 1 end", lastWord],
  ],
  "5.1 DATA on a closed stream": [
    [get(1), frame(data, 0, 1, "00")],
    ["headers 1 end", "reset 1 streamClosed", lastWord],
  ],
  "5.1 HEADERS on a closed stream": [
    [get(1), get(1)],
    ["headers 1 end", "goaway streamClosed"],
  ],
  "5.1 DATA and trailers on a stream that the server has reset": [
    [heldPost(1, field("content-length", "0")), frame(data, 0, 1, "00"), frame(data, 0, 1, "00"), get(1)],
    ["reset 1 protocol", lastWord],
  ],
  "5.1 a stream that the client has reset": [
    [heldPost(1), frame(reset, 0, 1, "00000008"), get(3)],
    ["headers 3 end", lastWord],
  ],
  "5.1.1 an even stream": [[get(2)], ["goaway protocol"]],
  "5.1.1 a stream below the last": [
    [get(5), get(3)],
    ["headers 5 end", "goaway streamClosed"],
  ],
  "5.1.1 the last of all streams": [[get(0x7fff_ffff)], ["headers 2147483647 end", lastWord]],
  // 6: types of frames
  "6.1 DATA of no stream": [[frame(data, 0, 0, "00")], ["goaway protocol"]],
  "6.1 padding": [
    [post(1), frame(data, padded | endStream, 1, "02 61 0000")],
    ["headers 1 end", lastWord],
  ],
  "6.1 nothing but padding": [
    [post(1), frame(data, padded | endStream, 1, "02 0000")],
    ["headers 1 end", lastWord],
  ],
  "6.1 more padding than there is room": [[post(1), frame(data, padded, 1, "04 61 0000")], ["goaway protocol"]],
  "6.1 padding without its length": [[post(1), frame(data, padded, 1)], ["goaway frameSize"]],
  "6.2 HEADERS of no stream": [[get(0)], ["goaway protocol"]],
  "6.2 HEADERS with padding and priority": [
    [frame(headers, 0x2d, 1, Buffer.concat([hex("03 00000000 10"), getBlock, Buffer.alloc(3)]))],
    ["headers 1 end", lastWord],
  ],
  "6.2 HEADERS with more padding than there is room": [[frame(headers, 0xd, 1, "03 8287")], ["goaway protocol"]],
  "6.2 HEADERS too short for a priority": [[frame(headers, 0x25, 1, "00000000")], ["goaway frameSize"]],
  "6.3 PRIORITY of no stream": [[frame(priority, 0, 0, "0000000010")], ["goaway protocol"]],
  "6.3 PRIORITY of another size": [
    [held(1), frame(priority, 0, 1, "00")],
    ["reset 1 frameSize", lastWord],
  ],
  "6.4 RST_STREAM of no stream": [[frame(reset, 0, 0, "00000008")], ["goaway protocol"]],
  "6.4 RST_STREAM of another size": [[held(1), frame(reset, 0, 1, "000008")], ["goaway frameSize"]],
  "6.5 SETTINGS of a stream": [[frame(settings, 0, 1)], ["goaway protocol"]],
  "6.5 SETTINGS of another size": [[frame(settings, 0, 0, "00")], ["goaway frameSize"]],
  "6.5 an acknowledgement with settings": [[frame(settings, ack, 0, "000100000000")], ["goaway frameSize"]],
  "6.5 acknowledgements, and settings that nobody knows": [[frame(settings, ack, 0), set(0xf0, 7)], [lastWord]],
  "6.5.2 push neither on nor off": [[set(2, 2)], ["goaway protocol"]],
  "6.5.2 a window that is too large": [[set(4, 0x8000_0000)], ["goaway flowControl"]],
  "6.5.2 frames that are too small": [[set(5, 16_383)], ["goaway protocol"]],
  "6.5.2 frames that are too large": [[set(5, 0x100_0000)], ["goaway protocol"]],
  "6.6 PUSH_PROMISE": [[frame(pushPromise, endHeaders, 1, "00000002")], ["goaway protocol"]],
  "6.7 PING of a stream": [[frame(ping, 0, 1, "0000000000000000")], ["goaway protocol"]],
  "6.7 PING of another size": [[frame(ping, 0, 0, "00")], ["goaway frameSize"]],
  "6.7 an answer to no PING": [[frame(ping, ack, 0, "0000000000000000")], [lastWord]],
  "6.8 GOAWAY of a stream": [[frame(goAway, 0, 1, "0000000000000000")], ["goaway protocol"]],
  "6.8 GOAWAY of another size": [[frame(goAway, 0, 0, "00")], ["goaway frameSize"]],
  "6.9 WINDOW_UPDATE of another size": [[frame(windowUpdate, 0, 0, "000001")], ["goaway frameSize"]],
  "6.9 the connection's window grows by nothing": [[frame(windowUpdate, 0, 0, "00000000")], ["goaway protocol"]],
  "6.9 a stream's window grows by nothing": [
    [held(1), frame(windowUpdate, 0, 1, "00000000")],
    ["reset 1 protocol", lastWord],
  ],
  "6.9.1 the connection's window grows too much": [[frame(windowUpdate, 0, 0, "7fffffff")], ["goaway flowControl"]],
  "6.9.1 a stream's window grows too much": [
    [held(1), frame(windowUpdate, 0, 1, "7fffffff")],
    ["reset 1 flowControl", lastWord],
  ],
  "6.9.2 settings let a stream's window grow too much": [
    [held(1), frame(windowUpdate, 0, 1, "7fff0000"), set(4, 0x7fff_ffff)],
    ["goaway flowControl"],
  ],
  "6.10 CONTINUATION of nothing": [[frame(continuation, endHeaders, 1, "82")], ["goaway protocol"]],
  "6.10 CONTINUATION after the end": [[held(1), frame(continuation, endHeaders, 1, "82")], ["goaway protocol"]],
  "6.10 CONTINUATION of another stream": [
    [frame(headers, 0, 1, "82"), frame(continuation, endHeaders, 3, "82")],
    ["goaway protocol"],
  ],
  "6.10 another frame within a block": [[frame(headers, 0, 1, "82"), goodbye], ["goaway protocol"]],
  "6.10 an unknown frame within a block": [[frame(headers, 0, 1, "82"), frame(0xee, 0, 1)], ["goaway protocol"]],
  "6.10 a block in many frames": [
    [
      frame(headers, endStream, 1),
      ...[...getBlock].map((byte) => frame(continuation, 0, 1, Buffer.of(byte))),
      frame(continuation, endHeaders, 1),
    ],
    ["headers 1 end", lastWord],
  ],
  // 8: messages
  "8.1 trailers": [
    [post(1), frame(data, 0, 1, "61"), frame(headers, endHeaders | endStream, 1, field("a", "b"))],
    ["headers 1 end", lastWord],
  ],
  "8.1 trailers that are not the end": [
    [post(1), frame(headers, endHeaders, 1, field("a", "b"))],
    ["reset 1 protocol", lastWord],
  ],
  "8.1 trailers with pseudo headers": [
    [post(1), frame(headers, endHeaders | endStream, 1, getBlock)],
    ["reset 1 protocol", lastWord],
  ],
  "8.1.1 less than content-length": [
    [post(1, field("content-length", "2")), frame(data, endStream, 1, "61")],
    ["reset 1 protocol", lastWord],
  ],
  "8.1.1 more than content-length": [
    [post(1, field("content-length", "2")), frame(data, 0, 1, "616161")],
    ["reset 1 protocol", lastWord],
  ],
  "8.1.1 no body in spite of content-length": [[get(1, field("content-length", "2"))], ["reset 1 protocol", lastWord]],
  "8.1.1 no body before trailers": [
    [post(1, field("content-length", "2")), frame(headers, endHeaders | endStream, 1, field("a", "b"))],
    ["reset 1 protocol", lastWord],
  ],
  "8.2 an uppercase name": [[get(1, field("A", "b"))], ["reset 1 protocol", lastWord]],
  "8.2.2 a header of HTTP/1 connections": [[get(1, field("connection", "close"))], ["reset 1 protocol", lastWord]],
  "8.3.1 no path": [[frame(headers, 5, 1, "8287010161")], ["reset 1 protocol", lastWord]],
  "8.5 extended CONNECT, which was not offered": [
    [get(1, field(":protocol", "websocket"))],
    ["reset 1 protocol", lastWord],
  ],
  "a malformed request with a body": [
    [post(1, field("A", "b")), frame(data, 0, 1, "61"), frame(data, endStream, 1, "61"), get(3)],
    ["reset 1 protocol", "headers 3 end", lastWord],
  ],
};

for (const [name, [sent, read]] of Object.entries(cases)) {
  test(name, async () => {
    const whole = new Client().send(greeting, ...sent, goodbye);
    assert.deepEqual(await whole.read(), read);
    assert.equal(whole.isEnded, read.at(-1) !== lastWord, "the socket is closed where the connection is");
    const bytewise = new Client();
    for (const byte of Buffer.concat([greeting, ...sent, goodbye])) bytewise.send(Buffer.of(byte));
    assert.deepEqual(await bytewise.read(), read, "byte by byte");
  });
}

const firstBytes: Record<string, Buffer> = {
  "3.4 another protocol": Buffer.from("GET / HTTP/1.1\r\n\r\n"),
  "3.4 a preface that is wrong in the end": Buffer.from(preface).fill("x", 20),
  "3.4 no SETTINGS": Buffer.concat([preface, frame(ping, 0, 0, "0000000000000000")]),
  "3.4 an acknowledgement first": Buffer.concat([preface, frame(settings, ack, 0)]),
};
for (const [name, bytes] of Object.entries(firstBytes)) {
  test(name, async () => {
    const client = new Client().send(bytes);
    assert.deepEqual(await client.read(), ["goaway protocol"]);
    assert.ok(client.isEnded);
  });
}

const repeat = (count: number, make: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
const bomb = Buffer.concat([hex("40 01 78 7f a1 1e"), Buffer.alloc(4000, "y")]);

const floods: Record<string, Buffer> = {
  "rapid resets (CVE-2023-44487)": repeat(2000, (i) =>
    Buffer.concat([held(2 * i + 1), frame(reset, 0, 2 * i + 1, "00000008")]),
  ),
  "resets that the server is made to send": repeat(2000, (i) =>
    Buffer.concat([held(2 * i + 1), frame(windowUpdate, 0, 2 * i + 1, "00000000")]),
  ),
  "malformed requests": repeat(2000, (i) => get(2 * i + 1, field("A", "b"))),
  pings: repeat(2000, () => frame(ping, 0, 0, "0000000000000000")),
  settings: repeat(2000, () => frame(settings, 0, 0)),
  priorities: repeat(2000, () => frame(priority, 0, 1, "0000000010")),
  "unknown frames": repeat(2000, () => frame(0xee, 0, 0)),
  "empty DATA": Buffer.concat([heldPost(1), repeat(2000, () => frame(data, 0, 1))]),
  "padding without data": Buffer.concat([heldPost(1), repeat(2000, () => frame(data, padded, 1, "00"))]),
  "empty CONTINUATION (CVE-2024-27316)": Buffer.concat([
    frame(headers, 0, 1, getBlock),
    repeat(2000, () => frame(continuation, 0, 1)),
  ]),
  "CONTINUATION without end": Buffer.concat([
    frame(headers, 0, 1, getBlock),
    repeat(100, () => frame(continuation, 0, 1, big)),
  ]),
  "streams beyond the maximum": repeat(2000, (i) => held(2 * i + 1)),
};
for (const [name, bytes] of Object.entries(floods)) {
  test(`flood: ${name}`, async () => {
    const client = new Client().send(greeting, bytes, goodbye);
    const read = await client.read();
    assert.equal(read.at(-1), "goaway enhanceYourCalm");
    assert.ok(client.isEnded);
    assert.ok(
      client.streams.every((stream) => stream.isClosed),
      "nothing is kept",
    );
  });
}

test("what is too often at once is not too often in a day", async () => {
  const client = new Client().send(greeting);
  for (let second = 0; second < 200; second++) {
    client.now += 1000;
    client.send(repeat(50, () => frame(ping, 0, 0, "0000000000000000")));
    assert.equal((await client.read()).length, 50);
  }
  assert.ok(!client.isEnded);
});

test("streams beyond the maximum are refused, and the others go on", async () => {
  const client = new Client().send(
    greeting,
    repeat(252, (i) => held(2 * i + 1)),
  );
  assert.deepEqual(await client.read(), ["reset 501 refusedStream", "reset 503 refusedStream"]);
  client.send(frame(reset, 0, 1, "00000008"), get(505));
  assert.deepEqual(await client.read(), ["headers 505 end"]);
});

test("headers that are too large are answered so, also when they are only references", async () => {
  const client = new Client().send(
    greeting,
    get(1, bomb),
    frame(headers, 5, 3, Buffer.concat([getBlock, Buffer.alloc(100, 0xbe)])),
  );
  assert.deepEqual(await client.read(), ["headers 1 end", "headers 3 end"]);
  assert.equal(client.streams.length, 1);
  assert.deepEqual(await client.send(get(5, Buffer.of(0xbe))).read(), ["headers 5 end"], "the table is in order");
});

const mebibyte = Buffer.alloc(1024 * 1024);
const answerMuch = (stream: Http2Stream) => stream.respond(200, {}, mebibyte, false);

test("who reads nothing is not listened to, before much has piled up", async () => {
  const client = new Client();
  client.send(greeting);
  let sent = 0;
  while (!client.wire.isPaused && sent < 100_000) {
    client.now += 10;
    client.send(goodbye);
    sent++;
  }
  assert.ok(sent < 10_000, `${sent} pings`);
  assert.equal((await client.read()).length, sent, "all are answered when it reads");
  assert.ok(!client.wire.isPaused);
});

test("a reader without windows: answers wait, and more are refused when too much does", async () => {
  const client = new Client(answerMuch).send(
    greeting,
    set(4, 0),
    repeat(250, (i) => get(2 * i + 1)),
  );
  assert.deepEqual(
    await client.read(),
    Array.from({ length: 250 }, (_, i) => `headers ${2 * i + 1}`),
  );
  client.send(repeat(250, (i) => frame(reset, 0, 2 * i + 1, "00000008")));
  client.send(get(501));
  assert.deepEqual(await client.read(), ["headers 501"], "what was reset waits no more");
  const greedy = new Client((stream) => {
    stream.respondHead(200, {}, false);
    for (let i = 0; i < 100; i++) stream.write(mebibyte);
  });
  const read = await greedy
    .send(
      greeting,
      set(4, 0),
      repeat(9, (i) => get(2 * i + 1)),
    )
    .read();
  assert.deepEqual(
    read.slice(-7).filter((one) => one.startsWith("reset")),
    [7, 9, 11, 13, 15, 17].map((id) => `reset ${id} refusedStream`),
  );
});

test("windows are kept to the byte, also when settings take them back", async () => {
  const client = new Client((stream) => stream.respond(200, {}, Buffer.alloc(30), false));
  client.send(greeting, set(4, 10), get(1));
  assert.deepEqual(await client.read(), ["headers 1", "data 1 10"]);
  assert.deepEqual(await client.send(set(4, 5)).read(), []);
  assert.deepEqual(await client.send(frame(windowUpdate, 0, 1, "00000005")).read(), [], "back at nothing");
  assert.deepEqual(await client.send(frame(windowUpdate, 0, 1, "00000003")).read(), ["data 1 3"]);
  assert.deepEqual(await client.send(set(4, 100)).read(), ["data 1 17 end"]);
});

test("the connection's window holds for all streams together", async () => {
  const client = new Client(answerMuch).send(greeting, set(4, 0x100_0000), get(1), get(3));
  const received = (read: readonly string[]) =>
    read.filter((one) => one.startsWith("data")).reduce((sum, one) => sum + Number(one.split(" ")[2]), 0);
  const first = await client.read();
  assert.equal(received(first), 65_535);
  assert.ok(
    ["data 1", "data 3"].every((stream) => first.some((one) => one.startsWith(stream))),
    "in turn",
  );
  assert.equal(received(await client.send(frame(windowUpdate, 0, 0, "00000001")).read()), 1);
  assert.equal(received(await client.send(frame(windowUpdate, 0, 0, "00400000")).read()), 2 * mebibyte.length - 65_536);
});

test("a body that nobody reads fills the window of its stream, not more", async () => {
  const client = new Client().send(
    greeting,
    heldPost(1),
    repeat(64, () => frame(data, 0, 1, big)),
  );
  assert.deepEqual(await client.read(), []);
  assert.deepEqual(await client.send(frame(data, 0, 1, "00"), goodbye).read(), ["reset 1 flowControl", lastWord]);
});

test("bodies that nobody reads fill the window of the connection, not more", async () => {
  const bodies = (id: number) => Buffer.concat([heldPost(id), repeat(64, () => frame(data, 0, id, big))]);
  const client = new Client().send(
    greeting,
    repeat(40, (i) => bodies(2 * i + 1)),
  );
  assert.deepEqual(await client.read(), ["goaway flowControl"]);
  assert.ok(client.streams.length < 20);
  assert.ok(client.streams.every((stream) => stream.isClosed));
});

test("a client that asks whether to send its body is told so, unless it has sent it", async () => {
  const expecting = post(1, field("expect", "100-continue"));
  const client = new Client().send(greeting, expecting);
  assert.deepEqual(await client.read(), ["headers 1"]);
  assert.deepEqual(await client.send(frame(data, endStream, 1, "61")).read(), ["headers 1 end"]);
  const hasty = new Client().send(greeting, expecting, frame(data, endStream, 1, "61"));
  assert.deepEqual(await hasty.read(), ["headers 1 end"]);
});

test("a client that leaves is answered, and then the connection ends", async () => {
  const client = new Client().send(greeting, post(1), frame(goAway, 0, 0, "0000000000000000"));
  assert.deepEqual(await client.read(), []);
  assert.ok(!client.isEnded);
  assert.deepEqual(await client.send(frame(data, endStream, 1, "61")).read(), ["headers 1 end"]);
  assert.ok(client.isEnded);
});

test("asked to leave, a client is answered what it had asked; what it asks then is ignored, body and all", async () => {
  const client = new Client().send(greeting, post(1));
  client.connection.leave();
  assert.deepEqual(await client.read(), ["goaway none"]);
  client.send(post(3), frame(data, endStream, 3, "61"), frame(data, endStream, 1, "61"));
  assert.deepEqual(await client.read(), ["headers 1 end"]);
  assert.ok(client.isEnded);
});

/** Sessions that keep the rules, to be broken. */
const validFrames: readonly Buffer[] = [
  frame(settings, ack, 0),
  set(4, 1000),
  goodbye,
  frame(windowUpdate, 0, 0, "00001000"),
  get(1, field("accept", "a")),
  post(3, hex("40 01 61 01 62")),
  frame(data, 0, 3, "616263"),
  frame(headers, 0, 5, getBlock.subarray(0, 2)),
  frame(continuation, endHeaders, 5, getBlock.subarray(2)),
  frame(data, padded | endStream, 3, "02616263"),
  frame(priority, 0, 5, "0000000010"),
  frame(headers, endHeaders | endStream, 5, field("a", "b")),
  held(7),
  frame(windowUpdate, 0, 7, "00000010"),
  frame(reset, 0, 7, "00000008"),
  get(9, Buffer.of(0xbe)),
  frame(goAway, 0, 0, "0000000000000000"),
];

test("sessions with broken bytes, and lost, doubled and displaced frames end or are answered", async () => {
  const position = fc.nat(1e6);
  const change = fc.oneof(
    fc.record({ kind: fc.constant("flip" as const), at: position, to: fc.nat(255) }),
    fc.record({ kind: fc.constant("lose" as const), at: position, to: position }),
    fc.record({ kind: fc.constant("double" as const), at: position, to: position }),
    fc.record({ kind: fc.constant("cut" as const), at: position, to: position }),
  );
  const session = fc.record({
    changes: fc.array(change, { minLength: 1, maxLength: 8 }),
    chunkBytes: fc.integer({ min: 1, max: 300 }),
  });
  const flood = repeat(1300, () => frame(ping, 0, 0, "0000000000000000"));
  await fc.assert(
    fc.asyncProperty(session, async ({ changes, chunkBytes }) => {
      const frames = validFrames.map((one) => Buffer.from(one));
      for (const { kind, at, to } of changes) {
        const chosen = frames[at % frames.length]!;
        if (kind === "flip") chosen[to % chosen.length]! ^= 1 << (at & 7);
        else if (kind === "lose" && frames.length > 1) frames.splice(at % frames.length, 1);
        else if (kind === "double") frames.splice(to % frames.length, 0, Buffer.from(chosen));
        else frames[at % frames.length] = chosen.subarray(0, 1 + (to % chosen.length));
      }
      const client = new Client((stream) => {
        if (stream.head.method === "POST") answerWhole(stream);
        else answerMuch(stream);
      });
      const bytes = Buffer.concat([greeting, ...frames]);
      for (let at = 0; at < bytes.length; at += chunkBytes) client.send(bytes.subarray(at, at + chunkBytes));
      // Whatever frame the end is in, this is more than it takes.
      const read = await client.send(flood).read();
      assert.ok(
        read.some((one) => one.startsWith("goaway") || one === "ping 0000000000000000"),
        read.join(),
      );
      assert.equal(
        client.isEnded,
        read.some((one) => one.startsWith("goaway")),
      );
      client.connection.closed();
      assert.ok(client.streams.every((stream) => stream.isClosed && stream.sending.bufferedBytes === 0));
    }),
    { numRuns: 500, seed: 11 },
  );
});
