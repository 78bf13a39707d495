// Lets requests run: each within the seats of its priority level, and all of them in turns of the one main thread, so that
// whoever sends most does not decide who is served. Follows kubernetes v1.36
// staging/src/k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go (levels, lending); the turns are our own.
import type { Clock } from "../../machinery/clock.ts";
import { tooManyRequests } from "../../machinery/errors.ts";
import { QueueSet, type FlowRequest, type QueueSetLimits } from "./queue-set.ts";
import { allotSeats, type SeatBounds } from "./seats.ts";
import { countRefused, countWait, type Tally } from "./tally.ts";

export interface LevelSettings {
  readonly name: string;
  readonly isExempt: boolean;
  readonly bounds: SeatBounds;
  readonly queuing?: QueueSetLimits["queuing"];
}

/** A priority level as it runs. */
export interface Level {
  readonly settings: LevelSettings;
  readonly set: QueueSet;
  /** Gone from the configuration; it ends with its last request. */
  readonly isQuiescing: boolean;
  /** Seats wanted since the last adjustment, and the slowly falling memory of it. */
  readonly demand: { readonly high: number; readonly smooth: number };
}

interface RunningLevel extends Level {
  settings: LevelSettings;
  isQuiescing: boolean;
  demand: { high: number; smooth: number };
  /** Virtual time of the main thread at which the level is served next. */
  next: number;
}

/** The event loop, so that tests can hold it. */
export interface Loop {
  /** Milliseconds of a monotonic clock. */
  now(): number;
  /** In the next turn of the loop, after input was read. */
  soon(callback: () => void): void;
  /** When everything that can go on without input has gone on. */
  settled(callback: () => void): void;
}

export const realLoop: Loop = {
  now: () => performance.now(),
  soon: (callback) => void setImmediate(callback),
  settled: (callback) => queueMicrotask(() => process.nextTick(callback)),
};

/** What a request brings along; `details` are for the dumps. */
export interface FlowCall {
  readonly level: string;
  readonly flow: string;
  readonly width: number;
  readonly tally: Tally;
  readonly details: unknown;
  /** Gone when nobody waits for the answer any more. */
  readonly client: { readonly isGone: boolean };
  /** The request must have started by then, in milliseconds of the loop's clock. */
  readonly deadline: number;
}

/** The right to run; whoever has it gives it back, once. */
export interface Ticket {
  release(): void;
}

class Running implements Ticket {
  readonly call: FlowCall;
  readonly level: RunningLevel;
  readonly request: FlowRequest;
  /** The turn of the loop in which it started. */
  readonly turn: number;
  /** Its place among those that run; -1 when it is done. */
  at: number;
  readonly #end: (running: Running) => void;

  constructor(
    call: FlowCall,
    level: RunningLevel,
    request: FlowRequest,
    place: { readonly turn: number; readonly at: number },
    end: (running: Running) => void,
  ) {
    this.call = call;
    this.level = level;
    this.request = request;
    this.turn = place.turn;
    this.at = place.at;
    this.#end = end;
  }

  release(): void {
    if (this.at >= 0) this.#end(this);
  }
}

interface Waiting {
  readonly call: FlowCall;
  readonly level: RunningLevel;
  readonly start: (ticket: Ticket) => void;
  readonly refuse: (error: Error) => void;
}

/** Work of one turn; then input is read again and others may have come. Long turns make large batches. */
const turnMs = 1;
/**
 * The same when several flows ask: what comes meanwhile is read only after the turn, and what is answered in it is sent only
 * after the input of the next one, so that the length of a turn is the time that those wait who ask little.
 */
const sharedTurnMs = 0.25;
/** The loop counts as shared for so long after flows took turns in asking. */
const sharedForMs = 1000;
/** How often seats are lent anew while requests come; sooner when one has to wait for a seat. */
const adjustMs = 10_000;
const adjustSoonMs = 1000;
/** What remains of a peak after each adjustment period. */
const memory = 0.977;
const sweepMs = 1000;
/** A request waits at most so long. */
const waitMs = 15_000;
/** So many are told at once in each second that they are refused. Others are told late: who asks again at once must not live on refusals. */
const promptRefusals = 100;
const lateMs = 1000;
/** More than this and the thread was kept waiting, or the width was told wrong. */
const mostMsPerSeat = 3;
/** Thread time of a request that was not measured. */
const usualThreadMs = 0.3;

