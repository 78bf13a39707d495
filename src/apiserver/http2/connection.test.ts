// What those who answer see of a connection: bodies that are there or still come, and clients that take nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestBody } from "../http/request-body.ts";
import { Http2Connection } from "./connection.ts";
import { frameFlag, frameType, uint32At } from "./frames.ts";
import type { Http2Stream } from "./stream.ts";
import { FakeWire, frame, getBlock, greeting, postBlock } from "./testing.ts";

const { data, headers, ping, reset, windowUpdate } = frameType;
const { endHeaders, endStream } = frameFlag;
const get = (id: number) => frame(headers, endHeaders | endStream, id, getBlock);
const post = (id: number) => frame(headers, endHeaders, id, postBlock);

function connect(onRequest: (stream: Http2Stream) => void) {
  const wire = new FakeWire();
  const clock = { now: () => 0, after: () => () => {} };
  const connection = new Http2Connection({ wire, clock, onRequest });
  const send = (...frames: Buffer[]) => connection.receive(Buffer.concat(frames));
  const sent = async (type: number) => (await wire.rest()).filter((one) => one.type === type);
  send(greeting);
  return { connection, send, sent, wire };
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
  await new Promise((resolve) => setImmediate(resolve));
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
  const { connection, send, sent, wire } = connect((stream) => stream.respond(200, {}, Buffer.alloc(300), false));
  wire.isTaking = false;
  send(get(1));
  await sent(data);
  for (let id = 3; id < 600; id += 2) send(get(id));
  assert.equal(wire.isPaused, false);
  send(...Array.from({ length: 990 }, () => frame(ping, 0, 0, Buffer.alloc(8))));
  assert.equal(wire.isPaused, true);
  for (let i = 0; i < 2; i++) connection.endStalled(2);
  assert.equal(wire.isDestroyed, false);
  connection.endStalled(2);
  assert.equal(wire.isDestroyed, true);
  wire.isTaking = true;
  await sent(data);
  assert.deepEqual([wire.isPaused, connection.endStalled(2)], [false, false]);
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
