// Reads what the runtime has for one pod. Ended containers never change, so their status is asked for once.
import type { RuntimeClient } from "../cri/client.ts";
import { isRuntimeNotFound } from "../cri/client.ts";
import type { Container, PodSandbox } from "../cri/types.ts";
import { millis } from "../cri/types.ts";
import type { RuntimeContainer, RuntimePod, RuntimeSandbox } from "./model.ts";
import { podUidLabel, runtimeContainer } from "./model.ts";

export class PodObserver {
  readonly #runtime: RuntimeClient;
  readonly #selector: Record<string, string>;
  readonly #ended = new Map<string, RuntimeContainer>();
  readonly #ips = new Map<string, readonly string[]>();

  constructor(runtime: RuntimeClient, uid: string) {
    this.#runtime = runtime;
    this.#selector = { [podUidLabel]: uid };
  }

  async observe(): Promise<RuntimePod> {
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
      containers: listed[1]
        .filter((container) => container !== undefined)
        .toSorted((a, b) => b.restartCount - a.restartCount || b.createdAt - a.createdAt),
    };
  }

  async #sandbox(sandbox: PodSandbox): Promise<RuntimeSandbox> {
    const ready = sandbox.state === "SANDBOX_READY";
    let ips = this.#ips.get(sandbox.id) ?? [];
    if (ready && ips.length === 0) {
      const { network } = await this.#runtime.podSandboxStatus(sandbox.id).catch(() => ({ network: undefined }));
      if (network?.ip) ips = [network.ip, ...network.additionalIps.map(({ ip }) => ip)];
      this.#ips.set(sandbox.id, ips);
    }
    return { id: sandbox.id, attempt: sandbox.metadata.attempt, ready, createdAt: millis(sandbox.createdAt), ips };
  }

  /** Undefined when it was removed between the two calls. */
  async #container({ id, podSandboxId }: Container): Promise<RuntimeContainer | undefined> {
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
