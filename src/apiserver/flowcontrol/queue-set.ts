// The waiting and running requests of one priority level: shuffle-sharded queues, dispatched fairly by virtual time.
// Follows kubernetes v1.36 staging/src/k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing (queues, hands, seats), with a
// virtual clock that follows what was dispatched (start-time fair queueing) instead of real time: how fast one thread
// serves is not known beforehand.
import { hash } from "node:crypto";

export interface Queuing {
  readonly queues: number;
  readonly handSize: number;
  readonly queueLengthLimit: number;
}

export interface QueueSetLimits {
  /** Seats that may be taken at once; infinite for exempt levels. */
  readonly seats: number;
  /** Absent: what finds no seat is refused. */
  readonly queuing?: Queuing;
}

/** One request from its arrival until `finish` or `remove`. */
export interface FlowRequest {
  readonly flow: string;
  /** Seats it takes while it runs. */
  readonly width: number;
  readonly arrivedAt: number;
  readonly queue: Queue;
  /** Times are milliseconds of a monotonic clock; undefined while it waits. */
  startedAt: number | undefined;
  /** Milliseconds of the main thread that it has used, as far as they were measured. */
  threadMs: number;
  isDone: boolean;
}

export interface Queue {
  readonly index: number;
  /** Virtual time at which its next request may start. */
  next: number;
  readonly waiting: FlowRequest[];
  seatsWaiting: number;
  executing: number;
  seatsInUse: number;
  /** Number of the last service of the set that was its. */
  served: number;
}

export type Refusal = "queue-full" | "concurrency-limit";

/** What a request is taken to cost until it is done; the difference is settled then. */
const expectedMs = 0.5;
/** One expensive request does not keep its flow out for ever. */
const mostDebtMs = 30;
/** Nobody pays later for a cheap request, which may only have been measured at a bad moment. */
const forgivenMs = 5;
/** So many queues are kept for requests to come: making them anew costs more than a request that runs at once. */
const keptQueues = 64;

/** The queues that a flow may wait in, always the same ones, all different. */
export function dealHand(flow: string, { queues, handSize }: Queuing): readonly number[] {
  let entropy = hash("sha256", flow, "buffer").readBigUInt64BE();
  const dealt: number[] = [];
  const hand: number[] = [];
  for (let i = 0; i < Math.min(handSize, queues); i++) {
    const left = BigInt(queues - i);
    let card = Number(entropy % left);
    entropy /= left;
    for (const earlier of dealt) if (card >= earlier) card++;
    hand.push(card);
    dealt.push(card);
    dealt.sort((a, b) => a - b);
  }
  return hand;
}

export class QueueSet {
  #limits: QueueSetLimits;
  /** Those with requests, those that have had more than their share, and some that had requests before. */
  readonly #queues = new Map<number, Queue>();
  readonly #hands = new Map<string, readonly number[]>();
  #virtual = 0;
  /** Where virtual time will be when all queues have caught up. */
  #furthest = 0;
  #services = 0;
  waiting = 0;
  seatsWaiting = 0;
  executing = 0;
  seatsInUse = 0;

  constructor(limits: QueueSetLimits) {
    this.#limits = limits;
  }

  get limits(): QueueSetLimits {
    return this.#limits;
  }

  /** Requests that wait stay in their queues, also when there are fewer queues now. */
  set limits(limits: QueueSetLimits) {
    const { queues, handSize } = limits.queuing ?? {};
    const old = this.#limits.queuing;
    if (queues !== old?.queues || handSize !== old?.handSize) this.#hands.clear();
    this.#limits = limits;
  }

  get queues(): Iterable<Queue> {
    return this.#queues.values();
  }

  /** Puts a request into a queue of its flow; a string when there is no room for it. */
  enqueue(flow: string, width: number, now: number): FlowRequest | Refusal {
    const queue = this.#queueOf(flow);
    const refusal = this.#refusal(queue, width);
    if (refusal) return refusal;
    const request = this.#arrive(queue, flow, width, now);
    queue.waiting.push(request);
    queue.seatsWaiting += width;
    this.waiting++;
    this.seatsWaiting += width;
    return request;
  }

  /** A request that runs at once, as it may while the level is exempt or `isFree`. */
  start(flow: string, width: number, now: number): FlowRequest {
    const request = this.#arrive(this.#queueOf(flow), flow, width, now);
    this.#serve(request, now);
    return request;
  }

  #arrive(queue: Queue, flow: string, width: number, now: number): FlowRequest {
    this.#queues.set(queue.index, queue);
    // Time in which it asked for nothing is not saved up.
    if (queue.waiting.length === 0) {
      const debt = Math.min(queue.next - this.#virtual - forgivenMs, mostDebtMs);
      queue.next = this.#virtual + Math.max(0, debt);
    }
    return { flow, width, arrivedAt: now, queue, startedAt: undefined, threadMs: 0, isDone: false };
  }

