// One worker per pod: observe the runtime, plan, act, until nothing is left to do; then wait for the next event.
// All state that matters is in the runtime and the API, so a new kubelet goes on where the old one stopped.
import { rm } from "node:fs/promises";
import { isFinished } from "../../kinds/core/node-room.ts";
import type { Pod } from "../../kinds/generated/core.v1.ts";
import { Pod as PodKind } from "../../kinds/core/pod.ts";
import { parseTime, sleep } from "../../machinery/clock.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { isReason } from "../../machinery/errors.ts";
import { isRuntimeNotFound } from "../cri/client.ts";
import { ImageError } from "../images/puller.ts";
import { runAction } from "../probes/actions.ts";
import { Prober } from "../probes/prober.ts";
import { VolumeError } from "../volumes/payload.ts";
import { refreshPayloads, tearDownPodDir } from "../volumes/setup.ts";
import type { Refusal } from "./admission.ts";
import { Backoff, formatDelay } from "./backoff.ts";
import type { WorkerContext } from "./context.ts";
import { PodMaker } from "./maker.ts";
import { PodKiller } from "./killer.ts";
import type { AnyContainer, RuntimeContainer, RuntimePod } from "./model.ts";
import { allContainers, containerHash, specOf } from "./model.ts";
import { PodObserver } from "./observe.ts";
import type { PodFacts, PodPlan, StartAction } from "./plan.ts";
import { computePodPlan } from "./plan.ts";
import type { ConfigurationKind } from "./references.ts";
import { isSidecar } from "../../kinds/core/pod/resources.ts";
import { podReferences } from "../../kinds/core/pod/references.ts";
import { claimsVolume } from "./references.ts";
import { containerResources, podLimits } from "./resources.ts";
import { logDirectoryOf } from "./sandbox.ts";
import type { StatusFacts, Waiting } from "./status.ts";
import { computePodStatus } from "./status.ts";
import { explain, failingAs, SandboxError } from "./start-errors.ts";
import { StatusWriter } from "./status-writer.ts";
import { readTerminationMessage } from "./termination-message.ts";

