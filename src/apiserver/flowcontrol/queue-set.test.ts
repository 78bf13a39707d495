// Queue sets: limits hold, nobody starves, flows keep to their queues.
import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { dealHand, QueueSet, type FlowRequest } from "./queue-set.ts";

const queuing = { queues: 64, handSize: 6, queueLengthLimit: 50 };

test("a flow always gets the same hand of different queues", () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 12 }),
      (flow, queues, size) => {
        const handSize = Math.min(size, queues);
        const hand = dealHand(flow, { ...queuing, queues, handSize });
        assert.equal(new Set(hand).size, handSize);
        assert.ok(hand.every((index) => index >= 0 && index < queues));
        assert.deepEqual(dealHand(flow, { ...queuing, queues, handSize }), hand);
      },
    ),
  );
});

const step = fc.oneof(
  fc.record({
    type: fc.constant("enqueue" as const),
    flow: fc.integer({ min: 0, max: 9 }),
    width: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({ type: fc.constant("dispatch" as const) }),
  fc.record({ type: fc.constant("finish" as const), at: fc.nat(), threadMs: fc.integer({ min: 0, max: 20 }) }),
  fc.record({ type: fc.constant("remove" as const), at: fc.nat() }),
);

test("seats and queue lengths are never exceeded, and the counts are those of the requests", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.integer({ min: 1, max: 8 }), (steps, seats) => {
      const set = new QueueSet({ seats, queuing: { queues: 8, handSize: 3, queueLengthLimit: 5 } });
      const [waiting, running]: FlowRequest[][] = [[], []] as never;
      for (const [now, next] of steps.entries()) {
        if (next.type === "enqueue") {
          const request = set.enqueue(`flow-${next.flow}`, next.width, now);
          if (typeof request === "string") assert.equal(request, "queue-full");
          else waiting!.push(request);
        } else if (next.type === "dispatch") {
          const request = set.dispatch(now);
          if (request) running!.push(...waiting!.splice(waiting!.indexOf(request), 1));
          else assert.ok(waiting!.length === 0 || running!.length > 0, "something could have run");
        } else if (next.type === "finish" && running!.length > 0) {
          const [request] = running!.splice(next.at % running!.length, 1);
          request!.threadMs = next.threadMs;
          set.finish(request!, now);
        } else if (next.type === "remove" && waiting!.length > 0) {
          assert.ok(set.remove(waiting!.splice(next.at % waiting!.length, 1)[0]!));
        }
        const sum = (requests: readonly FlowRequest[]) => requests.reduce((total, { width }) => total + width, 0);
        assert.equal(set.waiting, waiting!.length);
        assert.equal(set.executing, running!.length);
        assert.equal(set.seatsInUse, sum(running!));
        assert.equal(set.seatsWaiting, sum(waiting!));
        assert.ok(set.seatsInUse <= seats || running!.length === 1);
        for (const queue of set.queues) assert.ok(queue.waiting.length <= 5);
      }
    }),
  );
});

test("a flood does not delay a flow of its own queue by more than one request of every other queue", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 30 }), fc.nat(1000), (seats, cost, seed) => {
      const set = new QueueSet({ seats, queuing });
      const [flood, quiet] = [`flood-${seed}`, `quiet-${seed}`];
      const shared = new Set(dealHand(flood, queuing));
      fc.pre(!dealHand(quiet, queuing).some((index) => shared.has(index)));
      let now = 0;
      const running: FlowRequest[] = [];
      const serve = () => {
        for (let next = set.dispatch(now); next; next = set.dispatch(now)) running.push(next);
        const done = running.shift()!;
        done.threadMs = cost;
        set.finish(done, (now += cost));
        return done;
      };
      for (let i = 0; i < 250; i++) set.enqueue(flood, 1, now);
      for (let i = 0; i < 60; i++) serve();
      const request = set.enqueue(quiet, 1, now);
      let served = 0;
      while (serve() !== request) served++;
      assert.ok(served <= shared.size + seats, `${served} requests were served before`);
    }),
  );
});

test("flows that wait get equal shares of the thread, whatever their requests cost", () => {
  const set = new QueueSet({ seats: 100, queuing });
  const used = { heavy: 0, light: 0 };
  for (let now = 0; now < 5000;) {
    for (const flow of ["heavy", "light"]) {
      while (typeof set.enqueue(flow, 1, now) !== "string" && set.waiting < 500);
    }
    const request = set.dispatch(now)!;
    const cost = request.flow === "heavy" ? 20 : 1;
    used[request.flow as "heavy"] += cost;
    request.threadMs = cost;
    set.finish(request, (now += cost));
  }
  assert.ok(used.heavy / used.light < 1.3 && used.light / used.heavy < 1.3, JSON.stringify(used));
});

test("without queues, what finds no seat is refused; the widest request runs alone", () => {
  const set = new QueueSet({ seats: 2 });
  assert.notEqual(typeof set.enqueue("a", 9, 0), "string");
  const wide = set.dispatch(0)!;
  assert.equal(set.enqueue("a", 1, 0), "concurrency-limit");
  set.finish(wide, 1);
  assert.notEqual(typeof set.enqueue("a", 2, 1), "string");
});
