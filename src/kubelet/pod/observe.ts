// Knows what the runtime has for one pod. Ended containers never change, so their status is asked for once.
import { type Clock, sleep } from "../../machinery/clock.ts";
import { isRuntimeNotFound, type RuntimeClient } from "../cri/client.ts";
import { type Container, millis, type PodSandbox, type PodSandboxStatus } from "../cri/types.ts";
import {
  emptyRuntimePod,
  podUidLabel,
  type RuntimeContainer,
  runtimeContainer,
  type RuntimePod,
  type RuntimeSandbox,
} from "./model.ts";

/** How long an exit that containerd announced may take to show in its CRI answers. */
const settleMs = 2000;

export class PodObserver {
  /** As last observed. */
  known: RuntimePod = emptyRuntimePod;
  /** Whether that may be outdated. */
  stale = false;
  readonly #runtime: RuntimeClient;
  readonly #clock: Clock;
  readonly #announced = new Set<string>();
  readonly #selector: Record<string, string>;
  readonly #ended = new Map<string, RuntimeContainer>();
  readonly #ips = new Map<string, readonly string[]>();

  constructor(runtime: RuntimeClient, clock: Clock, uid: string) {
    this.#runtime = runtime;
    this.#clock = clock;
    this.#selector = { [podUidLabel]: uid };
  }

  /** The runtime has announced the exit of a container or sandbox: the next look waits until it shows. */
  exited(id: string): void {
    this.#announced.add(id);
  }

  /** Brings what is known up to date. */
  async look(): Promise<void> {
    this.stale = false;
    const deadline = this.#clock.now() + settleMs;
    for (let pause = 1; ; pause = Math.min(pause * 2, 100)) {
      this.known = await this.#observe();
      const { containers, sandboxes } = this.known;
      const unsettled =
        containers.some(({ id, state }) => state === "running" && this.#announced.has(id)) ||
        sandboxes.some(({ id, ready }) => ready && this.#announced.has(id));
      if (!unsettled || this.#clock.now() > deadline) break;
      await sleep(this.#clock, pause);
    }
    this.#announced.clear();
  }

  async #observe(): Promise<RuntimePod> {
    const [sandboxes, containers] = await Promise.all([
      this.#runtime.listPodSandboxes(this.#selector),
      this.#runtime.listContainers(this.#selector),
    ]);
    const listed = await Promise.all([
      Promise.all(sandboxes.map((sandbox) => this.#sandbox(sandbox))),
      Promise.all(containers.map((container) => this.#container(container))),
    ]);
    for (const id of this.#ended.keys())
      if (!containers.some((container) => container.id === id)) this.#ended.delete(id);
    return {
      sandboxes: listed[0].toSorted((a, b) => b.attempt - a.attempt || b.createdAt - a.createdAt),
      containers: newestFirst(listed[1].filter((container) => container !== undefined)),
    };
  }

  /** Takes in the first sandbox of the pod without listing everything again. */
  async addSandbox(id: string): Promise<void> {
    const status = await this.#runtime.podSandboxStatus(id);
    this.#noteAddresses(status);
    this.known = { ...this.known, sandboxes: [await this.#sandbox(status)] };
  }

  /** The same for one more container. */
  async addContainer(id: string, podSandboxId: string): Promise<void> {
    const added = await this.#container({ id, podSandboxId });
    const others = this.known.containers.filter((container) => container.id !== id);
    this.known = { ...this.known, containers: newestFirst(added ? [...others, added] : others) };
  }

  async #sandbox(sandbox: PodSandbox): Promise<RuntimeSandbox> {
    const ready = sandbox.state === "SANDBOX_READY";
    let ips = this.#ips.get(sandbox.id) ?? [];
    if (ready && ips.length === 0) {
      const status = await this.#runtime.podSandboxStatus(sandbox.id).catch(() => undefined);
      if (status) ips = this.#noteAddresses(status);
    }
    return { id: sandbox.id, attempt: sandbox.metadata.attempt, ready, createdAt: millis(sandbox.createdAt), ips };
  }

  #noteAddresses({ id, network }: PodSandboxStatus): readonly string[] {
    const ips = network?.ip ? [network.ip, ...network.additionalIps.map(({ ip }) => ip)] : [];
    this.#ips.set(id, ips);
    return ips;
  }

  /** Undefined when it was removed between the two calls. */
  async #container({
    id,
    podSandboxId,
  }: Pick<Container, "id" | "podSandboxId">): Promise<RuntimeContainer | undefined> {
    const known = this.#ended.get(id);
    if (known) return known;
    try {
      const container = runtimeContainer(await this.#runtime.containerStatus(id), podSandboxId);
      if (container.state === "exited") this.#ended.set(id, container);
      return container;
    } catch (error) {
      if (isRuntimeNotFound(error)) return undefined;
      throw error;
    }
  }
}

const newestFirst = (containers: readonly RuntimeContainer[]) =>
  containers.toSorted((a, b) => b.restartCount - a.restartCount || b.createdAt - a.createdAt);
