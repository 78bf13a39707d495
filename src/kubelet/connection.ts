// What the API server asks of this node: logs, exec, attach, port-forward and usage.
import { request } from "../machinery/http.ts";
import { stat } from "node:fs/promises";
import { cpus } from "node:os";
import type {
  ContainerReference,
  ContainerUsage,
  LogOptions,
  NodeConnection,
  UpgradedStream,
} from "../client/node-connection.ts";
import type { Clock } from "../machinery/clock.ts";
import { badRequest, internalError, notFound } from "../machinery/errors.ts";
import type { RuntimeClient } from "./cri/client.ts";
import { type ContainerStats, millis } from "./cri/types.ts";
import { readLog } from "./logs/read.ts";
import { containerNameLabel, podNameLabel, podNamespaceLabel, type RuntimeContainer } from "./pod/model.ts";
import type { PodWorker } from "./pod/worker.ts";
import { readNodeUsage } from "./node/usage.ts";

export interface ConnectionOptions {
  readonly runtime: RuntimeClient;
  readonly clock: Clock;
  readonly logsDir: string;
  findPod(reference: Omit<ContainerReference, "container">): PodWorker | undefined;
}

export function createNodeConnection(options: ConnectionOptions): NodeConnection {
  const { runtime, clock } = options;
  const workerOf = (reference: Omit<ContainerReference, "container">) => {
    const worker = options.findPod(reference);
    if (!worker) throw notFound({ group: "", resource: "pods" }, reference.pod);
    return worker;
  };
  const runningContainer = (reference: ContainerReference): string => {
    const found = workerOf(reference).runtime.containers.find(({ name }) => name === reference.container);
    if (found?.state !== "running") throw internalError(`container not found ("${reference.container}")`);
    return found.id;
  };
  const usage = createUsageReader(runtime, clock);
  return {
    logs: (reference, logOptions) => logs(workerOf(reference), reference, logOptions, clock),
    exec: async (reference, { command, ...flags }, protocols) =>
      upgrade(await runtime.exec(runningContainer(reference), command, flags), protocols),
    attach: async (reference, flags, protocols) =>
      upgrade(await runtime.attach(runningContainer(reference), flags), protocols),
    async portForward(reference, protocols) {
      const sandbox = workerOf(reference).runtime.sandboxes.find(({ ready }) => ready);
      if (!sandbox) throw internalError(`pod not found ("${reference.pod}_${reference.namespace}")`);
      return upgrade(await runtime.portForward(sandbox.id), protocols);
    },
    usage,
  };
}

/** Chooses the instance whose log is meant. Throws BadRequest as upstream words it. */
function logContainer(worker: PodWorker, { container, pod }: ContainerReference, previous: boolean): RuntimeContainer {
  const all = worker.runtime.containers.filter(({ name }) => name === container);
  const status = [
    ...(worker.pod.status?.initContainerStatuses ?? []),
    ...(worker.pod.status?.containerStatuses ?? []),
  ].find(({ name }) => name === container);
  if (previous) {
    const ended = all[1] ?? (all[0]?.state === "exited" && status?.state?.waiting ? all[0] : undefined);
    if (!ended) throw badRequest(`previous terminated container "${container}" in pod "${pod}" not found`);
    return ended;
  }
  const current = all[0];
  if (current) return current;
  const why = status?.state?.waiting?.reason;
  if (why === "ErrImagePull" || why === "ImagePullBackOff")
    throw badRequest(`container "${container}" in pod "${pod}" is waiting to start: trying and failing to pull image`);
  throw badRequest(`container "${container}" in pod "${pod}" is waiting to start: ${why ?? "ContainerCreating"}`);
}

async function* logs(
  worker: PodWorker,
  reference: ContainerReference,
  options: LogOptions,
  clock: Clock,
): AsyncIterable<Uint8Array> {
  const chosen = logContainer(worker, reference, options.previous === true);
  if (!chosen.logPath || !(await stat(chosen.logPath).catch(() => undefined))) return;
  const sinceMs = options.sinceTime
    ? Date.parse(options.sinceTime)
    : options.sinceSeconds === undefined
      ? undefined
      : clock.now() - options.sinceSeconds * 1000;
  yield* readLog(chosen.logPath, {
    ...options,
    ...(sinceMs === undefined ? {} : { sinceMs }),
    running: () => worker.runtime.containers.some(({ id, state }) => id === chosen.id && state === "running"),
  });
}

/** Opens the runtime's streaming URL and switches the connection to SPDY/3.1. */
function upgrade(url: string, protocols: readonly string[]): Promise<UpgradedStream> {
  return new Promise((resolve, reject) => {
    const call = request(url, {
      method: "POST",
      agent: false,
      headers: { Connection: "Upgrade", Upgrade: "SPDY/3.1", "X-Stream-Protocol-Version": [...protocols] },
    });
    call.once("upgrade", (response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      socket.setNoDelay?.(true);
      resolve({
        protocol: String(response.headers["x-stream-protocol-version"] ?? protocols[0] ?? ""),
        stream: socket,
      });
    });
    call.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => reject(internalError(text.trim() || `the runtime answered ${response.statusCode}`)));
    });
    call.once("error", (error) => reject(internalError(error.message)));
    call.end();
  });
}

interface CpuSample {
  readonly at: number;
  readonly nanos: number;
}

/** CPU rates come from two readings; the first call waits a moment for its second one. */
function createUsageReader(runtime: RuntimeClient, clock: Clock): NodeConnection["usage"] {
  let previous = new Map<string, CpuSample>();
  const cpuOf = ({ cpu }: ContainerStats): CpuSample => ({
    at: millis(cpu?.timestamp ?? 0),
    nanos: Number(cpu?.usageCoreNanoSeconds?.value ?? 0),
  });
  return async () => {
    let stats = await runtime.listContainerStats();
    if (stats.some(({ attributes }) => !previous.has(attributes?.id ?? ""))) {
      previous = new Map([...stats.map((stat) => [stat.attributes?.id ?? "", cpuOf(stat)] as const), ...previous]);
      await new Promise<void>((resolve) => clock.after(200, resolve));
      stats = await runtime.listContainerStats();
    }
    const containers = stats.map((entry): ContainerUsage => {
      const labels = entry.attributes?.labels ?? {};
      const now = cpuOf(entry);
      const before = previous.get(entry.attributes?.id ?? "");
      const elapsedMs = before ? now.at - before.at : 0;
      return {
        namespace: labels[podNamespaceLabel] ?? "",
        pod: labels[podNameLabel] ?? "",
        container: labels[containerNameLabel] ?? "",
        cpuNanoCores:
          before && elapsedMs > 0 ? Math.max(0, Math.round((now.nanos - before.nanos) / (elapsedMs / 1000))) : 0,
        memoryWorkingSetBytes: Number(entry.memory?.workingSetBytes?.value ?? 0),
      };
    });
    previous = new Map(stats.map((entry) => [entry.attributes?.id ?? "", cpuOf(entry)]));
    return { ...(await readNodeUsage(clock, cpus().length)), containers };
  };
}
