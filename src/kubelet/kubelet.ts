// The kubelet: one worker per pod of this node, fed by the API, by the runtime's events and by configuration changes.
import { mkdir, readdir } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createEventRecorder } from "../client/events.ts";
import type { Client } from "../client/client.ts";
import type { NodeConnection } from "../client/node-connection.ts";
import { makeShared } from "../host/mount.ts";
import { ensurePrivateDirectory } from "../host/private-directory.ts";
import { ConfigMap, Node, PersistentVolume, PersistentVolumeClaim, Pod, Secret, Service } from "../kinds/core/index.ts";
import { isFinished } from "../kinds/core/node-room.ts";
import { type Clock, repeat } from "../machinery/clock.ts";
import { keyOf } from "../machinery/object.ts";
import type { Logger } from "../machinery/log.ts";
import { createCgroups } from "./cgroups.ts";
import { openGrpc } from "../client/grpc.ts";
import { createRuntimeClient } from "./cri/client.ts";
import { watchRuntimeEvents } from "./cri/events.ts";
import { ImagePuller } from "./images/puller.ts";
import { createLimiter } from "./limit.ts";
import { createNodeConnection } from "./connection.ts";
import { LogRotator } from "./logs/rotate.ts";
import { readMachine } from "./node/machine.ts";
import { allocatableOf } from "./node/object.ts";
import { NodeKeeper } from "./node/register.ts";
import { admit } from "./pod/admission.ts";
import type { KubeletCaches, WorkerContext } from "./pod/context.ts";
import { podGraceAnnotation, podUidLabel } from "./pod/model.ts";
import { type HostResolver, parseResolvConf } from "./pod/sandbox.ts";
import { type ConfigurationKind, PodWorker } from "./pod/worker.ts";
import { removeSandboxPod } from "./stop-pods.ts";
import { tearDownPodDir } from "./volumes/setup.ts";

export interface KubeletOptions {
  readonly client: Client;
  readonly nodeName: string;
  readonly nodeIP: string;
  /** Holds pods' volumes and logs; becomes a shared mount of its own. */
  readonly dataDir: string;
  /** `unix:///…/containerd.sock`. */
  readonly runtimeEndpoint: string;
  /** Path of the cluster's cgroup, such as `knarr`. */
  readonly cgroupRoot: string;
  readonly clusterDns: string;
  readonly clusterDomain: string;
  readonly maxPods: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Disposing leaves the containers running; the next kubelet adopts them. */
export interface Kubelet extends NodeConnection, AsyncDisposable {
  /** Stops and removes every pod on the node. The kubelet is of no use afterwards. */
  killAllPods(): Promise<void>;
}

const safetyRelistMs = 60_000;
const fallbackRelistMs = 1000;

/** Controllers replace refused pods at once: beyond a few, refusals take their time. */
const refusalSpacingMs = 1000;
const refusalBurst = 10;

/** Resolves when the node is registered and its pods are being worked on. */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  const { client, clock, log, nodeName, dataDir } = options;
  const podsDir = join(dataDir, "pods");
  const logsDir = join(dataDir, "logs/pods");
  ensurePrivateDirectory(dataDir);
  await Promise.all([podsDir, logsDir].map((path) => mkdir(path, { recursive: true })));
  makeShared(dataDir);

  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const grpc = openGrpc(options.runtimeEndpoint);
  const runtime = createRuntimeClient(grpc);
  const cgroups = createCgroups(options.cgroupRoot, (message) => log.warn({}, message));
  cgroups.prepare();
  const machine = readMachine(dataDir);
  const caches = openCaches(client);
  const events = createEventRecorder(client, "kubelet", clock, nodeName);
  const keeper = new NodeKeeper({
    client,
    runtime,
    clock,
    log,
    signal,
    machine,
    nodeName,
    nodeIP: options.nodeIP,
    maxPods: options.maxPods,
    pressures: () => ({ memory: false, disk: false, pid: false }),
  });
  const { runtimeName } = await runtime.version();
  await keeper.start();

