// Pods that wait for a node: those to try now, those to try after a while, and those that wait for the cluster to change.
// Follows kubernetes v1.36 pkg/scheduler/backend/queue in its states; but nobody who can be helped has to wait first.
import type { Clock } from "../machinery/clock.ts";
import type { ClusterChange } from "./plugin.ts";
import type { PodInfo } from "./pod-info.ts";

interface Waiting {
  info: PodInfo;
  /** Order of arrival among equals. */
  readonly sequence: number;
  attempts: number;
  place: "active" | "backoff" | "unschedulable" | "gated";
  plugins: ReadonlySet<string>;
  /** When the last attempt ended. */
  triedAt: number;
  cancel: () => void;
}

export interface QueueOptions {
  readonly clock: Clock;
  /** Told whenever there is a pod to try. */
  readonly onReady: () => void;
  /** Whether a change may help a pod that the named plugins rejected. */
  readonly mayHelp: (change: ClusterChange, info: PodInfo, plugins: ReadonlySet<string>) => boolean;
}

/** The first attempts follow each other without delay: a cluster that comes up changes often. */
const freeAttempts = 5;
const firstBackoffMs = 250;
const longestBackoffMs = 10_000;
/** Whoever waits this long is tried again even if nothing seemed to help. */
const lastResortMs = 5 * 60_000;

export const backoffMs = (attempts: number): number =>
  attempts <= freeAttempts ? 0 : Math.min(longestBackoffMs, firstBackoffMs * 2 ** (attempts - freeAttempts - 1));

const isGated = ({ pod }: PodInfo): boolean => (pod.spec?.schedulingGates?.length ?? 0) > 0;

export class SchedulingQueue {
  readonly #options: QueueOptions;
  readonly #pods = new Map<string, Waiting>();
  readonly #active: Waiting[] = [];
  #sequence = 0;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#pods.size;
  }

  /** How many pods wait in each place. */
  counts(): Readonly<Record<Waiting["place"], number>> {
    const counts = { active: 0, backoff: 0, unschedulable: 0, gated: 0 };
    for (const { place } of this.#pods.values()) counts[place]++;
    return counts;
  }

  has(uid: string): boolean {
    return this.#pods.has(uid);
  }

  /** Takes in a pod without a node, or a newer version of it; `changed` tells that the change may make it fit. */
  set(info: PodInfo, changed: boolean): void {
    const { uid } = info.pod.metadata;
    const known = this.#pods.get(uid);
    if (known) {
      known.info = info;
      if (known.place === "gated" ? !isGated(info) : changed && known.place === "unschedulable") this.#activate(known);
      return;
    }
    const place = isGated(info) ? "gated" : "unschedulable";
    const sequence = this.#sequence++;
    const added: Waiting = { info, sequence, attempts: 0, place, plugins: new Set(), triedAt: 0, cancel: () => {} };
    this.#pods.set(uid, added);
    if (place !== "gated") this.#activate(added);
  }

  delete(uid: string): void {
    const known = this.#pods.get(uid);
    if (!known) return;
    known.cancel();
    this.#pods.delete(uid);
  }

  /** The most important pod to try, which leaves the queue until it is given back. */
  take(): { readonly info: PodInfo; readonly attempts: number } | undefined {
    for (let next = this.#popActive(); next; next = this.#popActive()) {
      const { uid } = next.info.pod.metadata;
      // Deleted or replaced since.
      if (this.#pods.get(uid) !== next) continue;
      this.#pods.delete(uid);
      return { info: next.info, attempts: next.attempts + 1 };
    }
    return undefined;
  }

  /** Gives back a pod that fits nowhere: it waits for a change that may help. */
  park(info: PodInfo, attempts: number, plugins: ReadonlySet<string>): void {
    const { clock } = this.#options;
    const parked = this.#back(info, attempts, "unschedulable", plugins);
    parked.cancel = clock.after(lastResortMs, () => this.#activate(parked));
  }

  /** Gives back a pod whose attempt failed for reasons of its own: it is tried again after a while. */
  retry(info: PodInfo, attempts: number): void {
    const waiting = this.#back(info, attempts, "backoff", new Set());
    const ms = Math.max(backoffMs(attempts), Math.min(longestBackoffMs, 100 * 2 ** (attempts - 1)));
    waiting.cancel = this.#options.clock.after(ms, () => this.#activate(waiting));
  }

  /** Brings back the pods that a change may help. */
  wake(change: ClusterChange): void {
    const { clock, mayHelp } = this.#options;
    for (const waiting of this.#pods.values()) {
      if (waiting.place !== "unschedulable" || !mayHelp(change, waiting.info, waiting.plugins)) continue;
      const ms = waiting.triedAt + backoffMs(waiting.attempts) - clock.now();
      if (ms <= 0) {
        this.#activate(waiting);
        continue;
      }
      waiting.cancel();
      waiting.place = "backoff";
      waiting.cancel = clock.after(ms, () => this.#activate(waiting));
    }
  }

  /** Ends all waiting. */
  close(): void {
    for (const { cancel } of this.#pods.values()) cancel();
    this.#pods.clear();
  }

  #back(info: PodInfo, attempts: number, place: Waiting["place"], plugins: ReadonlySet<string>): Waiting {
    const triedAt = this.#options.clock.now();
    const waiting: Waiting = { info, sequence: this.#sequence++, attempts, place, plugins, triedAt, cancel: () => {} };
    this.#pods.set(info.pod.metadata.uid, waiting);
    return waiting;
  }

  #activate(waiting: Waiting): void {
    if (this.#pods.get(waiting.info.pod.metadata.uid) !== waiting || waiting.place === "active") return;
    waiting.cancel();
    waiting.place = "active";
    this.#pushActive(waiting);
    this.#options.onReady();
  }

  #pushActive(waiting: Waiting): void {
    const heap = this.#active;
    let at = heap.push(waiting) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!before(heap[at]!, heap[parent]!)) break;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  #popActive(): Waiting | undefined {
    const heap = this.#active;
    const top = heap[0];
    const last = heap.pop();
    if (heap.length === 0 || !last) return top;
    heap[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const child = left + 1 < heap.length && before(heap[left + 1]!, heap[left]!) ? left + 1 : left;
      if (child >= heap.length || !before(heap[child]!, heap[at]!)) return top;
      [heap[at], heap[child]] = [heap[child]!, heap[at]!];
      at = child;
    }
  }
}

/** The higher priority first, then whoever came first. */
const before = (a: Waiting, b: Waiting): boolean =>
  a.info.priority !== b.info.priority ? a.info.priority > b.info.priority : a.sequence < b.sequence;
