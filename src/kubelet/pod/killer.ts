// Stops containers: preStop hook, signal, grace period; sidecars after the others, in reverse order.
// Follows kubernetes v1.36 pkg/kubelet/kuberuntime/kuberuntime_container.go (killContainer) and
// kuberuntime_termination_order.go.
import { isSidecar } from "../../kinds/core/pod/resources.ts";
import type { Pod } from "../../kinds/generated/core.v1.ts";
import { type Clock, sleep } from "../../machinery/clock.ts";
import type { RuntimeClient } from "../cri/client.ts";
import { runAction } from "../probes/actions.ts";
import { allContainers, type AnyContainer, type RuntimeContainer, specOf } from "./model.ts";

/** What a preStop hook leaves of the grace period at the least, in seconds. */
const leastGraceSeconds = 2;

export interface KillerOptions {
  readonly runtime: RuntimeClient;
  readonly clock: Clock;
  readonly event: (type: "Normal" | "Warning", reason: string, message: string, container?: AnyContainer) => void;
  /** A container has been stopped, or could not be. */
  readonly onChange: () => void;
}

export interface KillRequest {
  readonly container: RuntimeContainer;
  readonly spec: AnyContainer | undefined;
  readonly ip: string;
  readonly graceSeconds: number;
  readonly message: string;
}

export interface KillAllRequest {
  readonly pod: Pod;
  readonly active: readonly RuntimeContainer[];
  readonly graceSeconds: number;
  readonly ip: string;
}

export class PodKiller {
  readonly #options: KillerOptions;
  readonly #stopping = new Set<string>();
  /** When the whole pod must be gone (milliseconds since the epoch), once it is being stopped. */
  #deadline: number | undefined;

  constructor(options: KillerOptions) {
    this.#options = options;
  }

  /** Ids of containers on their way out. */
  get stopping(): ReadonlySet<string> {
    return this.#stopping;
  }

  /** Never rejects. */
  async kill({ container, spec, ip, graceSeconds, message }: KillRequest): Promise<void> {
    const { runtime, clock, event, onChange } = this.#options;
    if (this.#stopping.has(container.id)) return;
    this.#stopping.add(container.id);
    event("Normal", "Killing", message, spec);
    try {
      const begun = clock.now();
      if (spec && graceSeconds > 0) await this.#preStop(spec, container.id, ip, graceSeconds);
      const elapsed = (clock.now() - begun) / 1000;
      const hooked = spec?.lifecycle?.preStop !== undefined;
      const rest = hooked ? Math.max(graceSeconds - elapsed, leastGraceSeconds) : graceSeconds;
      await runtime.stopContainer(container.id, Math.ceil(rest));
    } catch (error) {
      event("Warning", "FailedKillPod", `error killing container: ${(error as Error).message}`, spec);
      await sleep(clock, 1000);
    } finally {
      this.#stopping.delete(container.id);
      onChange();
    }
  }

  async #preStop(container: AnyContainer, containerId: string, ip: string, graceSeconds: number): Promise<void> {
    const hook = container.lifecycle?.preStop;
    if (!hook) return;
    const { runtime, clock, event } = this.#options;
    const limitMs = graceSeconds * 1000;
    if (hook.sleep) return sleep(clock, Math.min(hook.sleep.seconds * 1000, limitMs));
    const overdue = sleep(clock, limitMs).then(() => ({ ok: false, message: "the grace period is over" }));
    const outcome = await Promise.race([
      runAction(hook, { runtime, containerId, container, ip }, limitMs, "hook"),
      overdue,
    ]);
    if (!outcome.ok) event("Warning", "FailedPreStopHook", `PreStopHook failed: ${outcome.message}`, container);
  }

  /** Stops the pod's containers in order. A later call with less grace shortens what is under way. */
  killAll(request: KillAllRequest): void {
    const { clock } = this.#options;
    const deadline = clock.now() + request.graceSeconds * 1000;
    if (this.#deadline === undefined) {
      this.#deadline = deadline;
      void this.#inOrder(request);
    } else if (deadline < this.#deadline - 500) {
      this.#deadline = deadline;
      for (const { id } of request.active)
        void this.#options.runtime.stopContainer(id, Math.ceil(this.#remaining())).catch(() => {});
    } else if (this.#stopping.size === 0 && !this.#ordering) void this.#inOrder(request);
  }

  #ordering = false;

  #remaining(): number {
    return Math.max(0, (this.#deadline! - this.#options.clock.now()) / 1000);
  }

  async #inOrder({ pod, active, ip }: KillAllRequest): Promise<void> {
    this.#ordering = true;
    const specs = [...allContainers(specOf(pod))];
    const sidecarNames = new Set((specOf(pod).initContainers ?? []).filter(isSidecar).map(({ name }) => name));
    const killOne = (container: RuntimeContainer, graceSeconds: number) => {
      const spec = specs.find(({ name }) => name === container.name);
      const message = `Stopping container ${container.name}`;
      return this.kill({ container, spec, ip, graceSeconds, message });
    };
    const position = (container: RuntimeContainer) => specs.findIndex(({ name }) => name === container.name);
    const sidecars = active.filter(({ name }) => sidecarNames.has(name)).toSorted((a, b) => position(b) - position(a));
    const others = active.filter(({ name }) => !sidecarNames.has(name));
    await Promise.all(others.map((container) => killOne(container, this.#remaining())));
    for (const sidecar of sidecars) {
      const left = this.#remaining();
      await killOne(sidecar, others.length > 0 ? Math.max(left, leastGraceSeconds) : left);
    }
    this.#ordering = false;
    this.#options.onChange();
  }
}
