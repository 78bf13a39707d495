// A whole cluster: time from launch to /readyz and to a Ready node, memory, CPU and disk writes while idle, and how long one
// and ten pods take from creation to Ready, with the same bare CRI calls as the floor.
// Usage: scripts/node.sh bench/cluster.ts [ROUNDS] [IDLE SECONDS]
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { totalmem, tmpdir } from "node:os";
import { join } from "node:path";
import { buildExampleImages } from "../scripts/images.ts";
import { httpsClient, type Connection } from "../src/client/https.ts";
import { clientFromKubeconfig } from "../src/client/kubeconfig.ts";
import { wellKnownAddresses } from "../src/cluster.ts";
import { Deployment, Pod } from "../src/kinds/index.ts";
import type { Client } from "../src/client/client.ts";
import type { NewObject } from "../src/machinery/object.ts";
import type { Deployment as DeploymentObject } from "../src/kinds/generated/apps.v1.ts";
import type { Container, Pod as PodObject } from "../src/kinds/generated/core.v1.ts";
import { createCgroups } from "../src/kubelet/cgroups.ts";
import { importImage } from "../src/kubelet/images/import.ts";
import { openGrpc } from "../src/client/grpc.ts";
import { createRuntimeClient, type RuntimeClient } from "../src/kubelet/cri/client.ts";
import { containerConfig } from "../src/kubelet/pod/container.ts";
import { podLimits } from "../src/kubelet/pod/resources.ts";
import { sandboxConfig } from "../src/kubelet/pod/sandbox.ts";
import { containerdSocket } from "../src/node.ts";
import { eventually, startTestCluster, type TestCluster } from "../test/harness.ts";

const rounds = Number(process.argv[2] ?? 9);
const idleSeconds = Number(process.argv[3] ?? 30);
const settleMs = 5000;
const container = { name: "main", image: "knarr.dev/examples/busybox:1", command: ["sleep", "1000000"] };
const nodeMemoryBytes = totalmem();

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const ms = (value: number) => `${value.toFixed(0)} ms`;
const pause = (forMs: number) => new Promise((resolve) => setTimeout(resolve, forMs));

interface Scene {
  readonly cluster: TestCluster;
  readonly client: Client;
  readonly runtime: RuntimeClient;
}

/** What the kubelet would send for a pod of the Deployment below; everything that it mounts is made in `directory`. */
function configsOf(scene: Scene, directory: string, name: string) {
  const { settings } = scene.cluster;
  const pod: PodObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "floor",
      uid: crypto.randomUUID(),
      labels: { app: "floor" },
      resourceVersion: "",
      creationTimestamp: "",
    },
    spec: { containers: [container as Container], terminationGracePeriodSeconds: 0 },
  };
  const home = join(directory, name);
  mkdirSync(join(home, "token"), { recursive: true });
  for (const file of ["etc-hosts", "termination"]) writeFileSync(join(home, file), "");
  const cgroups = createCgroups(settings.cgroupRoot, () => {});
  const sandbox = sandboxConfig(pod, {
    attempt: 0,
    cgroupParent: cgroups.ensurePod(pod.metadata.uid, podLimits(pod.spec!)),
    clusterDns: wellKnownAddresses(settings).dns,
    clusterDomain: settings.clusterDomain,
    hostResolver: { servers: [], searches: [], options: [] },
    logsDir: join(directory, "logs"),
  });
  const mounts = [
    {
      containerPath: "/var/run/secrets/kubernetes.io/serviceaccount",
      hostPath: join(home, "token"),
      readonly: true,
      propagation: "PROPAGATION_PRIVATE" as const,
    },
    { containerPath: "/etc/hosts", hostPath: join(home, "etc-hosts") },
    { containerPath: "/dev/termination-log", hostPath: join(home, "termination") },
  ];
  return { pod, sandbox, mounts, remove: () => cgroups.removePod(pod.metadata.uid) };
}

/** Sandbox, container, start: what any kubelet has to ask the runtime for, `count` times at once. Milliseconds. */
async function floor(scene: Scene, count: number): Promise<number> {
  const { runtime } = scene;
  const directory = mkdtempSync(join(tmpdir(), "knarr-floor-"));
  const pods = Array.from({ length: count }, (_, i) => configsOf(scene, directory, `floor-${i}`));
  const image = (await runtime.imageStatus(container.image))!;
  const started = performance.now();
  const sandboxes = await Promise.all(
    pods.map(async ({ pod, sandbox, mounts }) => {
      const id = await runtime.runPodSandbox(sandbox);
      const settings = { restartCount: 0, image, environment: new Map(), mounts, nodeMemoryBytes };
      const config = containerConfig(pod, pod.spec!.containers[0]!, settings);
      await runtime.startContainer(await runtime.createContainer(id, config, sandbox));
      return id;
    }),
  );
  const elapsed = performance.now() - started;
  for (const id of sandboxes) {
    await runtime.stopPodSandbox(id);
    await runtime.removePodSandbox(id);
  }
  for (const { remove } of pods) remove();
  rmSync(directory, { recursive: true, force: true });
  return elapsed;
}

