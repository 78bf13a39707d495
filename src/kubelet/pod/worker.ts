// One worker per pod: observe the runtime, plan, act, until nothing is left to do; then wait for the next event.
import { isFinished } from "../../kinds/core/node-room.ts";
import { podReferences } from "../../kinds/core/pod/references.ts";
import type { Pod, Volume } from "../../kinds/generated/core.v1.ts";
import { parseTime } from "../../machinery/clock.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { VolumeError } from "../volumes/payload.ts";
import type { Refusal } from "./admission.ts";
import { formatDelay } from "./backoff.ts";
import type { WorkerContext } from "./context.ts";
import { endPod } from "./end.ts";
import { allContainers, newestContainer, type RuntimePod, specOf } from "./model.ts";
import { computePodPlan, type KillAction, type PodFacts, type PodPlan } from "./plan.ts";
import { containerResources, podLimits } from "./resources.ts";
import { PodScene } from "./scene.ts";
import { replaceSandbox, startContainers } from "./start.ts";
import { SandboxError } from "./start-errors.ts";

const firstRetryMs = 500;
const longestRetryMs = 30_000;

/** What a pod's worker waits for besides the pod itself. */
export type ConfigurationKind = "configMap" | "secret" | "claim" | "volume";

const claimsVolume = ({ persistentVolumeClaim, ephemeral }: Volume): boolean =>
  Boolean(persistentVolumeClaim ?? ephemeral);

/** What a change of a pod can be about for the kubelet; everything else in it is the kubelet's own echo. */
const relevantParts = ({ metadata, spec, status }: Pod) => ({
  spec,
  labels: metadata.labels,
  annotations: metadata.annotations,
  deletion: [metadata.deletionTimestamp, metadata.deletionGracePeriodSeconds],
  gates: status?.conditions?.filter(({ type }) => spec?.readinessGates?.some((gate) => gate.conditionType === type)),
});

/** What downward API volumes show and may change at any time. */
const namesOf = ({ metadata: { labels, annotations } }: Pod) => ({ labels, annotations });

export class PodWorker {
  readonly #scene: PodScene;
  readonly #context: WorkerContext;
  #done = false;
  #running: Promise<void> | undefined;
  #retryMs = firstRetryMs;
  /** When a container that could not be started is to be tried again. */
  #retryAt: number | undefined;
  #cancelTimer = () => {};

  /** `isNew`: no kubelet has ever worked on the pod, so that the runtime cannot have anything of it yet. */
  constructor(pod: Pod, context: WorkerContext, isNew: boolean) {
    this.#context = context;
    this.#scene = new PodScene(pod, context, this);
    this.#scene.observer.stale = !isNew;
  }

  get uid(): string {
    return this.#scene.uid;
  }

  get pod(): Pod {
    return this.#scene.pod;
  }

  get runtime(): RuntimePod {
    return this.#scene.runtime;
  }

  get refused(): boolean {
    return this.#scene.failure !== undefined;
  }

  /** A newer version of the pod. */
  update(pod: Pod): void {
    const scene = this.#scene;
    const before = scene.pod;
    scene.pod = pod;
    scene.status.seen(pod.status);
    if (pod.metadata.deletionTimestamp) scene.abandon();
    if (pod.spec !== before.spec && !scene.ending) this.#resize(before);
    if (!deepEqual(namesOf(before), namesOf(pod))) this.configChanged();
    if (pod === before || !deepEqual(relevantParts(before), relevantParts(pod))) this.wake();
    else if (isFinished(pod) !== isFinished(before)) this.wake();
  }

  /** Resources of running containers may change in place. */
  #resize(before: Pod): void {
    const { runtime, cgroups, nodeMemoryBytes } = this.#context;
    const spec = specOf(this.pod);
    const olds = [...allContainers(specOf(before))];
    const changed = [...allContainers(spec)].filter(({ name, resources }) => {
      const old = olds.find((container) => container.name === name);
      return old && !deepEqual(old.resources ?? {}, resources ?? {});
    });
    if (changed.length === 0 || this.runtime.sandboxes[0]?.ready !== true) return;
    cgroups.ensurePod(this.uid, podLimits(spec));
    for (const container of changed) {
      const current = newestContainer(this.runtime, container.name);
      if (current?.state !== "running") continue;
      runtime
        .updateContainerResources(current.id, containerResources(spec, container, nodeMemoryBytes))
        .catch((error: Error) => this.#scene.event("Warning", "ResizeError", error.message, container));
    }
  }

