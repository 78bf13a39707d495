// Keeps the Node object and its Lease: the object is written when something changes, the Lease every ten seconds.
import type { Client } from "../../client/client.ts";
import { Lease, Node } from "../../kinds/index.ts";
import type { ContainerImage } from "../../kinds/generated/core.v1.ts";
import { type Clock, formatMicroTime, repeat } from "../../machinery/clock.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { isReason } from "../../machinery/errors.ts";
import type { Logger } from "../../machinery/log.ts";
import type { RuntimeClient } from "../cri/client.ts";
import { type MachineFacts, newNode, nodeLabels, nodeStatus, withoutHeartbeat } from "./object.ts";

const leaseNamespace = "kube-node-lease";
const leaseSeconds = 40;
const renewMs = 10_000;
const mostImages = 50;

export interface NodeKeeperOptions {
  readonly client: Client;
  readonly runtime: RuntimeClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly nodeName: string;
  readonly nodeIP: string;
  readonly maxPods: number;
  readonly machine: MachineFacts;
  pressures(): { readonly memory: boolean; readonly disk: boolean; readonly pid: boolean };
}

export class NodeKeeper {
  readonly #options: NodeKeeperOptions;
  #lease: Lease | undefined;
  #updating: Promise<void> = Promise.resolve();

  constructor(options: NodeKeeperOptions) {
    this.#options = options;
  }

  /** Registers the node and resolves when its object and Lease are there; goes on renewing until the signal aborts. */
  async start(): Promise<void> {
    await this.#update();
    await this.#renew().catch((error: unknown) => this.#options.log.warn({ error }, "the node lease was not renewed"));
    repeat(this.#options.clock, renewMs, this.#options.signal, () =>
      this.#renew().catch((error: unknown) => {
        this.#lease = undefined;
        this.#options.log.warn({ error: (error as Error).message }, "the node lease was not renewed");
      }),
    );
  }

  /** Looks at the runtime again and writes the Node object if something has changed. */
  refresh(): Promise<void> {
    this.#updating = this.#updating
      .then(() => this.#update())
      .catch((error: unknown) => this.#options.log.warn({ error }, "the node was not updated"));
    return this.#updating;
  }

  async #update(): Promise<void> {
    const { client, runtime, clock, machine, nodeName, nodeIP, maxPods, pressures } = this.#options;
    const { memory, disk, pid } = pressures();
    const [{ runtimeName, runtimeVersion }, notReady, images] = await Promise.all([
      runtime.version().catch(() => ({ runtimeName: "unknown", runtimeVersion: "" })),
      runtime
        .notReady()
        .catch((error: Error) => [{ type: "RuntimeReady", reason: "Unreachable", message: error.message }]),
      runtime.listImages().catch(() => []),
    ]);
    const facts = {
      machine,
      nodeName,
      nodeIP,
      maxPods,
      runtimeVersion: `${runtimeName}://${runtimeVersion}`,
      images: images
        .map(({ repoTags, repoDigests, size }): ContainerImage => ({
          names: [...repoDigests, ...repoTags],
          sizeBytes: Number(size),
        }))
        .filter(({ names }) => names!.length > 0)
        .toSorted((a, b) => b.sizeBytes! - a.sizeBytes!)
        .slice(0, mostImages),
      problems: notReady.map(({ type, reason, message }) => `container runtime: ${type}: ${reason} ${message}`.trim()),
      memoryPressure: memory,
      diskPressure: disk,
      pidPressure: pid,
      now: clock.now(),
    };
    let node: Node;
    try {
      node = await client.get(Node, nodeName);
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
      node = await client.create(Node, newNode(facts));
    }
    const labels = nodeLabels(nodeName, machine.architecture);
    if (Object.entries(labels).some(([key, value]) => node.metadata.labels?.[key] !== value))
      node = await client.patch(Node, { name: nodeName }, "merge", { metadata: { labels } });
    const status = nodeStatus(facts, node.status);
    if (deepEqual(withoutHeartbeat(status), withoutHeartbeat(node.status))) return;
    await client.patch(Node, { name: nodeName }, "merge", { status }, { subresource: "status" });
  }

  async #renew(): Promise<void> {
    const { client, nodeName, clock } = this.#options;
    const renewTime = formatMicroTime(clock.now());
    if (this.#lease) {
      const { metadata, spec } = this.#lease;
      this.#lease = await client.update(Lease, { ...this.#lease, metadata, spec: { ...spec, renewTime } });
      return;
    }
    const spec = { holderIdentity: nodeName, leaseDurationSeconds: leaseSeconds, renewTime };
    try {
      const found = await client.get(Lease, nodeName, leaseNamespace);
      this.#lease = await client.update(Lease, { ...found, spec: { ...found.spec, ...spec } });
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
      const { metadata } = await client.get(Node, nodeName);
      const owner = { apiVersion: "v1", kind: "Node", name: nodeName, uid: metadata.uid };
      this.#lease = await client.create(Lease, {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name: nodeName, namespace: leaseNamespace, ownerReferences: [owner] },
        spec,
      });
    }
  }
}
