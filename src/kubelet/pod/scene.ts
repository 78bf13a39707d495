// All that the worker of one pod knows and has at hand. The worker decides when; start.ts and end.ts act on the scene.
// What matters for longer is in the runtime and the API, so a new kubelet goes on where the old one stopped.
import type { Pod } from "../../kinds/generated/core.v1.ts";
import { Prober } from "../probes/prober.ts";
import { Backoff } from "./backoff.ts";
import type { ContainerOwner, WorkerContext } from "./context.ts";
import { PodKiller } from "./killer.ts";
import { PodMaker, type PodView } from "./maker.ts";
import {
  allContainers,
  type AnyContainer,
  containerHash,
  type RuntimeContainer,
  type RuntimePod,
  specOf,
} from "./model.ts";
import { PodObserver } from "./observe.ts";
import { computePodStatus, type Waiting } from "./status.ts";
import { StatusWriter } from "./status-writer.ts";
import { readTerminationMessage } from "./termination-message.ts";

/** What looks at the scene again when something has happened. */
interface SceneOwner extends ContainerOwner {
  wake(): void;
}

export class PodScene implements PodView {
  readonly uid: string;
  readonly context: WorkerContext;
  readonly observer: PodObserver;
  readonly status: StatusWriter;
  readonly maker: PodMaker;
  readonly prober: Prober;
  readonly killer: PodKiller;
  readonly backoff = new Backoff();
  /** Why containers that shall run do not, by name. */
  readonly waiting = new Map<string, Waiting>();
  readonly oomKilled = new Set<string>();
  /** Ids of containers whose postStart hook runs, or has failed. */
  readonly hooks = { running: new Set<string>(), failed: new Set<string>() };
  pod: Pod;
  /** Why the node has decided the pod's end. */
  failure: Waiting | undefined;
  /** No container will be started any more. */
  ending = false;
  /** The pod is no longer in the API. */
  removed = false;
  /** The kubelet leaves the pod to itself. */
  stopped = false;
  /** Something was done, so that the next thing may be due at once. */
  dirty = false;
  /** What the pod held on the node has been freed. */
  cleaned = false;
  readonly #owner: SceneOwner;
  readonly #messages = new Map<string, string>();
  readonly #abandoned = Promise.withResolvers<undefined>();

  constructor(pod: Pod, context: WorkerContext, owner: SceneOwner) {
    const { client, clock, log, runtime } = context;
    this.uid = pod.metadata.uid;
    this.pod = pod;
    this.context = context;
    this.#owner = owner;
    this.observer = new PodObserver(runtime, clock, this.uid);
    this.status = new StatusWriter({ client, clock, log }, pod.status ?? {});
    this.maker = new PodMaker(context, this);
    const onChange = () => owner.wake();
    this.prober = new Prober({
      clock,
      onChange,
      onFailure: ({ container }, type, { message }) => {
        const title = type[0]!.toUpperCase() + type.slice(1);
        this.event("Warning", "Unhealthy", `${title} probe failed: ${message}`, container);
      },
    });
    this.killer = new PodKiller({ runtime, clock, event: this.event, onChange });
  }

  get runtime(): RuntimePod {
    return this.observer.known;
  }

  /** Where probes and hooks reach the pod. */
  get ip(): string {
    return this.maker.podIPs()[0] ?? this.context.hostIP;
  }

  /** Events of the runtime about the container or sandbox are for this pod. */
  own(id: string): void {
    this.context.owners.set(id, this.#owner);
  }

  containerNamed(name: string): AnyContainer | undefined {
    return [...allContainers(specOf(this.pod))].find((container) => container.name === name);
  }

  readonly event = (type: "Normal" | "Warning", reason: string, message: string, container?: AnyContainer): void => {
    const { containers, initContainers = [] } = specOf(this.pod);
    const isIn = (list: readonly AnyContainer[]) => list.some(({ name }) => name === container?.name);
    const list = isIn(containers) ? "containers" : isIn(initContainers) ? "initContainers" : "ephemeralContainers";
    const fieldPath = container && `spec.${list}{${container.name}}`;
    const subject = { apiVersion: "v1", kind: "Pod", metadata: this.pod.metadata, ...(fieldPath ? { fieldPath } : {}) };
    this.context.events.event(subject, type, reason, message);
  };

  /** Whether the pod has been deleted or left to itself while work was waiting. */
  obsolete(): boolean {
    return this.removed || this.stopped || this.pod.metadata.deletionTimestamp !== undefined;
  }

  /** To be called when the pod has become obsolete: long waits end. */
  abandon(): void {
    this.#abandoned.resolve(undefined);
  }

  /** Undefined as soon as the pod is obsolete: long waits (pulls, hooks) must not hold up its end. */
  async unlessObsolete<T>(work: Promise<T>): Promise<T | undefined> {
    if (this.obsolete()) this.abandon();
    // When nobody waits for it any more, its failure is of no interest.
    work.catch(() => {});
    const result = await Promise.race([work, this.#abandoned.promise]);
    return this.obsolete() ? undefined : result;
  }

  readonly backoffKey = (container: AnyContainer): string => `${container.name}/${containerHash(container)}`;

  /** Whether the container has passed its postStart hook and startup probe. */
  readonly started = (id: string): boolean =>
    !this.hooks.running.has(id) && !this.hooks.failed.has(id) && (this.prober.result(id, "startup") ?? true);

  /** What the container left behind; read once, as its files go with the pod. */
  readonly terminationMessage = (container: RuntimeContainer): string | undefined => {
    let message = this.#messages.get(container.id);
    if (message === undefined) {
      const spec = this.containerNamed(container.name);
      message = spec ? readTerminationMessage(this.maker.podDir, spec, container) : "";
      this.#messages.set(container.id, message);
    }
    return message || undefined;
  };

  /** The container is to be removed. */
  forget(id: string): void {
    this.context.owners.delete(id);
    this.#messages.delete(id);
  }

  pushStatus(): void {
    if (this.removed) return;
    const { clock, hostIP, runtimeName } = this.context;
    const { pod, status, waiting, oomKilled, started, terminationMessage, ending, failure, prober } = this;
    const ready = (id: string) => prober.result(id, "readiness");
    const known = {
      now: clock.now(),
      hostIP,
      runtimeName,
      waiting,
      oomKilled,
      ending,
      ...(failure ? { failure } : {}),
    };
    const facts = { ...known, started, ready, terminationMessage };
    status.write(pod, computePodStatus({ ...pod, status: status.written }, this.runtime, facts));
  }
}
