// knarr port-forward: each connection to a local port becomes a connection into the pod, carried by a WebSocket of its own.
import { createServer, type Socket } from "node:net";
import { WebSocket } from "ws";
import type { HttpsClient } from "../client/https.ts";
import { Deployment, Pod, Service, StatefulSet } from "../kinds/index.ts";
import { formatLabels, formatLabelSelector } from "../machinery/selector.ts";
import { connect, type Place } from "./connect.ts";
import { webSocketOptions, webSocketUrl } from "./streams.ts";

interface Forward {
  readonly local: number;
  /** Port number, or the name of a port, as the target knows it. */
  readonly remote: string;
}

/** Serves until interrupted. */
export async function portForward(
  options: Place & { namespace: string; target: string; ports: readonly string[] },
): Promise<void> {
  await using client = await connect(options);
  const forwards = options.ports.map(parseForward);
  const { pod, portOf } = await resolveTarget(client, options.namespace, options.target);
  const servers = forwards.map(({ local, remote }) => {
    const port = portOf(remote);
    const server = createServer({ allowHalfOpen: true }, (socket) => carry(client, pod, port, socket));
    return new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(local, "127.0.0.1", () => {
        const address = server.address() as { port: number };
        console.log(`Forwarding from 127.0.0.1:${address.port} -> ${port}`);
        resolve();
      });
    });
  });
  await Promise.all(servers);
  await new Promise((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  process.exit(0);
}

/** `8080:80`, `:80` (any local port), `80` or `http`. */
function parseForward(text: string): Forward {
  const [, local, remote] = /^(?:(\d*):)?([\w-]+)$/.exec(text) ?? [];
  const number = local === undefined ? Number(remote) : Number(local);
  if (!remote || !Number.isInteger(number) || number > 65_535)
    throw new Error(`"${text}" is no port: use LOCAL:REMOTE or PORT`);
  return { local: number, remote };
}

async function resolveTarget(
  client: HttpsClient,
  namespace: string,
  target: string,
): Promise<{ pod: Pod; portOf: (name: string) => number }> {
  const [, type = "pod", name = ""] = /^(?:([^/]+)\/)?([^/]+)$/.exec(target) ?? [];
  const containerPort = (pod: Pod, wanted: string): number => {
    const named = pod.spec?.containers.flatMap(({ ports = [] }) => ports).find((port) => port.name === wanted);
    const port = named?.containerPort ?? Number(wanted);
    if (!Number.isInteger(port)) throw new Error(`pod "${pod.metadata.name}" has no port named "${wanted}"`);
    return port;
  };
  if (/^(po|pods?)$/.test(type)) {
    const pod = await client.get(Pod, name, namespace);
    return { pod, portOf: (wanted) => containerPort(pod, wanted) };
  }
  if (/^(svc|services?)$/.test(type)) {
    const { spec = {} } = await client.get(Service, name, namespace);
    const pod = await runningPod(client, namespace, target, formatLabels(spec.selector ?? {}));
    const portOf = (wanted: string) => {
      const port = spec.ports?.find((p) => p.name === wanted || String(p.port) === wanted);
      if (!port) throw new Error(`Service "${name}" has no port ${wanted}`);
      return containerPort(pod, String(port.targetPort ?? port.port));
    };
    return { pod, portOf };
  }
  const kind = /^(deploy|deployments?)$/.test(type)
    ? Deployment
    : /^(sts|statefulsets?)$/.test(type)
      ? StatefulSet
      : undefined;
  if (!kind) throw new Error(`cannot forward to a ${type}: use a pod, Deployment, StatefulSet or Service`);
  const workload = await client.get<Deployment | StatefulSet>(kind as typeof Deployment, name, namespace);
  const pod = await runningPod(client, namespace, target, formatLabelSelector(workload.spec!.selector));
  return { pod, portOf: (wanted) => containerPort(pod, wanted) };
}

async function runningPod(client: HttpsClient, namespace: string, target: string, labelSelector: string): Promise<Pod> {
  const { items } = await client.list(Pod, { namespace, labelSelector });
  const found = items.find((pod) => pod.status?.phase === "Running" && !pod.metadata.deletionTimestamp);
  if (!found) throw new Error(`${target} has no running pod`);
  return found;
}

/** Channel 0 carries data, channel 1 errors; the first message of each only repeats the port. */
function carry(client: HttpsClient, pod: Pod, port: number, socket: Socket): void {
  const path = `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}/portforward?ports=${port}`;
  const tunnel = new WebSocket(webSocketUrl(client, path), "v4.channel.k8s.io", webSocketOptions(client));
  const greeted = new Set<number>();
  socket.pause();
  socket.on("data", (chunk) => tunnel.send(Buffer.concat([Buffer.of(0), chunk as Buffer])));
  socket.on("close", () => tunnel.close());
  socket.on("end", () => tunnel.close());
  socket.on("error", () => tunnel.close());
  tunnel.on("open", () => socket.resume());
  tunnel.on("message", (data: Buffer) => {
    const channel = data[0]!;
    if (!greeted.has(channel)) greeted.add(channel);
    else if (channel === 0) socket.write(data.subarray(1));
    else console.error(`port ${port}: ${data.subarray(1).toString("utf8")}`);
  });
  tunnel.on("error", (error) => console.error(`port ${port}: ${error.message}`));
  tunnel.on("close", () => socket.end());
}