  /** The pod is gone from the API: stop it and forget it. */
  remove(pod: Pod): void {
    this.#scene.pod = pod;
    this.#scene.removed = true;
    this.#scene.abandon();
    this.wake();
  }

  exited(id: string): void {
    this.#scene.observer.exited(id);
    this.wake();
  }

  oomKilled(id: string): void {
    this.#scene.oomKilled.add(id);
    this.wake();
  }

  /** Whether the pod names an object of the kind, so that its changes matter. */
  uses(kind: ConfigurationKind, namespace: string | undefined, name: string): boolean {
    if (kind === "volume") return !this.#scene.maker.volumes && (specOf(this.pod).volumes ?? []).some(claimsVolume);
    return namespace === this.pod.metadata.namespace && podReferences(this.pod).has(`${kind}/${name}`);
  }

  /** A ConfigMap, Secret, claim or volume that the pod may use has changed. */
  configChanged(): void {
    const { ending, removed, maker, waiting } = this.#scene;
    if (ending || removed) return;
    void maker.refreshVolumes();
    if (!maker.volumes || waiting.size > 0) this.wake();
  }

  /** Stops working; containers go on. Resolves when nothing of this worker runs any more. */
  async stop(): Promise<void> {
    this.#scene.stopped = true;
    this.#scene.abandon();
    this.#cancelTimer();
    this.#scene.prober.prune(() => false);
    await this.#running;
    await this.#scene.status.flush();
  }

  /** Something has happened. */
  wake(): void {
    this.#scene.observer.stale = true;
    this.start();
  }

  /** Looks at the pod, for the first time or again. */
  start(): void {
    if (this.#done || this.#scene.stopped) return;
    this.#scene.dirty = true;
    this.#running ??= this.#loop().finally(() => {
      this.#running = undefined;
      if (this.#scene.dirty) this.start();
    });
  }

  /** Instead of a start: the node does not take the pod, which fails at the time given. */
  refuse({ reason, message }: Refusal, at: number): void {
    this.#scene.failure = { reason, message: `Pod was rejected: ${message}` };
    this.#scene.event("Warning", reason, message);
    this.#wakeAt(at);
  }

