// The dispatcher over an event loop held by the test: turns, seats, waiting and its end.
import { test } from "node:test";
import assert from "node:assert/strict";
import type { Clock } from "../../machinery/clock.ts";
import { isReason } from "../../machinery/errors.ts";
import { Dispatcher, type FlowCall, type Loop, type Ticket } from "./dispatcher.ts";
import { newTally } from "./tally.ts";

/** Time passes only through `work`; callbacks run when the test says so. */
function heldLoop() {
  let ms = 0;
  let turns: (() => void)[] = [];
  const timers: { at: number; callback: () => void }[] = [];
  const settling: (() => void)[] = [];
  const loop: Loop = {
    now: () => ms,
    soon: (callback) => void turns.push(callback),
    settled: (callback) => void settling.push(callback),
  };
  const clock: Clock = {
    now: () => ms,
    after(delay, callback) {
      timers.push({ at: ms + delay, callback });
      return () => {};
    },
  };
  /** One turn; promises settle between the steps. */
  const turn = async () => {
    const due = turns;
    turns = [];
    for (const callback of due) {
      callback();
      await Promise.resolve().then(() => {});
      for (let next = settling.shift(); next; next = settling.shift()) {
        await new Promise((resolve) => setImmediate(resolve));
        next();
      }
    }
  };
  const pass = (more: number) => {
    ms += more;
    for (const timer of timers.splice(0))
      if (timer.at <= ms) timer.callback();
      else timers.push(timer);
  };
  return { loop, clock, turn, pass, work: (used: number) => void (ms += used), idle: () => turns.length === 0 };
}

const queuing = { queues: 64, handSize: 6, queueLengthLimit: 50 };
const level = (name: string, seats: number) => ({
  name,
  isExempt: false,
  bounds: { nominal: seats, least: seats, most: seats },
  queuing,
});
const tally = newTally("low", "users");
const call = (flow: string, more: Partial<FlowCall> = {}): FlowCall => ({
  level: "low",
  flow,
  width: 1,
  tally,
  details: undefined,
  client: { isGone: false },
  deadline: 60_000,
  ...more,
});

function start(seats = 10) {
  const held = heldLoop();
  const dispatcher = new Dispatcher({ loop: held.loop, clock: held.clock, seats });
  dispatcher.configure([level("low", seats)]);
  return { ...held, dispatcher };
}

test("what comes alone runs at once", () => {
  const { dispatcher } = start();
  const ticket = dispatcher.admit(call("jane"));
  assert.ok(!(ticket instanceof Promise));
  ticket.release();
});

test("a flood waits its turn: who comes later is served after a few of its requests, not after all", async () => {
  const { dispatcher, work, turn } = start();
  const served: string[] = [];
  const ask = (flow: string) => {
    const run = (ticket: Ticket) => {
      work(0.3);
      served.push(flow);
      ticket.release();
    };
    const ticket = dispatcher.admit(call(flow));
    return ticket instanceof Promise ? ticket.then(run) : run(ticket);
  };
  const all = Array.from({ length: 200 }, () => ask("flood"));
  assert.ok(served.length <= 4, "the first turn ends after its budget");
  for (let i = 0; i < 10; i++) await turn();
  const before = served.length;
  assert.ok(before >= 30 && before < 60, `${before} were served in ten turns`);
  all.push(ask("jane"));
  while (!served.includes("jane")) await turn();
  assert.ok(served.indexOf("jane") - before <= 8, `${served.indexOf("jane") - before} of the flood came before`);
  const until = served.length + 20;
  let turns = 0;
  for (; served.length < until; turns++) await turn();
  assert.ok(turns >= 10, "turns are short while several flows ask");
  while (served.length < all.length) await turn();
  await Promise.all(all);
});

test("who waits too long is told to come back", async () => {
  const { dispatcher, pass } = start(1);
  const first = dispatcher.admit(call("jane")) as Ticket;
  const second = dispatcher.admit(call("jane")) as Promise<Ticket>;
  for (let second = 0; second < 16; second++) pass(1000);
  await assert.rejects(second, (error) => isReason(error, "TooManyRequests"));
  first.release();
});

test("a free seat goes to the next; whoever left meanwhile is passed over", async () => {
  const { dispatcher, turn, idle } = start(1);
  const first = dispatcher.admit(call("jane")) as Ticket;
  const left = dispatcher.admit(call("jane", { client: { isGone: true } })) as Promise<Ticket>;
  const third = dispatcher.admit(call("jane")) as Promise<Ticket>;
  left.catch(() => {});
  await turn();
  first.release();
  for (let i = 0; i < 5; i++) await turn();
  (await third).release();
  await assert.rejects(left);
  for (let i = 0; i < 5; i++) await turn();
  assert.ok(idle(), "nothing goes on while nothing is asked");
});

test("an idle level's seats are lent and given back", () => {
  const { dispatcher, pass } = start(20);
  const shared = (name: string, most: number) => ({ ...level(name, 10), bounds: { nominal: 10, least: 2, most } });
  dispatcher.configure([shared("low", 20), shared("high", 20)]);
  const take = (name: string, count: number) =>
    Array.from({ length: count }, (_, i) => dispatcher.admit(call(`${name}-${i % 4}`, { level: name })));
  const limit = (name: string) =>
    [...dispatcher.levels].find(({ settings }) => settings.name === name)!.set.limits.seats;
  take("low", 30);
  pass(1500);
  take("low", 1);
  assert.equal(limit("low"), 18);
  take("high", 12);
  pass(10_500);
  take("high", 1);
  assert.ok(limit("high") >= 10 && limit("low") <= 10);
});

test("of many who are refused in a second, only the first are told at once", async () => {
  const held = heldLoop();
  const dispatcher = new Dispatcher({ ...held, seats: 10 });
  const { queuing: _, ...reject } = level("low", 1);
  dispatcher.configure([reject]);
  dispatcher.admit(call("a"));
  for (let n = 0; n < 100; n++) assert.throws(() => dispatcher.admit(call("a")));
  const refused: unknown[] = [];
  for (let n = 0; n < 50; n++) void Promise.resolve(dispatcher.admit(call("a"))).catch((error) => refused.push(error));
  await Promise.resolve();
  assert.equal(refused.length, 0);
  held.pass(500);
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(refused.length > 0 && refused.length < 50, String(refused.length));
  held.pass(500);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(refused.length, 50);
  assert.ok(isReason(refused[0], "TooManyRequests"));
  assert.throws(() => dispatcher.admit(call("a")), "a second later the count begins anew");
});
