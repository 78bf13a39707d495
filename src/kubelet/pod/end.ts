// Ends a pod: stops its containers, frees what it holds on the node, and when it was deleted removes all trace of it.
import { rm } from "node:fs/promises";
import { Pod as PodKind } from "../../kinds/core/pod.ts";
import { isReason } from "../../machinery/errors.ts";
import { isRuntimeNotFound } from "../cri/client.ts";
import { specOf } from "./model.ts";
import { logDirectoryOf } from "./sandbox.ts";
import type { PodScene } from "./scene.ts";

/** One step; to be repeated when the runtime has something new. Returns whether the pod is gone altogether. */
export async function endPod(scene: PodScene): Promise<boolean> {
  const { pod, prober } = scene;
  scene.waiting.clear();
  const active = scene.runtime.containers.filter(({ state }) => state === "running" || state === "unknown");
  // While a pod ends only the readiness of what still runs matters.
  prober.prune((id) => active.some((container) => container.id === id));
  if (active.length > 0) {
    const graceSeconds = pod.metadata.deletionGracePeriodSeconds ?? specOf(pod).terminationGracePeriodSeconds ?? 30;
    scene.killer.killAll({ pod, active, graceSeconds, ip: scene.ip });
    scene.pushStatus();
    return false;
  }
  await clean(scene);
  if (!scene.removed && !pod.metadata.deletionTimestamp) return false;
  await disappear(scene);
  return true;
}

/** Frees network, mounts and cgroups. The ended containers stay for their logs. */
async function clean(scene: PodScene): Promise<void> {
  const { context, observer, maker } = scene;
  const { runtime, cgroups, limited } = context;
  const { sandboxes, containers } = scene.runtime;
  const ready = sandboxes.filter((sandbox) => sandbox.ready);
  // Messages must be read before their files go.
  for (const container of containers) if (container.state === "exited") scene.terminationMessage(container);
  scene.pushStatus();
  if (scene.cleaned && ready.length === 0) return;
  for (const { id } of ready) await limited(() => ignoreMissing(runtime.stopPodSandbox(id)));
  observer.known = { containers, sandboxes: sandboxes.map((sandbox) => ({ ...sandbox, ready: false })) };
  await maker.removeVolumes();
  cgroups.removePod(scene.uid);
  scene.cleaned = true;
  scene.pushStatus();
}

async function disappear(scene: PodScene): Promise<void> {
  const { client, runtime, owners, puller, logsDir, log } = scene.context;
  const { name, namespace, uid } = scene.pod.metadata;
  await scene.status.flush();
  if (!scene.removed) {
    const target = namespace === undefined ? { name } : { name, namespace };
    try {
      await client.delete(PodKind, target, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      if (!isReason(error, "NotFound", "Conflict")) throw error;
    }
  }
  const { sandboxes, containers } = scene.runtime;
  for (const { id } of sandboxes) await ignoreMissing(runtime.removePodSandbox(id));
  await rm(logDirectoryOf(scene.pod, logsDir), { recursive: true, force: true });
  for (const { id } of [...sandboxes, ...containers]) owners.delete(id);
  puller.forget(uid);
  log.debug({ pod: `${namespace}/${name}` }, "pod is gone");
}

async function ignoreMissing(promise: Promise<void>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (!isRuntimeNotFound(error)) throw error;
  }
}