  async #loop(): Promise<void> {
    const scene = this.#scene;
    while (scene.dirty && !this.#done && !scene.stopped) {
      scene.dirty = false;
      this.#cancelTimer();
      this.#retryAt = undefined;
      try {
        const wakeAt = await this.#sync();
        if (wakeAt !== undefined) this.#wakeAt(wakeAt);
      } catch (error) {
        this.#report(error);
        this.#retryAt = this.#context.clock.now() + this.#retryMs;
        this.#wakeAt(this.#retryAt);
      }
      this.#retryMs = this.#retryAt === undefined ? firstRetryMs : Math.min(this.#retryMs * 2, longestRetryMs);
    }
  }

  #wakeAt(time: number): void {
    const { clock } = this.#context;
    this.#cancelTimer();
    this.#cancelTimer = clock.after(Math.max(0, time - clock.now()), () => this.wake());
  }

  #report(error: unknown): void {
    const { message } = error as Error;
    const { name } = this.pod.metadata;
    this.#context.log.debug({ error, pod: name }, "pod sync failed");
    if (error instanceof VolumeError) this.#scene.event("Warning", "FailedMount", message);
    else if (error instanceof SandboxError) this.#scene.event("Warning", "FailedCreatePodSandBox", message);
    else this.#context.log.warn({ error: message, pod: name }, "pod sync failed");
    if (!this.#scene.ending) this.#scene.pushStatus();
  }

  /** Returns when to look again even if nothing happens. */
  async #sync(): Promise<number | undefined> {
    const scene = this.#scene;
    const { pod, observer } = scene;
    if (observer.stale) {
      await observer.look();
      for (const { id } of [...scene.runtime.sandboxes, ...scene.runtime.containers]) scene.own(id);
    }
    if (!scene.ending) this.#checkDeadline();
    if (scene.removed || pod.metadata.deletionTimestamp || isFinished(pod) || scene.failure) scene.ending = true;
    if (scene.ending) return this.#end();

    // Before the plan: a container with a startup probe has not started until that probe, once it is known, says so.
    this.#updateProbes();
    const plan = computePodPlan(pod, scene.runtime, this.#facts());
    this.#noteBackoff(plan);
    if (plan.killPod && plan.createSandbox === undefined) {
      scene.ending = true;
      return this.#end();
    }
    scene.pushStatus();
    for (const action of plan.kill) this.#kill(action);
    if (plan.createSandbox !== undefined) await replaceSandbox(scene, plan.createSandbox);
    else this.#retryAt = await startContainers(scene, plan.start, this.#retryMs);
    // Of a pod that an earlier kubelet started, configuration and tokens are kept up to date from here on.
    if (!scene.maker.volumes && !scene.obsolete()) await scene.maker.prepareVolumes();
    return this.#nextWake(plan);
  }

  async #end(): Promise<undefined> {
    this.#done = await endPod(this.#scene);
    if (this.#done) this.#context.finished(this);
  }

  #facts(): PodFacts {
    const { hooks, prober, started, killer, backoff, backoffKey } = this.#scene;
    return {
      now: this.#context.clock.now(),
      stopping: killer.stopping,
      started,
      failed: (id) => {
        if (hooks.failed.has(id)) return "postStart";
        if (prober.startupFailed(id)) return "startup";
        return prober.result(id, "liveness") === false ? "liveness" : undefined;
      },
      backoffUntil: (container, finishedAt) => backoff.until(backoffKey(container), finishedAt),
    };
  }

  #updateProbes(): void {
    const { ip, killer, hooks, prober } = this.#scene;
    const running = new Set<string>();
    for (const container of allContainers(specOf(this.pod))) {
      const current = newestContainer(this.runtime, container.name);
      if (current?.state !== "running" || killer.stopping.has(current.id)) continue;
      running.add(current.id);
      const target = { runtime: this.#context.runtime, containerId: current.id, container, ip };
      if (!hooks.running.has(current.id)) prober.add(target, current.startedAt);
    }
    prober.prune((id) => running.has(id));
  }

  /** Containers that wait say why, and the event comes once per wait. */
  #noteBackoff({ backoff }: PodPlan): void {
    const scene = this.#scene;
    const { name, namespace } = this.pod.metadata;
    const where = `${name}_${namespace}(${this.uid})`;
    for (const container of allContainers(specOf(this.pod))) {
      const waits = backoff.has(container.name);
      const shown = scene.waiting.get(container.name)?.reason === "CrashLoopBackOff";
      if (waits && !shown) {
        const delay = formatDelay(scene.backoff.delay(scene.backoffKey(container)));
        const message = `back-off ${delay} restarting failed container=${container.name} pod=${where}`;
        scene.waiting.set(container.name, { reason: "CrashLoopBackOff", message });
        const text = `Back-off restarting failed container ${container.name} in pod ${where}`;
        scene.event("Warning", "BackOff", text, container);
      } else if (!waits && shown) scene.waiting.delete(container.name);
    }
  }

  /** When the pod must have ended, in milliseconds since the epoch. */
  #deadline(): number | undefined {
    const { activeDeadlineSeconds } = specOf(this.pod);
    const startedAt = parseTime(this.#scene.status.written.startTime ?? this.pod.status?.startTime);
    if (activeDeadlineSeconds === undefined || Number.isNaN(startedAt)) return undefined;
    return startedAt + activeDeadlineSeconds * 1000;
  }

  #checkDeadline(): void {
    if (this.#context.clock.now() < (this.#deadline() ?? Infinity)) return;
    const message = "Pod was active on the node longer than the specified deadline";
    this.#scene.failure = { reason: "DeadlineExceeded", message };
    this.#scene.event("Normal", "DeadlineExceeded", message);
  }

  #nextWake({ backoff }: PodPlan): number | undefined {
    const { maker } = this.#scene;
    const renewal = maker.volumes && maker.tokens.nextRenewal();
    if (renewal !== undefined && renewal <= this.#context.clock.now()) void this.#renewTokens();
    const times = [...backoff.values(), renewal, this.#retryAt, this.#deadline()].filter((time) => time !== undefined);
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  async #renewTokens(): Promise<void> {
    await this.#scene.maker.tokens.refresh(this.pod).catch(() => {});
    this.configChanged();
    this.wake();
  }

  #kill({ container, reason, message }: KillAction): void {
    const spec = this.#scene.containerNamed(container.name);
    const probe = reason === "liveness" ? spec?.livenessProbe : reason === "startup" ? spec?.startupProbe : undefined;
    const graceSeconds = probe?.terminationGracePeriodSeconds ?? specOf(this.pod).terminationGracePeriodSeconds ?? 30;
    void this.#scene.killer.kill({ container, spec, ip: this.#scene.ip, graceSeconds, message });
  }
}