/** From the POST of a Deployment to the moment a watcher over HTTPS has seen all its pods Ready. Milliseconds. */
async function viaDeployment({ client, runtime }: Scene, replicas: number, name: string): Promise<number> {
  const stop = new AbortController();
  const labels = { app: name };
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
  await eventually("the pods are gone", async () => (await runtime.listPodSandboxes()).length === 0);
  return elapsed;
}

interface Usage {
  readonly residentMb: number;
  readonly shareMb: number;
  readonly cpuMs: number;
  readonly writtenBytes: number;
}

function usageOf(pid: number): Usage {
  const field = (file: string, name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/${file}`, "utf8"))?.[1] ?? 0);
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return {
    residentMb: field("status", "VmRSS") / 1024,
    shareMb: field("smaps_rollup", "Pss") / 1024,
    cpuMs: (Number(stat[11]) + Number(stat[12])) * 10,
    writtenBytes: field("io", "write_bytes"),
  };
}

function processesOf({ dataDir }: TestCluster): { knarr: number; containerd: number } {
  const pidOf = (file: string) => Number(readFileSync(join(dataDir, file), "utf8").split(" ")[0]);
  return { knarr: pidOf("knarr.pid"), containerd: pidOf("containerd/containerd.pid") };
}

async function idle(cluster: TestCluster): Promise<Record<string, string>[]> {
  await pause(settleMs);
  const before = Object.entries(processesOf(cluster)).map(([name, pid]) => ({ name, pid, usage: usageOf(pid) }));
  await pause(idleSeconds * 1000);
  return before.map(({ name, pid, usage }) => {
    const now = usageOf(pid);
    return {
      process: name,
      resident: `${now.residentMb.toFixed(0)} MB`,
      "proportional share": `${now.shareMb.toFixed(0)} MB`,
      CPU: `${((now.cpuMs - usage.cpuMs) / idleSeconds / 10).toFixed(2)} %`,
      "written to disk": `${now.writtenBytes - usage.writtenBytes} bytes in ${idleSeconds} s`,
    };
  });
}

async function launchTimes(cluster: TestCluster): Promise<{ readyz: number; usable: number }> {
  const { connection } = await clientFromKubeconfig(cluster.kubeconfig, { component: "bench" });
  await cluster.kill("SIGTERM");
  const started = performance.now();
  const up = cluster.start().then(() => performance.now() - started);
  const readyz = await answering(connection).then(() => performance.now() - started);
  return { readyz, usable: await up };
}

/** Resolves when /readyz answers; asked every few milliseconds, because that is the precision of the result. */
async function answering(connection: Connection): Promise<void> {
  for (;;) {
    await using client = httpsClient({ ...connection, component: "bench" });
    const answered = await client.request("GET", "/readyz").then(
      () => true,
      () => false,
    );
    if (answered) return;
    await pause(5);
  }
}

const begun = performance.now();
await using cluster = await startTestCluster("bench");
const first = performance.now() - begun;
const socket = containerdSocket(cluster.settings);
console.table(await idle(cluster));
for (const built of await buildExampleImages()) await importImage(socket, built);
const runtime = createRuntimeClient(openGrpc(socket));
await using client = await clientFromKubeconfig(cluster.kubeconfig, { component: "bench" });
const scene: Scene = { cluster, client, runtime };
await floor(scene, 1);
await viaDeployment(scene, 1, "warm-up");

const pids = processesOf(cluster);
const rows = [];
for (const count of [1, 10]) {
  const bare: number[] = [];
  const whole: number[] = [];
  const cpu: number[] = [];
  for (let round = 0; round < rounds; round++) {
    bare.push(await floor(scene, count));
    const before = usageOf(pids.knarr).cpuMs;
    whole.push(await viaDeployment(scene, count, `bench-${count}-${round}`));
    cpu.push(usageOf(pids.knarr).cpuMs - before);
  }
  const difference = median(whole) - median(bare);
  rows.push({
    pods: count,
    "bare CRI calls": ms(median(bare)),
    "Deployment to Ready": ms(median(whole)),
    more: `${ms(difference)} (${((difference / median(bare)) * 100).toFixed(0)} %)`,
    fastest: `${ms(Math.min(...bare))}, ${ms(Math.min(...whole))}`,
    slowest: `${ms(Math.max(...bare))}, ${ms(Math.max(...whole))}`,
    "Knarr's CPU, with removal": ms(median(cpu)),
  });
}
console.table(rows);
console.table(await idle(cluster));
const launches = [await launchTimes(cluster), await launchTimes(cluster), await launchTimes(cluster)];
console.table([
  {
    "first launch to ready": ms(first),
    "launch to /readyz": ms(median(launches.map((l) => l.readyz))),
    "launch to node Ready, DNS and Services": ms(median(launches.map((l) => l.usable))),
  },
]);
runtime.close();