  #refusal(queue: Queue, width: number): Refusal | undefined {
    const { seats, queuing } = this.#limits;
    if (queuing) return queue.waiting.length >= queuing.queueLengthLimit ? "queue-full" : undefined;
    const taken = this.seatsInUse + this.seatsWaiting;
    return taken > 0 && taken + width > seats ? "concurrency-limit" : undefined;
  }

  /** The request whose turn it is, with its seats taken; undefined when none waits or the seats do not suffice. */
  dispatch(now: number): FlowRequest | undefined {
    const queue = this.#nextQueue();
    const request = queue?.waiting[0];
    // The widest must not starve: nobody overtakes it within the level.
    if (!queue || !request || !this.#fits(request.width)) return undefined;
    queue.waiting.shift();
    this.#leave(queue, request);
    this.#serve(request, now);
    return request;
  }

  #serve(request: FlowRequest, now: number): void {
    const { queue, width } = request;
    this.#virtual = Math.max(this.#virtual, queue.next);
    this.#bill(queue, expectedMs);
    queue.executing++;
    queue.seatsInUse += width;
    queue.served = ++this.#services;
    this.executing++;
    this.seatsInUse += width;
    request.startedAt = now;
  }

  #bill(queue: Queue, ms: number): void {
    queue.next += ms;
    if (queue.next > this.#furthest) this.#furthest = queue.next;
  }

  /** Whether a request that comes now could start at once. */
  isFree(width: number): boolean {
    return this.waiting === 0 && this.#fits(width);
  }

  get canDispatch(): boolean {
    const request = this.waiting > 0 ? this.#nextQueue()?.waiting[0] : undefined;
    return request !== undefined && this.#fits(request.width);
  }

  /** A waiting request goes away; false when it no longer waits. */
  remove(request: FlowRequest): boolean {
    const at = request.startedAt === undefined ? request.queue.waiting.indexOf(request) : -1;
    if (at < 0) return false;
    request.queue.waiting.splice(at, 1);
    this.#leave(request.queue, request);
    this.#rest();
    return true;
  }

  /** What a request has really used of the main thread, measured when it may be done already. */
  charge(request: FlowRequest, threadMs: number): void {
    if (request.isDone) this.#bill(request.queue, threadMs - request.threadMs);
    request.threadMs = threadMs;
  }

  /** A running request is done: its seats are free, its flow is charged what it really took. */
  finish(request: FlowRequest, now: number): void {
    const { queue, width } = request;
    const seatMs = (width * (now - request.startedAt!)) / this.#limits.seats;
    // The scarcer of the two: the one thread, or the seats.
    this.#bill(queue, Math.max(request.threadMs, seatMs) - expectedMs);
    request.isDone = true;
    queue.executing--;
    queue.seatsInUse -= width;
    this.executing--;
    this.seatsInUse -= width;
    this.#rest();
  }

  #fits(width: number): boolean {
    return this.seatsInUse + width <= this.#limits.seats || this.executing === 0;
  }

  #leave(queue: Queue, { width }: FlowRequest): void {
    queue.seatsWaiting -= width;
    this.waiting--;
    this.seatsWaiting -= width;
  }

  /** When nobody asks for anything any more, nobody owes anything either. */
  #rest(): void {
    if (this.waiting > 0 || this.executing > 0) return;
    this.#virtual = this.#furthest;
    if (this.#queues.size > keptQueues) this.#queues.clear();
  }

  /** The queue that is served next, of equal ones that served longest ago. Idle ones that owe nothing are forgotten. */
  #nextQueue(): Queue | undefined {
    let best: Queue | undefined;
    for (const queue of this.#queues.values()) {
      if (queue.waiting.length > 0) {
        if (!best || queue.next < best.next || (queue.next === best.next && queue.served < best.served)) best = queue;
      } else if (queue.executing === 0 && queue.next <= this.#virtual + forgivenMs) this.#queues.delete(queue.index);
    }
    return best;
  }

  #queue(index: number): Queue {
    return (
      this.#queues.get(index) ?? {
        index,
        next: 0,
        waiting: [],
        seatsWaiting: 0,
        executing: 0,
        seatsInUse: 0,
        served: 0,
      }
    );
  }

  #queueOf(flow: string): Queue {
    const { queuing } = this.#limits;
    if (!queuing) return this.#queue(0);
    let best: Queue | undefined;
    for (const index of this.#hand(flow, queuing)) {
      const queue = this.#queue(index);
      if (!best || load(queue) < load(best)) best = queue;
      if (load(best) === 0) break;
    }
    return best!;
  }

  #hand(flow: string, queuing: Queuing): readonly number[] {
    let hand = this.#hands.get(flow);
    if (!hand) {
      if (this.#hands.size >= 4096) this.#hands.clear();
      this.#hands.set(flow, (hand = dealHand(flow, queuing)));
    }
    return hand;
  }
}

const load = ({ seatsWaiting, seatsInUse }: Queue): number => seatsWaiting + seatsInUse;
