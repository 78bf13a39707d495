// The scheduler's shell: caches feed the cluster state and the queue, decisions become bindings, conditions and events.
import type { Node, Pod } from "../kinds/generated/core.v1.ts";
import type { Change, Client } from "../client/client.ts";
import { createEventRecorder, type EventRecorder } from "../client/events.ts";
import { Namespace, Node as Nodes, Pod as Pods, PodDisruptionBudget } from "../kinds/index.ts";
import { isFinished } from "../kinds/core/node-room.ts";
import type { Clock } from "../machinery/clock.ts";
import { deepEqual } from "../machinery/equal.ts";
import { isReason } from "../machinery/errors.ts";
import type { Logger } from "../machinery/log.ts";
import type { MetricFamily, MetricSource } from "../machinery/metrics.ts";
import { keyOf } from "../machinery/object.ts";
import { ClusterState, type NodeState } from "./cluster-state.ts";
import { type Failure, findNode } from "./cycle.ts";
import { failureMessage } from "./messages.ts";
import { NominationBook } from "./nominations.ts";
import { podInfo, type PodInfo } from "./pod-info.ts";
import { allPlugins } from "./plugins/index.ts";
import { chooseVolumes, type VolumeChoice, waitingClaims } from "./plugins/volume-binding.ts";
import type { AnyPlugin, ClusterChange } from "./plugin.ts";
import { planPreemption, type Victims } from "./preemption.ts";
import { SchedulingQueue } from "./queue.ts";
import { preemptedPatch, type Verdict, verdictPatch } from "./status.ts";
import { VolumeBinder } from "./volumes.ts";

export interface SchedulerOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Only pods with this schedulerName are ours. */
  readonly schedulerName?: string;
}

/** Resolves when the scheduler has seen the cluster and is at work, with its metrics; it ends with the signal. */
export async function startScheduler(options: SchedulerOptions): Promise<MetricSource> {
  const scheduler = new Scheduler(options);
  await scheduler.start();
  return () => scheduler.metrics();
}

/** Other work gets its turn after this much scheduling at a stretch. */
const turnMs = 5;

class Scheduler {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #signal: AbortSignal;
  readonly #name: string;
  readonly #events: EventRecorder;
  readonly #volumes: VolumeBinder;
  readonly #plugins: readonly AnyPlugin[];
  readonly #cluster: ClusterState;
  readonly #queue: SchedulingQueue;
  readonly #nominations = new NominationBook();
  readonly #outcomes = { scheduled: 0, unschedulable: 0, error: 0 };
  #running = false;
  #started = false;
  #start = 0;

