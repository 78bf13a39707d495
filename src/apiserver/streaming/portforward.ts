// Port forwarding: SPDY clients are joined with the runtime as they are, tunnels of SPDY in a WebSocket are unwrapped,
// plain WebSocket channels (two a port) are translated. Follows kubernetes v1.36 kubelet/pkg/cri/streaming/portforward.
import { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import type { UpgradedStream } from "../../client/node-connection.ts";
import { badRequest } from "../../machinery/errors.ts";
import { upgraded, type Outcome } from "../http/exchange.ts";
import { authorizeResource, type AuthorizedCall } from "../http/router.ts";
import { podOnNode } from "./pods.ts";
import { SpdyConnection, type SpdyStream } from "./spdy.ts";
import { offeredProtocols, requireUpgrade, spdyProtocol, switchToSpdy } from "./upgrade.ts";
import { acceptWebSocket, chooseSubprotocol, offeredSubprotocols, receive, send, write } from "./websocket.ts";

const streamProtocol = "portforward.k8s.io";
const tunnelSubprotocol = `SPDY/3.1+${streamProtocol}`;
const channelSubprotocols = ["v4.channel.k8s.io", "channel.k8s.io"];

export async function portForward(call: AuthorizedCall): Promise<Outcome> {
  const { request } = call;
  const upgrade = requireUpgrade(request, spdyProtocol, "websocket");
  if (call.info.verb !== "create") authorizeResource(call, "create");
  const { pod, node } = podOnNode(call);
  const target = { namespace: pod.metadata.namespace ?? "", pod: pod.metadata.name, podUid: pod.metadata.uid };
  const open = (protocols: readonly string[]): Promise<UpgradedStream> => node.portForward(target, protocols);
  if (upgrade.protocol === spdyProtocol) {
    switchToSpdy(upgrade, await open(offeredProtocols(request.headers)));
    return upgraded;
  }
  const isTunnel = offeredSubprotocols(upgrade).includes(tunnelSubprotocol);
  const subprotocol = isTunnel ? tunnelSubprotocol : chooseSubprotocol(upgrade, channelSubprotocols);
  const ports = isTunnel ? [] : portsOf(request.query);
  const { stream } = await open([streamProtocol]);
  try {
    const socket = await acceptWebSocket(upgrade, subprotocol);
    if (isTunnel) tunnel(socket, stream);
    else channels(socket, new SpdyConnection(stream, { role: "client" }), ports);
  } catch {
    // The client left in the middle of the handshake.
    stream.destroy();
  }
  return upgraded;
}

/** The ports of the query, `ports=80,81` or repeated. Throws BadRequest. */
export function portsOf(query: URLSearchParams): number[] {
  const ports = query
    .getAll("ports")
    .flatMap((text) => text.split(","))
    .map(Number);
  if (ports.length === 0) throw badRequest('query parameter "ports" is required');
  for (const port of ports) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw badRequest(`invalid port ${JSON.stringify(port)}`);
  }
  return ports;
}

/** Binary messages are the bytes of a SPDY connection. */
function tunnel(socket: WebSocket, runtime: Duplex): void {
  runtime.on("error", () => {});
  receive(socket, (bytes) => write(runtime, bytes));
  socket.on("close", () => runtime.destroy());
  const pump = async () => {
    for await (const chunk of runtime as AsyncIterable<Buffer>) await send(socket, chunk);
  };
  void pump()
    .catch(() => {})
    .finally(() => socket.close(1000));
}

/** Channel 2i carries the data of port i, 2i+1 its errors; each starts with the port, little endian. */
function channels(socket: WebSocket, runtime: SpdyConnection, ports: readonly number[]): void {
  const data: SpdyStream[] = [];
  const pump = async (stream: SpdyStream, channel: number, port: number) => {
    const first = Buffer.from([channel, port & 0xff, port >> 8]);
    await send(socket, first);
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      await send(socket, Buffer.concat([Uint8Array.of(channel), chunk]));
    }
  };
  const pumps = ports.map((port, index) => {
    const headers = { port: String(port), requestid: String(index) };
    const error = runtime.open({ ...headers, streamtype: "error" });
    error.end();
    const stream = runtime.open({ ...headers, streamtype: "data" });
    data.push(stream);
    return Promise.allSettled([pump(stream, index * 2, port), pump(error, index * 2 + 1, port)]);
  });
  receive(socket, (bytes) => {
    const stream = data[(bytes[0] ?? 1) / 2];
    return stream && write(stream, bytes.subarray(1));
  });
  socket.on("close", () => runtime.destroy());
  void Promise.all(pumps).then(() => {
    socket.close(1000);
    runtime.close();
  });
}
