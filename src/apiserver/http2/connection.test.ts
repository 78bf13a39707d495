// What those who answer see of a connection: bodies that are there or still come, and clients that take nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestBody } from "../http/request-body.ts";
import { Http2Connection } from "./connection.ts";
import { frameFlag, frameType, headBytes, preface, putHead, uint24At, uint31At, uint32At } from "./frames.ts";
import type { Http2Stream } from "./stream.ts";

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(headBytes + payload.length);
  putHead(bytes, 0, { length: payload.length, type, flags, stream });
  payload.copy(bytes, headBytes);
  return bytes;
}

const { data, headers, ping, reset, settings, windowUpdate } = frameType;
const { endHeaders, endStream } = frameFlag;
const get = (id: number) => frame(headers, endHeaders | endStream, id, Buffer.from("828784010161", "hex"));
const post = (id: number) => frame(headers, endHeaders, id, Buffer.from("838784010161", "hex"));

interface Sent {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

function connect(onRequest: (stream: Http2Stream) => void) {
  const written: Buffer[] = [];
  const pending: (() => void)[] = [];
  const state = { isBroken: false, isPaused: false, takes: true };
  const connection = new Http2Connection({
    wire: {
      write(bytes, done) {
        written.push(Buffer.from(bytes));
        pending.push(done);
      },
      pause: () => (state.isPaused = true),
      resume: () => (state.isPaused = false),
      end: () => {},
      destroy: () => (state.isBroken = true),
    },
    clock: { now: () => 0, after: () => () => {} },
    onRequest,
  });
  const send = (...frames: Buffer[]) => connection.receive(Buffer.concat(frames));
  const sent = async (type: number): Promise<Sent[]> => {
    do {
      await new Promise((resolve) => setImmediate(resolve));
      if (state.takes) for (const done of pending.splice(0)) done();
    } while (state.takes && pending.length > 0);
    const found: Sent[] = [];
    const bytes = Buffer.concat(written.splice(0));
    for (let at = 0; at < bytes.length;) {
      const end = at + headBytes + uint24At(bytes, at);
      const payload = bytes.subarray(at + headBytes, end);
      found.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, stream: uint31At(bytes, at + 5), payload });
      at = end;
    }
    return found.filter((one) => one.type === type);
  };
  send(preface, frame(settings, 0, 0));
  return { connection, send, sent, state };
}

test("a body that comes with its head is there without a promise, in any pieces", async () => {
  const bodies: (Buffer | Promise<Buffer>)[] = [];
  const { send } = connect((stream) => bodies.push(new RequestBody(stream, undefined).whole()));
  send(post(1), frame(data, 0, 1, Buffer.from("ab")), frame(data, endStream, 1, Buffer.from("c")));
  assert.equal(String(bodies[0]), "abc");
  const late = Buffer.concat([post(3), frame(data, endStream, 3, Buffer.from("late"))]);
  for (const byte of late) send(Buffer.of(byte));
  assert.ok(bodies[1] instanceof Promise);
  assert.equal(String(await bodies[1]), "late");
  send(post(5));
  send(frame(reset, 0, 5, Buffer.alloc(4)));
  await assert.rejects(async () => bodies[2], /could not be read/);
});

test("a body that is passed on gives the client its window back as it is read, or when nobody reads on", async () => {
  let stream!: Http2Stream;
  const { send, sent } = connect((one) => (stream = one));
  const upload = (id: number, count: number) =>
    send(...Array.from({ length: count }, () => frame(data, 0, id, Buffer.alloc(16_384))));
  send(post(1));
  const readable = stream.stream();
  const given = async () => (await sent(windowUpdate)).filter((one) => one.stream === 1);
  await given();
  upload(1, 60);
  assert.deepEqual(await given(), []);
  let read = 0;
  readable.on("data", (chunk: Buffer) => (read += chunk.length));
  assert.ok((await given()).length > 0);
  assert.equal(read, 60 * 16_384);
  readable.destroy();
  upload(1, 60);
  assert.ok((await given()).length > 0);
});

test("a whole response of which the client takes nothing is broken off, one that moves is not", async () => {
  const body = Buffer.alloc(200_000);
  const { connection, send, sent } = connect((stream) => {
    stream.sending.stalls = 0;
    stream.respond(200, {}, body, false);
  });
  send(get(1));
  await sent(data);
  for (let i = 0; i < 20; i++) {
    assert.equal(connection.endStalled(2), true);
    send(frame(windowUpdate, 0, 0, Buffer.from([0, 0, 0, 9])), frame(windowUpdate, 0, 1, Buffer.from([0, 0, 0, 9])));
    await sent(data);
  }
  for (let i = 0; i < 4; i++) connection.endStalled(2);
  const [broken] = await sent(reset);
  assert.deepEqual([broken?.stream, broken && uint32At(broken.payload, 0)], [1, 8]);
  assert.equal(connection.endStalled(2), false);
});

test("a client that asks and takes nothing is not listened to any more, and in the end broken off", async () => {
  const { connection, send, sent, state } = connect((stream) => stream.respond(200, {}, Buffer.alloc(300), false));
  state.takes = false;
  send(get(1));
  await sent(data);
  for (let id = 3; id < 600; id += 2) send(get(id));
  assert.equal(state.isPaused, false);
  send(...Array.from({ length: 990 }, () => frame(ping, 0, 0, Buffer.alloc(8))));
  assert.equal(state.isPaused, true);
  for (let i = 0; i < 2; i++) connection.endStalled(2);
  assert.equal(state.isBroken, false);
  connection.endStalled(2);
  assert.equal(state.isBroken, true);
  state.takes = true;
  await sent(data);
  assert.deepEqual([state.isPaused, connection.endStalled(2)], [false, false]);
});

test("headers of any length arrive, and those that cannot be sent are refused before anything is", async () => {
  const { send, sent } = connect((stream) => {
    assert.throws(() => stream.respond(200, { bad: "a\nb" }, Buffer.alloc(1), false), TypeError);
    stream.respond(200, { long: "x".repeat(20_000) }, Buffer.from("body"), false);
  });
  send(get(1));
  const all = await sent(frameType.continuation);
  assert.equal(all.length, 1);
  assert.equal(all[0]!.flags, endHeaders);
});
