// knarr down and knarr reset: both work whether Knarr runs, was stopped or was killed.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import type { ClusterSettings } from "../cluster.ts";
import { adoptChild } from "../host/child.ts";
import { unmountTree } from "../host/mount.ts";
import { realClock } from "../machinery/clock.ts";
import { silentLogger } from "../machinery/log.ts";
import { pidFileOf } from "./up.ts";
import { settingsOf, type Place } from "./connect.ts";
import { forgetCluster, readSettings } from "./settings.ts";

/** Stops Knarr, then every pod, then the processes and rules that served them. Objects and volumes stay. */
export async function down(place: Place): Promise<void> {
  const settings = settingsOf(place);
  await stopKnarr(place);
  await stopWorkloads(place, settings, 30);
  console.log(`cluster "${place.name}" is down; its data stays in ${place.dataDir}`);
}

/** Removes every process, mount, interface, route, nft table and file of the cluster. */
export async function reset({ yes, ...place }: Place & { yes: boolean }): Promise<void> {
  const settings = readSettings(place.dataDir);
  if (!settings) {
    forgetCluster(place.name);
    console.log(`there is no cluster "${place.name}" in ${place.dataDir}; nothing to remove`);
    return;
  }
  if (!yes && !(await confirmed(`Remove cluster "${place.name}" with all its data in ${place.dataDir}?`))) {
    throw new Error("nothing was removed (say --yes to skip the question)");
  }
  await stopKnarr(place);
  await stopWorkloads(place, settings, 1);
  unmountTree(place.dataDir);
  rmSync(place.dataDir, { recursive: true, force: true });
  forgetCluster(place.name);
  console.log(`cluster "${place.name}" is removed`);
}

async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim());
  } finally {
    prompt.close();
  }
}

async function stopKnarr({ dataDir }: Place): Promise<void> {
  const running = adoptChild({ pidFile: pidFileOf(dataDir) }, realClock);
  if (!running) return;
  console.log(`stopping Knarr (process ${running.pid}) …`);
  await running.stop({ graceMs: 20_000 });
}

async function stopWorkloads({ dataDir }: Place, settings: ClusterSettings, graceSeconds: number): Promise<void> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return;
  const { containerdSocket, ensureRuntime, runDirectory } = await import("../node.ts");
  const { removePodNetwork } = await import("../network/cni.ts");
  const { removeServiceProxy } = await import("../network/proxy/proxy.ts");
  const { stopIngress } = await import("../network/ingress/ingress.ts");
  const { stopPods } = await import("../kubelet/stop-pods.ts");
  const { removeCgroups } = await import("../kubelet/cgroups.ts");
  const usedContainers = existsSync(join(dataDir, "containerd")) || settings.containerRuntimeEndpoint !== undefined;
  if (usedContainers) {
    console.log("stopping the pods …");
    const runtime = await ensureRuntime({ settings, dataDir, clock: realClock, log: silentLogger });
    await stopPods({ socket: containerdSocket(settings), cgroupRoot: settings.cgroupRoot, graceSeconds });
    await runtime?.stop();
  }
  await stopIngress({ dataDir: join(dataDir, "ingress"), clock: realClock });
  await removeServiceProxy(settings.nftTable);
  await removePodNetwork(settings);
  unmountTree(join(dataDir, "kubelet"));
  unmountTree(join(dataDir, "containerd"));
  unmountTree(runDirectory(settings));
  removeCgroups(settings.cgroupRoot);
  rmSync(runDirectory(settings), { recursive: true, force: true });
}
