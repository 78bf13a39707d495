// Brings a pod's sandbox and containers to life, as its plan says, and forgets the instances that they replace.
import { rm } from "node:fs/promises";
import { sleep } from "../../machinery/clock.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { ImageError } from "../images/puller.ts";
import { runAction } from "../probes/actions.ts";
import { type AnyContainer, specOf } from "./model.ts";
import type { StartAction } from "./plan.ts";
import type { PodScene } from "./scene.ts";
import { explain, failingAs, SandboxError } from "./start-errors.ts";

const longestHookMs = 3600_000;

/** Throws SandboxError and what volumes throw. */
export async function replaceSandbox(scene: PodScene, attempt: number): Promise<void> {
  const { maker, observer, context } = scene;
  const { runtime, limited, puller } = context;
  const volumes = maker.prepareVolumes();
  // What cannot fail for want of other objects is made while the runtime works.
  if (maker.volumesAtHand()) volumes.catch(() => {});
  else await volumes;
  const { sandboxes } = scene.runtime;
  for (const { id, ready } of sandboxes) if (ready) await runtime.stopPodSandbox(id);
  if (attempt > 0) scene.event("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
  const config = maker.sandboxConfig(attempt);
  const handler = await maker.runtimeHandler();
  const made = await limited(async () => {
    if (scene.obsolete()) return undefined;
    for (const container of specOf(scene.pod).containers) puller.glance(container);
    try {
      return await runtime.runPodSandbox(config, handler);
    } catch (error) {
      throw new SandboxError(`Failed to create pod sandbox: ${(error as Error).message}`, { cause: error });
    }
  }).finally(() => volumes.catch(() => {}));
  if (made !== undefined) scene.own(made);
  scene.dirty = true;
  if (made === undefined || sandboxes.length > 0) observer.stale = true;
  else await observer.addSandbox(made);
  await volumes;
}

/** Starts containers in order; one that fails says why. Returns when to try again, in milliseconds since the epoch. */
export async function startContainers(
  scene: PodScene,
  actions: readonly StartAction[],
  retryMs: number,
): Promise<number | undefined> {
  let retryAt: number | undefined;
  for (const action of actions) {
    if (scene.obsolete()) break;
    const { container } = action;
    try {
      await start(scene, action);
      scene.waiting.delete(container.name);
      scene.dirty = true;
    } catch (error) {
      const waiting = explain(error);
      const told = deepEqual(scene.waiting.get(container.name), waiting) || error instanceof ImageError;
      scene.waiting.set(container.name, waiting);
      if (!told) scene.event("Warning", "Failed", `Error: ${waiting.message}`, container);
      const due = error instanceof ImageError ? error.retryAt : scene.context.clock.now() + retryMs;
      retryAt = Math.min(retryAt ?? Infinity, due);
      scene.pushStatus();
    }
  }
  return retryAt;
}

async function start(scene: PodScene, { container, restartCount }: StartAction): Promise<void> {
  const { maker, observer, backoff, hooks } = scene;
  const { runtime, puller, limited, clock } = scene.context;
  const event = (type: "Normal" | "Warning", reason: string, message: string) =>
    scene.event(type, reason, message, container);
  const sandbox = scene.runtime.sandboxes[0]!;
  const image = await scene.unlessObsolete(puller.ensure(scene.pod, container, maker.pullSecrets(), event));
  if (!image) return;
  const volumes = maker.volumes ?? (await maker.prepareVolumes());
  const config = maker.containerConfig(container, restartCount, image, volumes);
  const id = await limited(async () => {
    if (scene.obsolete()) return undefined;
    const created = await failingAs(
      "CreateContainerError",
      runtime.createContainer(sandbox.id, config, maker.sandboxConfig(sandbox.attempt)),
    );
    scene.own(created);
    event("Normal", "Created", `Container created`);
    if (restartCount > 0) backoff.next(scene.backoffKey(container), clock.now());
    if (container.lifecycle?.postStart) hooks.running.add(created);
    await failingAs("RunContainerError", runtime.startContainer(created));
    event("Normal", "Started", `Container started`);
    return created;
  });
  if (id !== undefined) await postStart(scene, container, id);
  forgetOldContainers(scene, container.name);
  if (id === undefined || restartCount > 0) observer.stale = true;
  else await observer.addContainer(id, sandbox.id);
}

async function postStart(scene: PodScene, container: AnyContainer, containerId: string): Promise<void> {
  const hook = container.lifecycle?.postStart;
  if (!hook) return;
  const { runtime, clock } = scene.context;
  const outcome = await scene.unlessObsolete(
    hook.sleep
      ? sleep(clock, hook.sleep.seconds * 1000).then(() => ({ ok: true, message: "" }))
      : runAction(hook, { runtime, containerId, container, ip: scene.ip }, longestHookMs, "hook"),
  );
  scene.hooks.running.delete(containerId);
  if (!outcome || outcome.ok) return;
  scene.hooks.failed.add(containerId);
  scene.event("Warning", "FailedPostStartHook", `PostStartHook failed: ${outcome.message}`, container);
}

/** One ended instance is kept beside the current one, for its status and log. */
function forgetOldContainers(scene: PodScene, name: string): void {
  const [, ...older] = scene.runtime.containers.filter((container) => container.name === name);
  for (const { id, state, logPath } of older) {
    if (state === "running" || state === "unknown") continue;
    scene.forget(id);
    void scene.context.runtime.removeContainer(id).then(
      () => rm(logPath, { force: true }),
      () => {},
    );
  }
}