const firstRetryMs = 500;
const longestRetryMs = 30_000;
const longestHookMs = 3600_000;
/** How long an exit that containerd announced may take to show in its CRI answers. */
const settleMs = 2000;

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
  readonly uid: string;
  readonly #context: WorkerContext;
  readonly #observer: PodObserver;
  readonly #status: StatusWriter;
  readonly #maker: PodMaker;
  readonly #prober: Prober;
  readonly #killer: PodKiller;
  readonly #backoff = new Backoff();
  readonly #waiting = new Map<string, Waiting>();
  readonly #oomKilled = new Set<string>();
  readonly #expectedExits = new Set<string>();
  readonly #hooksRunning = new Set<string>();
  readonly #hooksFailed = new Set<string>();
  readonly #messages = new Map<string, string>();
  #pod: Pod;
  #runtime: RuntimePod = { sandboxes: [], containers: [] };
  #failure: Waiting | undefined;
  /** No container will be started any more. */
  #ending = false;
  /** The pod is no longer in the API. */
  #removed = false;
  #cleaned = false;
  #done = false;
  #dirty = false;
  /** What is known of the runtime may be outdated. */
  #stale: boolean;
  #running: Promise<void> | undefined;
  #retryMs = firstRetryMs;
  #cancelTimer = () => {};
  #stopped = false;

  /** `isNew`: no kubelet has ever worked on the pod, so that the runtime cannot have anything of it yet. */
  constructor(pod: Pod, context: WorkerContext, isNew: boolean) {
    this.#stale = !isNew;
    this.uid = pod.metadata.uid;
    this.#pod = pod;
    this.#context = context;
    const { client, clock, log, runtime } = context;
    this.#observer = new PodObserver(runtime, this.uid);
    this.#status = new StatusWriter({ client, clock, log }, pod.status ?? {});
    this.#maker = new PodMaker(context, this);
    this.#prober = new Prober({
      clock,
      onChange: () => this.wake(),
      onFailure: ({ container }, type, { message }) => {
        const title = type[0]!.toUpperCase() + type.slice(1);
        this.#event("Warning", "Unhealthy", `${title} probe failed: ${message}`, container);
      },
    });
    this.#killer = new PodKiller({
      runtime,
      clock,
      event: (type, reason, message, container) => this.#event(type, reason, message, container),
      onChange: () => this.wake(),
    });
  }

  get pod(): Pod {
    return this.#pod;
  }

  get runtime(): RuntimePod {
    return this.#runtime;
  }

  get refused(): boolean {
    return this.#failure !== undefined;
  }

  /** A newer version of the pod. */
  update(pod: Pod): void {
    const before = this.#pod;
    this.#pod = pod;
    this.#status.seen(pod.status);
    if (pod.metadata.deletionTimestamp) this.#abandon.resolve(undefined);
    if (pod.spec !== before.spec && !this.#ending) this.#resize(before);
    if (!deepEqual(namesOf(before), namesOf(pod))) this.configChanged();
    if (pod === before || !deepEqual(relevantParts(before), relevantParts(pod))) this.wake();
    else if (isFinished(pod) !== isFinished(before)) this.wake();
  }

  /** Resources of running containers may change in place. */
  #resize(before: Pod): void {
    const { runtime, cgroups, nodeMemoryBytes } = this.#context;
    const spec = specOf(this.#pod);
    const olds = [...allContainers(specOf(before))];
    const changed = [...allContainers(spec)].filter(({ name, resources }) => {
      const old = olds.find((container) => container.name === name);
      return old && !deepEqual(old.resources ?? {}, resources ?? {});
    });
    if (changed.length === 0 || this.#runtime.sandboxes[0]?.ready !== true) return;
    cgroups.ensurePod(this.uid, podLimits(spec));
    for (const container of changed) {
      const current = this.#runtime.containers.find(({ name }) => name === container.name);
      if (current?.state !== "running") continue;
      runtime
        .updateContainerResources(current.id, containerResources(spec, container, nodeMemoryBytes))
        .catch((error: unknown) => this.#event("Warning", "ResizeError", (error as Error).message, container));
    }
  }

  /** The pod is gone from the API: stop it and forget it. */
  remove(pod: Pod): void {
    this.#pod = pod;
    this.#removed = true;
    this.#abandon.resolve(undefined);
    this.wake();
  }

  exited(containerId: string): void {
    this.#expectedExits.add(containerId);
    this.wake();
  }

  oomKilled(containerId: string): void {
    this.#oomKilled.add(containerId);
    this.wake();
  }

  /** Whether the pod names an object of the kind, so that its changes matter. */
  uses(kind: ConfigurationKind, namespace: string | undefined, name: string): boolean {
    if (kind === "volume") return !this.#maker.volumes && (specOf(this.#pod).volumes ?? []).some(claimsVolume);
    return namespace === this.#pod.metadata.namespace && podReferences(this.#pod).has(`${kind}/${name}`);
  }

  /** A ConfigMap, Secret, claim or volume that the pod may use has changed. */
  configChanged(): void {
    if (this.#ending || this.#removed) return;
    if (this.#maker.volumes)
      void refreshPayloads(this.#pod, this.#maker.podDir, this.#maker.sources()).catch((error: unknown) =>
        this.#context.log.warn({ error, pod: this.#pod.metadata.name }, "a volume could not be brought up to date"),
      );
    if (!this.#maker.volumes || this.#waiting.size > 0) this.wake();
  }

  /** Stops working; containers go on. Resolves when nothing of this worker runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#abandon.resolve(undefined);
    this.#cancelTimer();
    this.#prober.prune(() => false);
    await this.#running;
    await this.#status.flush();
  }

  wake(): void {
    this.#stale = true;
    this.#again();
  }

  /** The first look at the pod. */
  start(): void {
    this.#again();
  }

  /** Instead of a start: the node does not take the pod, which fails at the time given. */
  refuse({ reason, message }: Refusal, at: number): void {
    this.#failure = { reason, message: `Pod was rejected: ${message}` };
    this.#event("Warning", reason, message);
    this.#wakeAt(at);
  }

  #again(): void {
    if (this.#done || this.#stopped) return;
    this.#dirty = true;
    this.#running ??= this.#loop().finally(() => {
      this.#running = undefined;
      if (this.#dirty) this.#again();
    });
  }

  async #loop(): Promise<void> {
    while (this.#dirty && !this.#done && !this.#stopped) {
      this.#dirty = false;
      this.#cancelTimer();
      try {
        const wakeAt = await this.#sync();
        this.#retryMs = firstRetryMs;
        if (wakeAt !== undefined) this.#wakeAt(wakeAt);
      } catch (error) {
        this.#report(error);
        this.#wakeAt(this.#context.clock.now() + this.#retryMs);
        this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
      }
    }
  }

  #wakeAt(time: number): void {
    const { clock } = this.#context;
    this.#cancelTimer();
    this.#cancelTimer = clock.after(Math.max(0, time - clock.now()), () => this.wake());
  }

  #report(error: unknown): void {
    const { message } = error as Error;
    this.#context.log.debug({ error, pod: this.#pod.metadata.name }, "pod sync failed");
    if (error instanceof VolumeError) this.#event("Warning", "FailedMount", message);
    else if (error instanceof SandboxError) this.#event("Warning", "FailedCreatePodSandBox", message);
    else this.#context.log.warn({ error: message, pod: this.#pod.metadata.name }, "pod sync failed");
    if (!this.#ending) this.#pushStatus();
  }

  #event(type: "Normal" | "Warning", reason: string, message: string, container?: AnyContainer): void {
    const spec = specOf(this.#pod);
    const list =
      container &&
      (spec.containers.includes(container as never)
        ? "containers"
        : spec.initContainers?.includes(container as never)
          ? "initContainers"
          : "ephemeralContainers");
    const subject = { apiVersion: "v1", kind: "Pod", metadata: this.#pod.metadata };
    this.#context.events.event(
      container ? { ...subject, fieldPath: `spec.${list}{${container.name}}` } : subject,
      type,
      reason,
      message,
    );
  }

  /** Returns when to look again even if nothing happens. */
  async #sync(): Promise<number | undefined> {
    const pod = this.#pod;
    if (this.#stale) await this.#observe();
    if (!this.#ending) this.#checkDeadline();
    if (this.#removed || pod.metadata.deletionTimestamp || isFinished(pod) || this.#failure) this.#ending = true;
    if (this.#ending) return this.#terminate();

    // Before the plan: a container with a startup probe has not started until that probe, once it is known, says so.
    this.#updateProbes();
    const plan = computePodPlan(pod, this.#runtime, this.#facts());
    this.#noteBackoff(plan);
    if (plan.killPod && plan.createSandbox === undefined) {
      this.#ending = true;
      return this.#terminate();
    }
    this.#pushStatus();
    for (const { container, reason, message } of plan.kill) this.#kill(container, reason, message);
    if (plan.createSandbox !== undefined) await this.#replaceSandbox(plan.createSandbox);
    else await this.#startAll(plan.start);
    return this.#nextWake(plan);
  }

  async #observe(): Promise<void> {
    const { clock, owners } = this.#context;
    this.#stale = false;
    const deadline = clock.now() + settleMs;
    for (let pause = 1; ; pause = Math.min(pause * 2, 100)) {
      this.#runtime = await this.#observer.observe();
      const { containers, sandboxes } = this.#runtime;
      const unsettled =
        containers.some(({ id, state }) => state === "running" && this.#expectedExits.has(id)) ||
        sandboxes.some(({ id, ready }) => ready && this.#expectedExits.has(id));
      if (!unsettled || clock.now() > deadline) break;
      await sleep(clock, pause);
    }
    this.#expectedExits.clear();
    for (const { id } of [...this.#runtime.sandboxes, ...this.#runtime.containers]) owners.set(id, this);
  }

  #facts(): PodFacts {
    return {
      now: this.#context.clock.now(),
      stopping: this.#killer.stopping,
      started: (id) => this.#started(id),
      failed: (id) => {
        if (this.#hooksFailed.has(id)) return "postStart";
        if (this.#prober.startupFailed(id)) return "startup";
        return this.#prober.result(id, "liveness") === false ? "liveness" : undefined;
      },
      backoffUntil: (container, finishedAt) => this.#backoff.until(this.#backoffKey(container), finishedAt),
    };
  }

  #backoffKey = (container: AnyContainer) => `${container.name}/${containerHash(container)}`;

  #started(id: string): boolean {
    return !this.#hooksRunning.has(id) && !this.#hooksFailed.has(id) && (this.#prober.result(id, "startup") ?? true);
  }

  #updateProbes(): void {
    const ip = this.#maker.podIPs()[0] ?? this.#context.hostIP;
    const running = new Set<string>();
    for (const container of allContainers(specOf(this.#pod))) {
      const current = this.#runtime.containers.find(({ name }) => name === container.name);
      if (current?.state !== "running" || this.#killer.stopping.has(current.id)) continue;
      running.add(current.id);
      const target = { runtime: this.#context.runtime, containerId: current.id, container, ip };
      if (!this.#hooksRunning.has(current.id)) this.#prober.add(target, current.startedAt);
    }
    this.#prober.prune((id) => running.has(id));
  }

  /** Containers that wait say why, and the event comes once per wait. */
  #noteBackoff({ backoff }: PodPlan): void {
    const { name, namespace } = this.#pod.metadata;
    for (const container of allContainers(specOf(this.#pod))) {
      const waits = backoff.has(container.name);
      const shown = this.#waiting.get(container.name)?.reason === "CrashLoopBackOff";
      if (waits && !shown) {
        const delay = formatDelay(this.#backoff.delay(this.#backoffKey(container)));
        const message = `back-off ${delay} restarting failed container=${container.name} pod=${name}_${namespace}(${this.uid})`;
        this.#waiting.set(container.name, { reason: "CrashLoopBackOff", message });
        const text = `Back-off restarting failed container ${container.name} in pod ${name}_${namespace}(${this.uid})`;
        this.#event("Warning", "BackOff", text, container);
      } else if (!waits && shown) this.#waiting.delete(container.name);
    }
  }

  #checkDeadline(): void {
    const { activeDeadlineSeconds } = specOf(this.#pod);
    const startedAt = parseTime(this.#status.written.startTime);
    if (activeDeadlineSeconds === undefined || Number.isNaN(startedAt)) return;
    if (this.#context.clock.now() < startedAt + activeDeadlineSeconds * 1000) return;
    const message = "Pod was active on the node longer than the specified deadline";
    this.#failure = { reason: "DeadlineExceeded", message };
    this.#event("Normal", "DeadlineExceeded", message);
  }

  #nextWake({ backoff }: PodPlan): number | undefined {
    const times = [...backoff.values()];
    const renewal = this.#maker.volumes && this.#maker.tokens.nextRenewal();
    if (renewal !== undefined) times.push(renewal);
    if (this.#retryAt !== undefined) times.push(this.#retryAt);
    const { activeDeadlineSeconds } = specOf(this.#pod);
    const startedAt = parseTime(this.#status.written.startTime ?? this.#pod.status?.startTime);
    if (activeDeadlineSeconds !== undefined && !Number.isNaN(startedAt))
      times.push(startedAt + activeDeadlineSeconds * 1000);
    if (renewal !== undefined && renewal <= this.#context.clock.now()) void this.#renewTokens();
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  async #renewTokens(): Promise<void> {
    await this.#maker.tokens.refresh(this.#pod).catch(() => {});
    this.configChanged();
    this.wake();
  }

  /** When a container that could not be started is to be tried again. */
  #retryAt: number | undefined;

  #statusFacts(): StatusFacts {
    return {
      now: this.#context.clock.now(),
      hostIP: this.#context.hostIP,
      runtimeName: this.#context.runtimeName,
      waiting: this.#waiting,
      oomKilled: this.#oomKilled,
      started: (id) => this.#started(id),
      ready: (id) => this.#prober.result(id, "readiness"),
      terminationMessage: (container) => this.#terminationMessage(container),
      ending: this.#ending,
      ...(this.#failure ? { failure: this.#failure } : {}),
    };
  }

  #terminationMessage(container: RuntimeContainer): string | undefined {
    let message = this.#messages.get(container.id);
    if (message === undefined) {
      const spec = [...allContainers(specOf(this.#pod))].find(({ name }) => name === container.name);
      message = spec ? readTerminationMessage(this.#maker.podDir, spec, container) : "";
      this.#messages.set(container.id, message);
    }
    return message || undefined;
  }

  #pushStatus(): void {
    if (this.#removed) return;
    const known = { ...this.#pod, status: this.#status.written };
    this.#status.write(this.#pod, computePodStatus(known, this.#runtime, this.#statusFacts()));
  }

  async #replaceSandbox(attempt: number): Promise<void> {
    const { runtime, limited, owners, puller } = this.#context;
    const volumes = this.#maker.prepareVolumes();
    // What cannot fail for want of other objects is made while the runtime works.
    if (this.#maker.volumesAtHand()) volumes.catch(() => {});
    else await volumes;
    for (const { id, ready } of this.#runtime.sandboxes) if (ready) await runtime.stopPodSandbox(id);
    const isFirst = this.#runtime.sandboxes.length === 0;
    if (attempt > 0) this.#event("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
    const config = this.#maker.sandboxConfig(attempt);
    const handler = await this.#maker.runtimeHandler();
    const made = await limited(async () => {
      if (this.#obsolete()) return undefined;
      for (const container of specOf(this.#pod).containers) puller.glance(container);
      try {
        return await runtime.runPodSandbox(config, handler);
      } catch (error) {
        throw new SandboxError(`Failed to create pod sandbox: ${(error as Error).message}`, { cause: error });
      }
    }).finally(() => volumes.catch(() => {}));
    if (made !== undefined) owners.set(made, this);
    this.#dirty = true;
    if (made === undefined || !isFirst) this.#stale = true;
    else this.#runtime = await this.#observer.withSandbox(this.#runtime, made);
    await volumes;
  }

  /** The pod has been deleted or ended while work was waiting. */
  #obsolete(): boolean {
    return this.#removed || this.#stopped || this.#pod.metadata.deletionTimestamp !== undefined;
  }

  readonly #abandon = Promise.withResolvers<undefined>();

  /** Undefined as soon as the pod is obsolete: long waits (pulls, hooks) must not hold up its end. */
  async #unlessObsolete<T>(work: Promise<T>): Promise<T | undefined> {
    if (this.#obsolete()) this.#abandon.resolve(undefined);
    // When nobody waits for it any more, its failure is of no interest.
    work.catch(() => {});
    const result = await Promise.race([work, this.#abandon.promise]);
    return this.#obsolete() ? undefined : result;
  }

  async #startAll(actions: readonly StartAction[]): Promise<void> {
    this.#retryAt = undefined;
    for (const action of actions) {
      if (this.#obsolete()) return;
      await this.#tryStart(action);
    }
  }

  async #tryStart(action: StartAction): Promise<void> {
    const { container } = action;
    const { clock } = this.#context;
    const before = this.#waiting.get(container.name);
    try {
      await this.#start(action);
      this.#waiting.delete(container.name);
      this.#dirty = true;
    } catch (error) {
      const waiting = explain(error);
      this.#waiting.set(container.name, waiting);
      const retryAt = error instanceof ImageError ? error.retryAt : clock.now() + this.#retryMs;
      if (!(error instanceof ImageError)) {
        this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
        if (!deepEqual(before, waiting)) this.#event("Warning", "Failed", `Error: ${waiting.message}`, container);
      }
      this.#retryAt = Math.min(this.#retryAt ?? Infinity, retryAt);
      this.#pushStatus();
    }
  }

  async #start({ container, restartCount }: StartAction): Promise<void> {
    const { runtime, puller, limited, clock } = this.#context;
    const pod = this.#pod;
    const event = (type: "Normal" | "Warning", reason: string, message: string) =>
      this.#event(type, reason, message, container);
    const sandbox = this.#runtime.sandboxes[0]!;
    const image = await this.#unlessObsolete(puller.ensure(pod, container, this.#maker.pullSecrets(), event));
    if (!image) return;
    const volumes = this.#maker.volumes ?? (await this.#maker.prepareVolumes());
    const config = this.#maker.containerConfig(container, restartCount, image, volumes);
    const id = await limited(async () => {
      if (this.#obsolete()) return undefined;
      const created = await failingAs(
        "CreateContainerError",
        runtime.createContainer(sandbox.id, config, this.#maker.sandboxConfig(sandbox.attempt)),
      );
      this.#context.owners.set(created, this);
      event("Normal", "Created", `Container created`);
      if (restartCount > 0) this.#backoff.next(this.#backoffKey(container), clock.now());
      if (container.lifecycle?.postStart) this.#hooksRunning.add(created);
      await failingAs("RunContainerError", runtime.startContainer(created));
      event("Normal", "Started", `Container started`);
      return created;
    });
    if (id !== undefined) await this.#postStart(container, id);
    this.#forgetOldContainers(container.name);
    if (id === undefined || restartCount > 0) this.#stale = true;
    else this.#runtime = await this.#observer.withContainer(this.#runtime, id, sandbox.id);
  }

  async #postStart(container: AnyContainer, containerId: string): Promise<void> {
    const hook = container.lifecycle?.postStart;
    if (!hook) return;
    const { runtime, clock, hostIP } = this.#context;
    const target = { runtime, containerId, container, ip: this.#maker.podIPs()[0] ?? hostIP };
    const outcome = await this.#unlessObsolete(
      hook.sleep
        ? sleep(clock, hook.sleep.seconds * 1000).then(() => ({ ok: true, message: "" }))
        : runAction(hook, target, longestHookMs, "hook"),
    );
    this.#hooksRunning.delete(containerId);
    if (!outcome || outcome.ok) return;
    this.#hooksFailed.add(containerId);
    this.#event("Warning", "FailedPostStartHook", `PostStartHook failed: ${outcome.message}`, container);
  }

  /** One ended instance is kept beside the current one, for its status and log. */
  #forgetOldContainers(name: string): void {
    const { runtime, owners } = this.#context;
    for (const { id, state, logPath } of this.#runtime.containers
      .filter((container) => container.name === name)
      .slice(1)) {
      if (state === "running" || state === "unknown") continue;
      owners.delete(id);
      this.#messages.delete(id);
      void runtime.removeContainer(id).then(
        () => rm(logPath, { force: true }),
        () => {},
      );
    }
  }

  #kill(container: RuntimeContainer, reason: string, message: string): void {
    const spec = [...allContainers(specOf(this.#pod))].find(({ name }) => name === container.name);
    const probe = reason === "liveness" ? spec?.livenessProbe : reason === "startup" ? spec?.startupProbe : undefined;
    const grace = probe?.terminationGracePeriodSeconds ?? specOf(this.#pod).terminationGracePeriodSeconds ?? 30;
    const ip = this.#maker.podIPs()[0] ?? this.#context.hostIP;
    void this.#killer.kill({ container, spec, ip, graceSeconds: grace, message });
  }

  async #terminate(): Promise<number | undefined> {
    const pod = this.#pod;
    this.#waiting.clear();
    const active = this.#runtime.containers.filter(({ state }) => state === "running" || state === "unknown");
    if (active.length > 0) {
      const grace = pod.metadata.deletionGracePeriodSeconds ?? specOf(pod).terminationGracePeriodSeconds ?? 30;
      const ip = this.#maker.podIPs()[0] ?? this.#context.hostIP;
      this.#killer.killAll({ pod, active, graceSeconds: grace, ip, isSidecar: (name) => this.#isSidecar(name) });
      this.#updateReadinessOnly(active);
      this.#pushStatus();
      return undefined;
    }
    this.#prober.prune(() => false);
    await this.#clean();
    if (!this.#removed && !pod.metadata.deletionTimestamp) return undefined;
    await this.#disappear();
    return undefined;
  }

  #isSidecar = (name: string) => (specOf(this.#pod).initContainers ?? []).some((c) => c.name === name && isSidecar(c));

  /** While a pod ends only its readiness matters. */
  #updateReadinessOnly(active: readonly RuntimeContainer[]): void {
    this.#prober.prune((id) => active.some((container) => container.id === id));
  }

  /** Frees what the pod holds on the node: network, mounts, cgroups. The ended containers stay for their logs. */
  async #clean(): Promise<void> {
    const { runtime, cgroups, limited } = this.#context;
    const ready = this.#runtime.sandboxes.filter((sandbox) => sandbox.ready);
    // Messages must be read before their files go.
    for (const container of this.#runtime.containers)
      if (container.state === "exited") this.#terminationMessage(container);
    this.#pushStatus();
    if (this.#cleaned && ready.length === 0) return;
    for (const { id } of ready) await limited(() => ignoreMissing(runtime.stopPodSandbox(id)));
    this.#runtime = {
      ...this.#runtime,
      sandboxes: this.#runtime.sandboxes.map((sandbox) => ({ ...sandbox, ready: false })),
    };
    await tearDownPodDir(this.#maker.podDir);
    this.#maker.volumes = undefined;
    cgroups.removePod(this.uid);
    this.#cleaned = true;
    this.#pushStatus();
  }

  async #disappear(): Promise<void> {
    const { client, runtime, owners, puller, log } = this.#context;
    const { name, namespace, uid } = this.#pod.metadata;
    await this.#status.flush();
    if (!this.#removed) {
      const target = namespace === undefined ? { name } : { name, namespace };
      try {
        await client.delete(PodKind, target, { gracePeriodSeconds: 0, preconditions: { uid } });
      } catch (error) {
        if (!isReason(error, "NotFound", "Conflict")) throw error;
      }
    }
    for (const { id } of this.#runtime.sandboxes) await ignoreMissing(runtime.removePodSandbox(id));
    await rm(logDirectoryOf(this.#pod, this.#context.logsDir), { recursive: true, force: true });
    for (const { id } of [...this.#runtime.sandboxes, ...this.#runtime.containers]) owners.delete(id);
    puller.forget(uid);
    this.#done = true;
    log.debug({ pod: `${namespace}/${name}` }, "pod is gone");
    this.#context.finished(this);
  }
}

async function ignoreMissing(promise: Promise<void>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (!isRuntimeNotFound(error)) throw error;
  }
}