  constructor({ client, clock, log, signal, schedulerName = "default-scheduler" }: SchedulerOptions) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
    this.#signal = signal;
    this.#name = schedulerName;
    this.#events = createEventRecorder(client, schedulerName, clock);
    this.#volumes = new VolumeBinder(client, clock);
    this.#plugins = allPlugins(this.#volumes);
    const namespaces = client.cache(Namespace);
    this.#cluster = new ClusterState((name) => namespaces.get(name)?.metadata.labels);
    const byName = new Map(this.#plugins.map((plugin) => [plugin.name, plugin]));
    this.#queue = new SchedulingQueue({
      clock,
      onReady: () => this.#run(),
      mayHelp: (change, info, plugins) => [...plugins].some((plugin) => byName.get(plugin)!.wakes(change, info)),
    });
  }

  async start(): Promise<void> {
    const nodes = this.#client.cache(Nodes);
    const pods = this.#client.cache(Pods);
    const { claims, volumes, classes } = this.#volumes;
    const namespaces = this.#client.cache(Namespace);
    const budgets = this.#client.cache(PodDisruptionBudget);
    await Promise.all([nodes, pods, claims, volumes, classes, namespaces, budgets].map(({ synced }) => synced));
    const wakeFor = (change: ClusterChange) => () => this.#wake(change);
    const subscriptions = [
      nodes.onChange((change) => this.#onNode(change)),
      pods.onChange((change) => this.#onPod(change)),
      claims.onChange(wakeFor({ type: "volume" })),
      volumes.onChange(wakeFor({ type: "volume" })),
      classes.onChange(wakeFor({ type: "volume" })),
      namespaces.onChange(wakeFor({ type: "namespace" })),
    ];
    this.#signal.addEventListener("abort", () => {
      for (const unsubscribe of subscriptions) unsubscribe();
      this.#queue.close();
    });
    this.#started = true;
    this.#run();
  }

  metrics(): MetricFamily[] {
    const samples = (label: string, counts: Readonly<Record<string, number>>) =>
      Object.entries(counts).map(([name, value]) => ({ labels: { [label]: name }, value }));
    return [
      {
        name: "scheduler_pending_pods",
        type: "gauge",
        help: "Pods that wait for a node, by where they wait.",
        samples: samples("queue", this.#queue.counts()),
      },
      {
        name: "scheduler_schedule_attempts_total",
        type: "counter",
        help: "Attempts to place a pod, by their outcome.",
        samples: samples("result", this.#outcomes),
      },
    ];
  }

  #onNode({ type, object, old }: Change<Node>): void {
    if (type === "DELETED") {
      this.#cluster.removeNode(object.metadata.name);
      this.#wake({ type: "node", old: object });
    } else if (!old || schedulingFactsDiffer(old, object)) {
      this.#cluster.setNode(object);
      this.#wake({ type: "node", node: object, ...(old ? { old } : {}) });
    }
  }

  #onPod({ type, object, old }: Change<Pod>): void {
    const { uid } = object.metadata;
    const gone = type === "DELETED" || isFinished(object);
    if (gone || object.spec?.nodeName) {
      this.#queue.delete(uid);
      this.#nominations.delete(uid);
      this.#onPlacedPod(object, old?.spec?.nodeName ? old : undefined, gone);
    } else if (object.metadata.deletionTimestamp) this.#queue.delete(uid);
    // A pod on its way to its node is not to be tried twice.
    else if (object.spec?.schedulerName === this.#name && !this.#cluster.has(uid)) {
      const info = podInfo(object);
      const { nominatedNodeName } = object.status ?? {};
      if (nominatedNodeName && !old) this.#nominations.set(info, nominatedNodeName);
      this.#queue.set(info, old !== undefined && schedulingWishesDiffer(old, object));
    }
  }

  #onPlacedPod(pod: Pod, old: Pod | undefined, gone: boolean): void {
    const { uid } = pod.metadata;
    if (gone) {
      if (!this.#cluster.has(uid)) return;
      this.#cluster.removePod(uid);
      this.#wake({ type: "pod", old: pod });
    } else {
      this.#cluster.setPod(pod);
      this.#wake({ type: "pod", pod, ...(old ? { old } : {}) });
    }
  }

  #wake(change: ClusterChange): void {
    if (this.#queue.size > 0) this.#queue.wake(change);
  }

  #run(): void {
    if (this.#running || !this.#started || this.#signal.aborted) return;
    this.#running = true;
    queueMicrotask(() => {
      const until = performance.now() + turnMs;
      while (!this.#signal.aborted && performance.now() < until) {
        const next = this.#queue.take();
        if (!next) {
          this.#running = false;
          return;
        }
        this.#attempt(next.info, next.attempts);
      }
      setImmediate(() => {
        this.#running = false;
        this.#run();
      });
    });
  }

  #attempt(info: PodInfo, attempts: number): void {
    try {
      const decision = findNode(info, this.#cluster, {
        plugins: this.#plugins,
        nominations: (node) => this.#nominations.on(node),
        start: this.#start++,
      });
      this.#outcomes[decision.type === "fits" ? "scheduled" : "unschedulable"]++;
      if (decision.type === "fits") this.#place(info, decision.node, attempts);
      else this.#failed(info, decision.failure, attempts);
    } catch (error) {
      this.#outcomes.error++;
      this.#log.error({ pod: keyOf(info.pod), error }, "scheduling failed");
      this.#queue.retry(info, attempts);
    }
  }

  #place(info: PodInfo, node: NodeState, attempts: number): void {
    const claims = waitingClaims(info.pod, this.#volumes);
    const choice = claims.length > 0 ? chooseVolumes(claims, node.node, this.#volumes) : undefined;
    if (choice) this.#volumes.promise(choice);
    this.#cluster.assume(info.pod, node.name);
    void this.#bind(info, node.name, choice).catch((error: unknown) => this.#bindFailed(info, error, attempts));
  }

  async #bind({ pod }: PodInfo, nodeName: string, choice: VolumeChoice | undefined): Promise<void> {
    const { name, namespace = "", uid } = pod.metadata;
    try {
      if (choice) await this.#volumes.bind(choice, nodeName, this.#signal);
      await this.#client.createSubresource(Pods, { name, namespace }, "binding", {
        apiVersion: "v1",
        kind: "Binding",
        metadata: { name, namespace, uid },
        target: { apiVersion: "v1", kind: "Node", name: nodeName },
      });
    } finally {
      if (choice) this.#volumes.release(choice);
    }
    this.#nominations.delete(uid);
    this.#events.event(pod, "Normal", "Scheduled", `Successfully assigned ${namespace}/${name} to ${nodeName}`);
  }

  /** Takes the assumption back and tries again, unless the pod is gone or somebody else placed it. */
  #bindFailed({ pod }: PodInfo, error: unknown, attempts: number): void {
    const { uid } = pod.metadata;
    const wasAssumed = this.#cluster.has(uid);
    this.#cluster.forget(uid);
    if (this.#signal.aborted) return;
    if (wasAssumed && !this.#cluster.has(uid)) this.#wake({ type: "pod", old: pod });
    const current = this.#current(pod);
    if (!current || this.#cluster.has(uid)) return;
    this.#log.warn({ pod: keyOf(pod), error: String(error) }, "binding failed");
    this.#queue.retry(podInfo(current), attempts);
    const message = `binding rejected: ${error instanceof Error ? error.message : String(error)}`;
    if (!isReason(error, "NotFound")) this.#report(current, { reason: "SchedulerError", message });
  }

  /** The pod as the cache has it, as long as it is the same and still waits for a node. */
  #current(pod: Pod): Pod | undefined {
    const current = this.#client.cache(Pods).get(keyOf(pod));
    const waits = current?.metadata.uid === pod.metadata.uid && !current.spec?.nodeName;
    return waits && !current.metadata.deletionTimestamp && !isFinished(current) ? current : undefined;
  }

  #failed(info: PodInfo, failure: Failure, attempts: number): void {
    const { plugins } = failure;
    const budgets = this.#client.cache(PodDisruptionBudget).list();
    const plan =
      failure.nodeCount === 0
        ? undefined
        : planPreemption(info, this.#cluster, failure, { plugins: this.#plugins, budgets });
    // Without any node, the first one that appears helps.
    this.#queue.park(info, attempts, failure.nodeCount === 0 ? new Set(["NodeName", ...plugins]) : plugins);
    const keeps = plan?.type === "none" && plan.keepsNomination;
    if (plan?.type === "evict") {
      this.#nominations.displace(info, plan.victims.nodeName);
      this.#nominations.set(info, plan.victims.nodeName);
      void this.#evict(info, plan.victims);
    } else if (!keeps && this.#nominations.delete(info.pod.metadata.uid)) this.#wake({ type: "pod", old: info.pod });
    const message = failureMessage(failure, plan?.type === "none" ? plan.message : undefined);
    const nomination = plan?.type === "evict" ? plan.victims.nodeName : "";
    this.#report(info.pod, { reason: "Unschedulable", message, ...(keeps ? {} : { nominatedNodeName: nomination }) });
  }

  #report(pod: Pod, verdict: Verdict): void {
    this.#events.event(pod, "Warning", "FailedScheduling", verdict.message);
    const patch = verdictPatch(pod, verdict, this.#clock.now());
    if (!patch) return;
    const { name, namespace = "" } = pod.metadata;
    this.#client
      .patch(Pods, { name, namespace }, "strategic", patch, { subresource: "status" })
      .catch((error: unknown) => {
        if (!isReason(error, "NotFound", "Conflict")) {
          this.#log.warn({ pod: keyOf(pod), error: String(error) }, "status could not be written");
        }
      });
  }

  async #evict({ pod: preemptor }: PodInfo, { pods, nodeName }: Victims): Promise<void> {
    for (const { pod } of pods) {
      if (pod.metadata.deletionTimestamp) continue;
      const { name, namespace = "", uid } = pod.metadata;
      try {
        const patch = preemptedPatch(this.#name, this.#clock.now());
        await this.#client.patch(Pods, { name, namespace }, "strategic", patch, { subresource: "status" });
        await this.#client.delete(Pods, { name, namespace }, { preconditions: { uid } });
        this.#events.event(
          pod,
          "Normal",
          "Preempted",
          `Preempted by pod ${preemptor.metadata.uid} on node ${nodeName}`,
        );
      } catch (error) {
        if (!isReason(error, "NotFound")) {
          this.#log.warn({ pod: keyOf(pod), error: String(error) }, "a pod could not be preempted");
        }
      }
    }
  }
}

/** Heartbeats change nothing that scheduling looks at. */
function schedulingFactsDiffer(old: Node, node: Node): boolean {
  return !(
    deepEqual(old.status?.allocatable, node.status?.allocatable) &&
    deepEqual(old.status?.images, node.status?.images) &&
    deepEqual(old.metadata.labels, node.metadata.labels) &&
    deepEqual(old.spec, node.spec)
  );
}

const schedulingWishesDiffer = (old: Pod, pod: Pod): boolean =>
  !deepEqual(old.spec, pod.spec) || !deepEqual(old.metadata.labels, pod.metadata.labels);