  const workers = new Map<string, PodWorker>();
  const context: WorkerContext = {
    client,
    clock,
    log,
    runtime,
    runtimeName,
    events,
    caches,
    cgroups,
    podsDir,
    logsDir,
    nodeName,
    hostIP: options.nodeIP,
    clusterDns: options.clusterDns,
    clusterDomain: options.clusterDomain,
    puller: new ImagePuller(runtime, clock),
    nodeMemoryBytes: machine.memoryBytes,
    allocatable: allocatableOf({ machine, maxPods: options.maxPods }),
    hostResolver: readHostResolver,
    limited: createLimiter(Math.max(4, 2 * availableParallelism())),
    owners: new Map(),
    finished: (worker) => {
      if (workers.get(worker.uid) === worker) workers.delete(worker.uid);
    },
  };
  const pods = client.cache(Pod, { fieldSelector: `spec.nodeName=${nodeName}` });
  const nodes = client.cache(Node, { fieldSelector: `metadata.name=${nodeName}` });
  await Promise.all([pods.synced, nodes.synced, ...Object.values(caches).map((cache) => cache.synced)]);
  // Left-over pods may take their whole grace period; nothing waits for them.
  const known = new Set(pods.list().map((pod) => pod.metadata.uid));
  removeOrphans(context, (uid) => known.has(uid) || workers.has(uid)).catch((error: unknown) =>
    log.warn({ error }, "left-over pods were not removed"),
  );

  /** What an earlier kubelet has begun with is never refused. */
  const refusalOf = (pod: Pod) => {
    const node = nodes.get(nodeName);
    if (!node || pod.status?.startTime || isFinished(pod)) return undefined;
    const isHere = ({ metadata: { uid }, status }: Pod) =>
      status?.startTime !== undefined || workers.get(uid)?.refused === false;
    const others = pods.list().filter((other) => other !== pod && !isFinished(other) && isHere(other));
    return admit(pod, others, node);
  };
  let refusedAt = -Infinity;
  const subscriptions = [
    pods.onChange(({ type, object, old }) => {
      if (old && old.metadata.uid !== object.metadata.uid) workers.get(old.metadata.uid)?.remove(old);
      const worker = workers.get(object.metadata.uid);
      if (type === "DELETED") worker?.remove(object);
      else if (worker) worker.update(object);
      else {
        const { uid } = object.metadata;
        const refusal = refusalOf(object);
        const added = new PodWorker(object, context, !known.has(uid));
        workers.set(uid, added);
        if (!refusal) return added.start();
        const now = clock.now();
        refusedAt = Math.max(refusedAt + refusalSpacingMs, now - refusalBurst * refusalSpacingMs);
        added.refuse(refusal, Math.max(refusedAt, now));
      }
    }),
  ];
  subscriptions.push(...watchConfiguration(caches, workers));
  watchRuntime({ grpc, clock, signal, context, workers, keeper });
  const rotator = new LogRotator({ runtime, clock, log, signal });
  rotator.start(() => [...workers.values()].flatMap((worker) => worker.runtime.containers));

  const connection = createNodeConnection({
    runtime,
    clock,
    logsDir,
    findPod: (reference) => findWorker(workers, reference),
  });
  let disposed: Promise<void> | undefined;
  const dispose = async () => {
    stop.abort();
    for (const unsubscribe of subscriptions) unsubscribe();
    await Promise.all([...workers.values()].map((worker) => worker.stop()));
    await events.flush();
    runtime.close();
  };
  return {
    ...connection,
    async killAllPods() {
      for (const unsubscribe of subscriptions) unsubscribe();
      await Promise.all([...workers.values()].map((worker) => worker.stop()));
      await removeOrphans(context, () => false);
    },
    [Symbol.asyncDispose]: () => (disposed ??= dispose()),
  };
}

