// Runs the probes of one pod's containers. Timers exist only for containers that have probes and run.
// Follows kubernetes v1.36 pkg/kubelet/prober/worker.go (doProbe: thresholds, order of startup before the others).
import type { Probe } from "../../kinds/generated/core.v1.ts";
import type { Clock } from "../../machinery/clock.ts";
import { type ActionTarget, type Outcome, runAction } from "./actions.ts";

export type ProbeType = "startup" | "liveness" | "readiness";

interface ProbeState {
  readonly type: ProbeType;
  readonly probe: Probe;
  /** The settled result; undefined until a threshold is reached. */
  result: boolean | undefined;
  successes: number;
  failures: number;
  /** When the next attempt counts; attempts before it are extra ones. */
  dueAt: number;
  /** Pause before the next extra attempt; undefined once the container has been found well. */
  hurryMs: number | undefined;
  cancel: () => void;
}

/**
 * A container that has just started is usually well long before the probe's period is over. So after a failure it is asked
 * again soon, with growing pauses, until it is well for the first time. These extra attempts never count as failures.
 */
const firstHurryMs = 100;

interface Watched {
  readonly target: ActionTarget;
  readonly states: ProbeState[];
  readonly startedAt: number;
}

export interface ProberOptions {
  readonly clock: Clock;
  /** A result has changed. */
  readonly onChange: () => void;
  readonly onFailure: (target: ActionTarget, type: ProbeType, outcome: Outcome) => void;
}

export class Prober {
  readonly #watched = new Map<string, Watched>();
  readonly #options: ProberOptions;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /** Starts the probes of a running container; does nothing for one that is known. */
  add(target: ActionTarget, startedAt: number): void {
    const { startupProbe, livenessProbe, readinessProbe } = target.container;
    if (this.#watched.has(target.containerId) || !(startupProbe ?? livenessProbe ?? readinessProbe)) return;
    const watched: Watched = { target, states: [], startedAt };
    this.#watched.set(target.containerId, watched);
    const add = (type: ProbeType, probe: Probe | undefined) => {
      if (!probe) return;
      const counts = { result: undefined, successes: 0, failures: 0 };
      const hurryMs = type === "liveness" ? undefined : firstHurryMs;
      watched.states.push({ type, probe, ...counts, dueAt: 0, hurryMs, cancel: () => {} });
    };
    add("startup", startupProbe);
    add("liveness", livenessProbe);
    add("readiness", readinessProbe);
    if (startupProbe) this.#schedule(watched, watched.states[0]!, this.#firstDelay(watched, startupProbe));
    else this.#startOthers(watched);
  }

  #firstDelay(watched: Watched, probe: Probe): number {
    const due = watched.startedAt + (probe.initialDelaySeconds ?? 0) * 1000;
    return Math.max(0, due - this.#options.clock.now());
  }

  #startOthers(watched: Watched): void {
    for (const state of watched.states)
      if (state.type !== "startup") this.#schedule(watched, state, this.#firstDelay(watched, state.probe));
  }

  #schedule(watched: Watched, state: ProbeState, delayMs: number): void {
    state.cancel = this.#options.clock.after(delayMs, () => void this.#probe(watched, state));
  }

  async #probe(watched: Watched, state: ProbeState): Promise<void> {
    const { probe, type } = state;
    const begun = this.#options.clock.now();
    const outcome = await runAction(probe, watched.target, (probe.timeoutSeconds ?? 1) * 1000, "probe");
    if (this.#watched.get(watched.target.containerId) !== watched) return;
    const counts = outcome.ok || begun >= state.dueAt;
    if (!outcome.ok && counts) this.#options.onFailure(watched.target, type, outcome);
    const changed = counts && settle(state, outcome.ok);
    const over = type === "startup" ? state.result !== undefined : type === "liveness" && state.result === false;
    if (changed && type === "startup" && state.result) this.#startOthers(watched);
    if (!over)
      this.#schedule(watched, state, delayAfter(state, { ok: outcome.ok, begun, now: this.#options.clock.now() }));
    if (changed) this.#options.onChange();
  }

  /** undefined: the container has no such probe. Without a result yet: false for startup and readiness, true for liveness. */
  result(containerId: string, type: ProbeType): boolean | undefined {
    const state = this.#watched.get(containerId)?.states.find((candidate) => candidate.type === type);
    return state && (state.result ?? type === "liveness");
  }

  /** Whether a startup probe has failed for good (not: has not succeeded yet). */
  startupFailed(containerId: string): boolean {
    return this.#watched.get(containerId)?.states.find(({ type }) => type === "startup")?.result === false;
  }

  /** Stops probes of the given types, or all, of containers for which `keep` is false. */
  prune(keep: (containerId: string) => boolean): void {
    for (const [id, watched] of this.#watched) {
      if (keep(id)) continue;
      for (const state of watched.states) state.cancel();
      this.#watched.delete(id);
    }
  }
}

/** Milliseconds until the next attempt, after one that began and ended at the times given. Notes when that counts again. */
export function delayAfter(
  state: Pick<ProbeState, "probe" | "dueAt" | "hurryMs">,
  { ok, begun, now }: { readonly ok: boolean; readonly begun: number; readonly now: number },
): number {
  if (ok || begun >= state.dueAt) state.dueAt = begun + (state.probe.periodSeconds ?? 10) * 1000;
  const regular = Math.max(0, state.dueAt - now);
  if (ok) state.hurryMs = undefined;
  if (state.hurryMs === undefined || state.hurryMs >= regular) return regular;
  const hurry = state.hurryMs;
  state.hurryMs *= 2;
  return hurry;
}

/** Counts an outcome; returns whether the settled result has changed. */
export function settle(state: Pick<ProbeState, "probe" | "result" | "successes" | "failures">, ok: boolean): boolean {
  state.successes = ok ? state.successes + 1 : 0;
  state.failures = ok ? 0 : state.failures + 1;
  const reached = ok
    ? state.successes >= (state.probe.successThreshold ?? 1)
    : state.failures >= (state.probe.failureThreshold ?? 3);
  if (!reached || state.result === ok) return false;
  state.result = ok;
  return true;
}