export class Dispatcher {
  readonly #loop: Loop;
  readonly #clock: Clock;
  readonly #total: number;
  readonly #levels = new Map<string, RunningLevel>();
  readonly #waiting = new Map<FlowRequest, Waiting>();
  readonly #running: Running[] = [];
  #turn = 0;
  #turnStartedAt = Number.NEGATIVE_INFINITY;
  #turnOpen = false;
  #pumping = false;
  #sweeping = false;
  #virtual = 0;
  #adjustedAt: number;
  #lastFlow = "";
  #sharedUntil = 0;
  #refusals = 0;
  #refusalsSince = 0;

  /** `seats` is what all limited levels share. */
  constructor({ loop, clock, seats }: { loop: Loop; clock: Clock; seats: number }) {
    this.#loop = loop;
    this.#clock = clock;
    this.#total = seats;
    this.#adjustedAt = loop.now();
  }

  get levels(): Iterable<Level> {
    return this.#levels.values();
  }

  /** Requests that run or wait, with what they brought along. */
  *requests(): Iterable<{ readonly request: FlowRequest; readonly call: FlowCall }> {
    for (const { request, call } of this.#running) yield { request, call };
    for (const [request, { call }] of this.#waiting) yield { request, call };
  }

  configure(settings: readonly LevelSettings[]): void {
    for (const level of this.#levels.values()) level.isQuiescing = true;
    for (const row of settings) {
      const limits = limitsOf(row, row.bounds.nominal);
      const level = this.#levels.get(row.name);
      if (level) {
        level.settings = row;
        level.isQuiescing = false;
        level.set.limits = limits;
      } else {
        const fresh = { settings: row, set: new QueueSet(limits), isQuiescing: false, demand: { high: 0, smooth: 0 } };
        this.#levels.set(row.name, { ...fresh, next: this.#virtual });
      }
    }
    this.#adjust(this.#loop.now());
  }

  /** Returns at once when nothing stands against it. Throws, or rejects, with TooManyRequests. */
  admit(call: FlowCall): Ticket | Promise<Ticket> {
    const level = this.#levels.get(call.level)!;
    const now = this.#loop.now();
    if (now - this.#adjustedAt >= adjustMs) this.#adjust(now);
    this.#openTurn(now);
    if (call.flow !== this.#lastFlow) {
      if (this.#lastFlow) this.#sharedUntil = now + sharedForMs;
      this.#lastFlow = call.flow;
    }
    const { set, settings, demand } = level;
    if (set.waiting === 0) level.next = Math.max(level.next, this.#virtual);
    const isQuick = !this.#pumping && now - this.#turnStartedAt < turnMs;
    if (settings.isExempt || (isQuick && set.isFree(call.width))) {
      const ticket = this.#start(level, set.start(call.flow, call.width, now), call, now);
      demand.high = Math.max(demand.high, set.seatsInUse);
      return ticket;
    }
    const request = set.enqueue(call.flow, call.width, now);
    if (typeof request === "string") return this.#refuse(refused(call, request), now);
    demand.high = Math.max(demand.high, set.seatsInUse + set.seatsWaiting);
    call.tally.waiting++;
    const waiting = new Promise<Ticket>((start, refuse) => {
      this.#waiting.set(request, { call, level, start, refuse });
    });
    if (!set.canDispatch && now - this.#adjustedAt >= adjustSoonMs) this.#adjust(now);
    this.#wake();
    this.#sweepLater();
    return waiting;
  }

  /** Throws, or rejects later. */
  #refuse(error: Error, now: number): Promise<never> {
    if (now - this.#refusalsSince >= lateMs) {
      this.#refusals = 0;
      this.#refusalsSince = now;
    }
    if (this.#refusals++ < promptRefusals) throw error;
    // Spread, so that a crowd does not come back as one.
    const delayMs = (lateMs * (1 + (this.#refusals % 16))) / 16;
    return new Promise((_, refuse) => void this.#clock.after(delayMs, () => refuse(error)));
  }

  #openTurn(now: number): void {
    if (this.#turnOpen) return;
    this.#turnOpen = true;
    this.#turn++;
    this.#turnStartedAt = now;
    this.#loop.soon(() => (this.#turnOpen = false));
  }

  #start(level: RunningLevel, request: FlowRequest, call: FlowCall, now: number): Ticket {
    const { tally } = call;
    tally.executing++;
    tally.dispatched++;
    countWait(tally.served, (now - request.arrivedAt) / 1000);
    const running = new Running(call, level, request, { turn: this.#turn, at: this.#running.length }, this.#end);
    this.#running.push(running);
    return running;
  }

  readonly #end = (running: Running): void => {
    const { request, level, call, turn } = running;
    const now = this.#loop.now();
    if (request.threadMs === 0) {
      request.threadMs = turn === this.#turn ? Math.min(now - request.startedAt!, turnMs) : usualThreadMs;
    }
    call.tally.executing--;
    const last = this.#running.pop()!;
    if (last !== running) {
      this.#running[running.at] = last;
      last.at = running.at;
    }
    running.at = -1;
    level.set.finish(request, now);
    if (level.set.waiting > 0) this.#wake();
    else if (level.isQuiescing && level.set.executing === 0) this.#levels.delete(level.settings.name);
  };

  /** Serves those who wait in the next turns, as long as some could run. */
  #wake(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#loop.soon(() => this.#pump());
  }

  #pump(): void {
    this.#turn++;
    const now = this.#loop.now();
    this.#step(now + (now < this.#sharedUntil ? sharedTurnMs : turnMs));
  }

  /** Lets requests run, one after the other, until that time. */
  #step(until: number): void {
    const now = this.#loop.now();
    const level = this.#nextLevel();
    if (!level) {
      this.#pumping = false;
      return;
    }
    if (now >= until) return this.#loop.soon(() => this.#pump());
    const request = level.set.dispatch(now)!;
    const waiting = this.#waiting.get(request)!;
    this.#waiting.delete(request);
    waiting.call.tally.waiting--;
    this.#virtual = Math.max(this.#virtual, level.next);
    const ticket = this.#start(level, request, waiting.call, now);
    if (waiting.call.client.isGone) {
      countRefused(waiting.call.tally, "cancelled");
      ticket.release();
      waiting.refuse(tooManyRequests("the client is gone", 1));
      return this.#loop.settled(() => this.#step(until));
    }
    waiting.start(ticket);
    this.#loop.settled(() => {
      // Whatever else the machine did meanwhile is nobody's fault, and cannot be told apart.
      const used = Math.min(this.#loop.now() - now, mostMsPerSeat * request.width);
      level.set.charge(request, used);
      level.next += used / Math.max(1, level.settings.bounds.nominal);
      this.#step(until);
    });
  }

  /** Levels get the thread in proportion to their shares. */
  #nextLevel(): RunningLevel | undefined {
    let best: RunningLevel | undefined;
    for (const level of this.#levels.values()) {
      if (level.set.waiting === 0 || (best && level.next >= best.next)) continue;
      if (level.set.canDispatch) best = level;
    }
    return best;
  }

  #sweepLater(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#clock.after(sweepMs, () => {
      this.#sweeping = false;
      this.#sweep(this.#loop.now());
      if (this.#waiting.size > 0) this.#sweepLater();
    });
  }

  #sweep(now: number): void {
    for (const [request, { call, level, refuse }] of this.#waiting) {
      if (Math.min(call.deadline, request.arrivedAt + waitMs) > now || !level.set.remove(request)) continue;
      this.#waiting.delete(request);
      call.tally.waiting--;
      countWait(call.tally.given, (now - request.arrivedAt) / 1000);
      refuse(refused(call, "time-out"));
    }
  }

  #adjust(now: number): void {
    const periods = (now - this.#adjustedAt) / adjustMs;
    this.#adjustedAt = now;
    const limited: RunningLevel[] = [];
    for (const level of this.#levels.values()) {
      const { set, demand, settings } = level;
      if (level.isQuiescing && set.waiting === 0 && set.executing === 0) this.#levels.delete(settings.name);
      if (settings.isExempt) continue;
      demand.smooth = Math.max(demand.high, demand.smooth * memory ** periods);
      limited.push(level);
    }
    const seats = allotSeats(
      limited.map(({ settings, demand }) => ({ bounds: settings.bounds, demand })),
      this.#total,
    );
    for (const [i, level] of limited.entries()) {
      level.set.limits = limitsOf(level.settings, seats[i]!);
      level.demand.high = level.set.seatsInUse + level.set.seatsWaiting;
      if (level.set.canDispatch) this.#wake();
    }
  }
}

const limitsOf = ({ isExempt, queuing }: LevelSettings, seats: number): QueueSetLimits => ({
  seats: isExempt ? Number.POSITIVE_INFINITY : seats,
  ...(queuing ? { queuing } : {}),
});

function refused({ tally }: FlowCall, reason: string): Error {
  countRefused(tally, reason);
  return tooManyRequests("too many requests, please try again later", 1);
}
