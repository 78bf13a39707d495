// A whole cluster: time from launch to /readyz and to a Ready node, memory, CPU and disk writes while idle, and how long one
// and ten pods take from creation to Ready, with the same bare CRI calls as the floor. Usage: scripts/node.sh bench/cluster.ts
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildExampleImages } from "../scripts/images.ts";
import { httpsClient } from "../src/client/https.ts";
import { clientFromKubeconfig } from "../src/client/kubeconfig.ts";
import { Deployment, Pod } from "../src/kinds/index.ts";
import type { Client } from "../src/client/client.ts";
import type { NewObject } from "../src/machinery/object.ts";
import type { Deployment as DeploymentObject } from "../src/kinds/generated/apps.v1.ts";
import { importImage } from "../src/kubelet/images/import.ts";
import { createRuntimeClient, openGrpc, type RuntimeClient } from "../src/kubelet/cri/client.ts";
import { containerdSocket } from "../src/node.ts";
import { eventually, startTestCluster, type TestCluster } from "../test/harness.ts";

const image = "knarr.dev/examples/busybox:1";
const idleSeconds = 20;
const rounds = 5;

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const ms = (value: number) => `${value.toFixed(0)} ms`;

/** Sandbox, container, start: what any kubelet has to ask the runtime for, `count` times at once. Milliseconds. */
async function floor(runtime: RuntimeClient, count: number, cgroupRoot: string, round: number): Promise<number> {
  const logDirectory = mkdtempSync(join(tmpdir(), "knarr-floor-"));
  const configs = Array.from({ length: count }, (_, i) => ({
    metadata: { name: `floor-${round}-${i}`, uid: `floor-${round}-${i}`, namespace: "floor", attempt: 0 },
    hostname: `floor-${i}`,
    logDirectory: join(logDirectory, String(i)),
    labels: {},
    annotations: {},
    linux: { cgroupParent: `/${cgroupRoot}/floor` },
  }));
  for (const config of configs) mkdirSync(config.logDirectory);
  const started = performance.now();
  const sandboxes = await Promise.all(
    configs.map(async (sandbox) => {
      const id = await runtime.runPodSandbox(sandbox as never, "");
      const container = {
        metadata: { name: "main", attempt: 0 },
        image: { image },
        command: ["sleep", "1000000"],
        logPath: "0.log",
        labels: {},
        annotations: {},
        linux: {},
      };
      await runtime.startContainer(await runtime.createContainer(id, container as never, sandbox as never));
      return id;
    }),
  );
  const elapsed = performance.now() - started;
  for (const id of sandboxes) {
    await runtime.stopPodSandbox(id);
    await runtime.removePodSandbox(id);
  }
  rmSync(logDirectory, { recursive: true, force: true });
  return elapsed;
}

/** From the POST of a Deployment to the moment a watcher over HTTPS has seen all its pods Ready. Milliseconds. */
async function viaDeployment(client: Client, replicas: number, name: string): Promise<number> {
  const stop = new AbortController();
  const labels = { app: name };
  const container = { name: "main", image, command: ["sleep", "1000000"] };
  const deployment: NewObject<DeploymentObject> = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container], terminationGracePeriodSeconds: 0 } },
    },
  };
  const { metadata } = await client.list(Pod, { namespace: "default" });
  const ready = new Set<string>();
  const watching = (async () => {
    const options = {
      namespace: "default",
      labelSelector: `app=${name}`,
      resourceVersion: metadata.resourceVersion,
      signal: stop.signal,
    };
    for await (const event of client.watch(Pod, options)) {
      if (event.type !== "MODIFIED") continue;
      if (event.object.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True"))
        ready.add(event.object.metadata.name);
      if (ready.size === replicas) return;
    }
  })();
  const started = performance.now();
  await client.create(Deployment, deployment);
  await watching;
  const elapsed = performance.now() - started;
  stop.abort();
  await client.delete(Deployment, { name, namespace: "default" }, { propagationPolicy: "Background" });
  await eventually(
    "the pods are gone",
    async () => (await client.list(Pod, { namespace: "default" })).items.length === 0,
  );
  return elapsed;
}

interface Usage {
  readonly residentMb: number;
  readonly privateMb: number;
  readonly cpuTicks: number;
  readonly writtenBytes: number;
}

function usageOf(pid: number): Usage {
  const field = (file: string, name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/${file}`, "utf8"))?.[1] ?? 0);
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return {
    residentMb: field("status", "VmRSS") / 1024,
    privateMb: field("smaps_rollup", "Pss") / 1024,
    cpuTicks: Number(stat[11]) + Number(stat[12]),
    writtenBytes: field("io", "write_bytes"),
  };
}

async function idle(cluster: TestCluster): Promise<Record<string, string>[]> {
  const pidOf = (file: string) => Number(readFileSync(join(cluster.dataDir, file), "utf8").split(" ")[0]);
  const processes = { knarr: pidOf("knarr.pid"), containerd: pidOf("containerd/containerd.pid") };
  const before = Object.entries(processes).map(([name, pid]) => ({ name, pid, usage: usageOf(pid) }));
  await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000));
  return before.map(({ name, pid, usage }) => {
    const now = usageOf(pid);
    return {
      process: name,
      resident: `${now.residentMb.toFixed(0)} MB`,
      "proportional share": `${now.privateMb.toFixed(0)} MB`,
      CPU: `${((now.cpuTicks - usage.cpuTicks) / idleSeconds).toFixed(2)} %`,
      "written to disk": `${now.writtenBytes - usage.writtenBytes} bytes in ${idleSeconds} s`,
    };
  });
}

async function launchTimes(cluster: TestCluster): Promise<{ readyz: number; usable: number }> {
  const { connection } = await clientFromKubeconfig(cluster.kubeconfig, { component: "bench" });
  await cluster.kill("SIGTERM");
  const started = performance.now();
  const up = cluster.start().then(() => performance.now() - started);
  const readyz = await eventually("/readyz", async () => {
    await using client = httpsClient({ ...connection, component: "bench" });
    await client.request("GET", "/readyz");
    return performance.now() - started;
  });
  return { readyz, usable: await up };
}

await using cluster = await startTestCluster("bench");
const socket = containerdSocket(cluster.settings);
for (const built of await buildExampleImages()) await importImage(socket, built);
const runtime = createRuntimeClient(openGrpc(socket));
await using client = await clientFromKubeconfig(cluster.kubeconfig, { component: "bench" });

const times: Record<string, number[]> = { "1 floor": [], "1 knarr": [], "10 floor": [], "10 knarr": [] };
for (let round = 0; round < rounds; round++) {
  for (const count of [1, 10]) {
    times[`${count} floor`]!.push(await floor(runtime, count, cluster.settings.cgroupRoot, round));
    times[`${count} knarr`]!.push(await viaDeployment(client, count, `bench-${round}-${count}`));
  }
}
console.table(
  [1, 10].map((count) => {
    const bare = median(times[`${count} floor`]!);
    const whole = median(times[`${count} knarr`]!);
    return {
      pods: count,
      "bare CRI calls": ms(bare),
      "Deployment to Ready": ms(whole),
      more: `${ms(whole - bare)} (${((whole / bare - 1) * 100).toFixed(0)} %)`,
    };
  }),
);
console.table(await idle(cluster));
const launches = [await launchTimes(cluster), await launchTimes(cluster), await launchTimes(cluster)];
console.table([
  {
    "launch to /readyz": ms(median(launches.map((l) => l.readyz))),
    "launch to node Ready, DNS and Services": ms(median(launches.map((l) => l.usable))),
  },
]);
runtime.close();
