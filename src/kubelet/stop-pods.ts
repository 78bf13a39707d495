// Stops and removes every pod of a runtime, with or without a kubelet: for `knarr down`, and for what a kubelet finds
// of pods that are gone.
import { openGrpc } from "../client/grpc.ts";
import { createRuntimeClient, type RuntimeClient } from "./cri/client.ts";
import { podUidLabel } from "./pod/model.ts";
import { removeCgroups } from "./cgroups.ts";
import { createLimiter } from "./limit.ts";

/** Stops the containers of one sandbox with a grace period in seconds, then removes all of it. */
export async function removeSandboxPod(runtime: RuntimeClient, sandboxId: string, graceSeconds: number): Promise<void> {
  const containers = (await runtime.listContainers()).filter(({ podSandboxId }) => podSandboxId === sandboxId);
  const running = containers.filter(({ state }) => state === "CONTAINER_RUNNING");
  await Promise.all(running.map(({ id }) => runtime.stopContainer(id, graceSeconds).catch(() => {})));
  await runtime.stopPodSandbox(sandboxId);
  await runtime.removePodSandbox(sandboxId);
}

/** Removes all pods of the runtime at `socket` that a kubelet has made, and the cgroups of the cluster. */
export async function stopPods(options: {
  readonly socket: string;
  readonly cgroupRoot: string;
  readonly graceSeconds?: number;
}): Promise<void> {
  const runtime = createRuntimeClient(openGrpc(options.socket));
  const limited = createLimiter(8);
  try {
    const sandboxes = (await runtime.listPodSandboxes()).filter(({ labels }) => labels[podUidLabel] !== undefined);
    await Promise.all(
      sandboxes.map(({ id }) => limited(() => removeSandboxPod(runtime, id, options.graceSeconds ?? 5))),
    );
  } finally {
    runtime.close();
  }
  removeCgroups(options.cgroupRoot);
}