const openCaches = (client: Client): KubeletCaches => ({
  configMaps: client.cache(ConfigMap),
  secrets: client.cache(Secret),
  services: client.cache(Service),
  claims: client.cache(PersistentVolumeClaim),
  volumes: client.cache(PersistentVolume),
});

function findWorker(
  workers: ReadonlyMap<string, PodWorker>,
  { namespace, pod, podUid }: { namespace: string; pod: string; podUid: string },
) {
  const byUid = workers.get(podUid);
  if (byUid) return byUid;
  return [...workers.values()].find((worker) => keyOf(worker.pod) === `${namespace}/${pod}` && podUid === "");
}

/** systemd-resolved's stub is not reachable from pods; its own upstream list is. */
function readHostResolver(): HostResolver {
  const read = (file: string) => {
    try {
      return parseResolvConf(readFileSync(file, "utf8"));
    } catch {
      return { servers: [], searches: [], options: [] };
    }
  };
  const own = read("/etc/resolv.conf");
  return own.servers.every((server) => server === "127.0.0.53")
    ? { ...own, servers: read("/run/systemd/resolve/resolv.conf").servers }
    : own;
}

/** Pods that the runtime has but the API does not: stopped with their own grace period, then removed. */
async function removeOrphans(context: WorkerContext, isKnown: (uid: string) => boolean): Promise<void> {
  const { runtime, podsDir, cgroups, log, limited } = context;
  const sandboxes = (await runtime.listPodSandboxes()).filter(
    ({ labels }) => labels[podUidLabel] && !isKnown(labels[podUidLabel]),
  );
  await Promise.all(
    sandboxes.map((sandbox) =>
      limited(async () => {
        const grace = Number(sandbox.annotations[podGraceAnnotation] ?? 30);
        log.info(
          { pod: `${sandbox.metadata.namespace}/${sandbox.metadata.name}` },
          "removing a pod that is no longer in the API",
        );
        await removeSandboxPod(runtime, sandbox.id, grace).catch((error: unknown) =>
          log.warn({ error }, "a left-over pod was not removed"),
        );
      }),
    ),
  );
  for (const uid of await readdir(podsDir)) {
    if (isKnown(uid)) continue;
    await tearDownPodDir(join(podsDir, uid));
    cgroups.removePod(uid);
  }
}

/** Pods whose volumes or environment may depend on a changed object are told. */
function watchConfiguration(caches: KubeletCaches, workers: ReadonlyMap<string, PodWorker>): (() => void)[] {
  const tell =
    (type: ConfigurationKind) => (change: { object: { metadata: { namespace?: string; name: string } } }) => {
      const { namespace, name } = change.object.metadata;
      for (const worker of workers.values()) if (worker.uses(type, namespace, name)) worker.configChanged();
    };
  return [
    caches.configMaps.onChange(tell("configMap")),
    caches.secrets.onChange(tell("secret")),
    caches.claims.onChange(tell("claim")),
    caches.volumes.onChange(tell("volume")),
  ];
}

interface RuntimeWatch {
  readonly grpc: ReturnType<typeof openGrpc>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly context: WorkerContext;
  readonly workers: ReadonlyMap<string, PodWorker>;
  readonly keeper: NodeKeeper;
}

function watchRuntime({ grpc, clock, signal, context, workers, keeper }: RuntimeWatch): void {
  const wakeAll = () => {
    for (const worker of workers.values()) worker.wake();
  };
  watchRuntimeEvents(grpc, { clock, signal }, (event) => {
    if (event.type === "unsupported") repeat(clock, fallbackRelistMs, signal, wakeAll);
    else if (event.type === "connected") {
      wakeAll();
      void keeper.refresh();
    } else {
      const worker = context.owners.get(event.containerId);
      if (event.type === "oom") worker?.oomKilled(event.containerId);
      else worker?.exited(event.containerId);
    }
  });
  repeat(clock, safetyRelistMs, signal, () => {
    wakeAll();
    void keeper.refresh();
  });
}
