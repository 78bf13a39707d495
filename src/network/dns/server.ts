// The cluster DNS server of a node: UDP and TCP on the cluster DNS address, answering from the client's caches.
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import type { Client } from "../../client/client.ts";
import { EndpointSlice, Namespace, Service } from "../../kinds/index.ts";
import type { Clock } from "../../machinery/clock.ts";
import { isReason } from "../../machinery/errors.ts";
import type { Logger } from "../../machinery/log.ts";
import type { Records } from "./answer.ts";
import { Forwarder, framed } from "./forward.ts";
import { reply, type ReplyContext } from "./reply.ts";

export interface DnsOptions {
  readonly client: Client;
  /** The cluster DNS address; it must be bound on this machine already (see ensurePodNetwork). */
  readonly address: string;
  /** 53 when absent. */
  readonly port?: number;
  readonly clusterDomain: string;
  /** Pod and service ranges, whose unknown addresses are not asked of the outside. */
  readonly ranges?: readonly string[];
  /** Where the host's name servers stand; /etc/resolv.conf when absent. */
  readonly resolvConf?: string;
  readonly upstreamPort?: number;
  /** Whether to keep the kube-dns Service in kube-system; true when absent. */
  readonly announce?: boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const tcpIdleMs = 10_000;
const tcpConnections = 200;
const sliceService = "kubernetes.io/service-name";

/** Starts answering; throws when the address cannot be bound. Ends with the signal or on disposal. */
export async function startDns(options: DnsOptions): Promise<AsyncDisposable> {
  const { client, address, port = 53, signal, clock, log } = options;
  const forwarder = new Forwarder({
    resolvConf: options.resolvConf ?? "/etc/resolv.conf",
    own: [address],
    clock,
    upstreamPort: options.upstreamPort,
  });
  let count = 0;
  const context: ReplyContext = {
    records: await watchRecords(client),
    zone: { domain: options.clusterDomain.toLowerCase(), address, ranges: options.ranges ?? [] },
    forward: (question) => forwarder.resolve(question),
    rotation: () => count++,
  };
  const udp = await listenUdp(address, port, context, log);
  const tcp = await listenTcp(address, port, context, log).catch((error: unknown) => {
    udp.close();
    throw error;
  });
  let closed = false;
  const close = () => {
    if (closed) return;
    closed = true;
    udp.close();
    tcp.close();
  };
  signal.addEventListener("abort", close, { once: true });
  if (options.announce ?? true) void announce(options);
  return { [Symbol.asyncDispose]: async () => close() };
}

async function watchRecords(client: Client): Promise<Records> {
  const namespaces = client.cache(Namespace);
  const services = client.cache(Service);
  const slices = client.cache(EndpointSlice);
  services.addIndex("clusterIP", ({ spec }) => spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : []));
  slices.addIndex(sliceService, ({ metadata }) => [`${metadata.namespace}/${metadata.labels?.[sliceService] ?? ""}`]);
  slices.addIndex("address", ({ endpoints }) => [...new Set((endpoints ?? []).flatMap((e) => e.addresses))]);
  await Promise.all([namespaces.synced, services.synced, slices.synced]);
  return {
    namespaceExists: (name) => namespaces.get(name) !== undefined,
    service: (namespace, name) => services.get(`${namespace}/${name}`),
    slices: (namespace, service) => slices.byIndex(sliceService, `${namespace}/${service}`),
    serviceByAddress: (ip) => services.byIndex("clusterIP", ip)[0],
    slicesByAddress: (ip) => slices.byIndex("address", ip),
  };
}

async function listenUdp(address: string, port: number, context: ReplyContext, log: Logger): Promise<UdpSocket> {
  const socket = createSocket("udp4");
  socket.on("message", (bytes, from) => {
    reply(bytes, "udp", context).then(
      (answer) => answer && socket.send(answer, from.port, from.address, () => {}),
      (error: unknown) => log.warn({ error }, "a DNS query could not be answered"),
    );
  });
  socket.bind(port, address);
  await once(socket, "listening");
  socket.on("error", (error) => log.warn({ error }, "DNS over UDP"));
  return socket;
}

async function listenTcp(address: string, port: number, context: ReplyContext, log: Logger): Promise<Server> {
  const server = createServer((socket) => serveTcp(socket, context, log));
  server.maxConnections = tcpConnections;
  server.listen(port, address);
  await once(server, "listening");
  server.on("error", (error) => log.warn({ error }, "DNS over TCP"));
  return server;
}

/** Queries may follow each other on one connection; each is answered as soon as it can be. */
function serveTcp(socket: Socket, context: ReplyContext, log: Logger): void {
  let received: Buffer = Buffer.alloc(0);
  socket.unref();
  socket.setTimeout(tcpIdleMs, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0);
      const query = received.subarray(2, end);
      received = received.subarray(end);
      reply(query, "tcp", context).then(
        (answer) => answer && !socket.destroyed && socket.write(framed(answer)),
        (error: unknown) => log.warn({ error }, "a DNS query could not be answered"),
      );
    }
  });
}

/** The Service that users and tools look for; it has no endpoints, because the address is answered right here. */
async function announce(options: DnsOptions): Promise<void> {
  const { client, address, clock, log, signal } = options;
  const services = client.cache(Service);
  await services.synced;
  if (services.get("kube-system/kube-dns")) return;
  try {
    await client.create(Service, {
      apiVersion: "v1",
      kind: "Service",
      metadata: {
        name: "kube-dns",
        namespace: "kube-system",
        labels: { "k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS", "kubernetes.io/cluster-service": "true" },
      },
      spec: {
        clusterIP: address,
        clusterIPs: [address],
        ports: [
          { name: "dns", protocol: "UDP", port: 53, targetPort: 53 },
          { name: "dns-tcp", protocol: "TCP", port: 53, targetPort: 53 },
        ],
      },
    });
  } catch (error) {
    if (signal.aborted || isReason(error, "AlreadyExists", "Invalid")) {
      if (isReason(error, "Invalid")) log.warn({ error }, "the kube-dns Service could not be created");
      return;
    }
    // kube-system may not be there yet.
    clock.after(1000, () => void announce(options));
  }
}
