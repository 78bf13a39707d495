// exec and attach: SPDY clients are joined with the runtime as they are, WebSocket clients are translated.
// Follows kubernetes v1.36 staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand (channels, subprotocols).
import type { WebSocket } from "ws";
import type { ExecOptions, UpgradedStream } from "../../client/node-connection.ts";
import { badRequest, type Status } from "../../machinery/errors.ts";
import { upgraded, type Outcome } from "../http/exchange.ts";
import { isTrue } from "../http/request-info.ts";
import { authorizeResource, type AuthorizedCall } from "../http/router.ts";
import { containerOf, podOnNode } from "./pods.ts";
import { SpdyConnection, type SpdyStream } from "./spdy.ts";
import { offeredProtocols, requireUpgrade, spdyProtocol, switchToSpdy } from "./upgrade.ts";
import { acceptWebSocket, chooseSubprotocol, receive, send, write } from "./websocket.ts";

/** Stream protocol spoken with the runtime on behalf of WebSocket clients. */
const runtimeProtocol = "v4.channel.k8s.io";
const subprotocols = [
  "v5.channel.k8s.io",
  "v4.channel.k8s.io",
  "v3.channel.k8s.io",
  "v2.channel.k8s.io",
  "channel.k8s.io",
];

export const exec = (call: AuthorizedCall): Promise<Outcome> => run(call, "exec");
export const attach = (call: AuthorizedCall): Promise<Outcome> => run(call, "attach");

async function run(call: AuthorizedCall, verb: "exec" | "attach"): Promise<Outcome> {
  const { request } = call;
  const upgrade = requireUpgrade(request, spdyProtocol, "websocket");
  // A WebSocket starts with a GET, which must not suffice to run commands.
  if (call.info.verb !== "create") authorizeResource(call, "create");
  const options = optionsOf(request.query, verb);
  const { pod, node } = podOnNode(call);
  const container = containerOf(pod, request.query.get("container"));
  const open = (protocols: readonly string[]): Promise<UpgradedStream> =>
    verb === "exec" ? node.exec(container, options, protocols) : node.attach(container, options, protocols);
  if (upgrade.protocol === spdyProtocol) {
    switchToSpdy(upgrade, await open(offeredProtocols(request.headers)));
    return upgraded;
  }
  const subprotocol = chooseSubprotocol(upgrade, subprotocols);
  const { stream } = await open([runtimeProtocol]);
  const runtime = new SpdyConnection(stream, { role: "client" });
  try {
    bridge(await acceptWebSocket(upgrade, subprotocol), runtime, options, subprotocol);
  } catch {
    // The client left in the middle of the handshake.
    runtime.destroy();
  }
  return upgraded;
}

export function optionsOf(query: URLSearchParams, verb: "exec" | "attach"): ExecOptions {
  const is = (key: string) => isTrue(query.get(key));
  const command = query.getAll("command");
  const tty = is("tty");
  const options = { command, stdin: is("stdin"), stdout: is("stdout"), stderr: is("stderr") && !tty, tty };
  if (verb === "exec" && command.length === 0)
    throw badRequest("you must specify at least 1 command for the container");
  if (!options.stdin && !options.stdout && !options.stderr) {
    throw badRequest("you must specify at least 1 of stdin, stdout, stderr");
  }
  return options;
}

const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** Until the command is over or the client gone: channel bytes on one side, SPDY streams on the other. */
function bridge(socket: WebSocket, runtime: SpdyConnection, options: ExecOptions, subprotocol: string): void {
  const open = (streamtype: string) => runtime.open({ streamtype });
  const error = open("error");
  const stdin = options.stdin ? open("stdin") : undefined;
  const stdout = options.stdout ? open("stdout") : undefined;
  const stderr = options.stderr ? open("stderr") : undefined;
  const resize = options.tty ? open("resize") : undefined;
  error.end();
  receive(socket, (bytes) => {
    const channel = bytes[0];
    if (channel === channels.stdin && stdin) return write(stdin, bytes.subarray(1));
    if (channel === channels.resize && resize) return write(resize, bytes.subarray(1));
    if (channel === channels.close && bytes[1] === channels.stdin) stdin?.end();
    return undefined;
  });
  socket.on("close", () => runtime.destroy());
  void deliver(socket, { error, stdout, stderr }, subprotocol).finally(() => {
    socket.close(1000);
    runtime.close();
  });
}

async function deliver(
  socket: WebSocket,
  streams: { error: SpdyStream; stdout: SpdyStream | undefined; stderr: SpdyStream | undefined },
  subprotocol: string,
): Promise<void> {
  // Taken as it comes: the runtime resets its streams right after the verdict.
  const verdict: Buffer[] = [];
  const decided = new Promise<void>((resolve) => {
    streams.error.on("data", (chunk: Buffer) => verdict.push(chunk));
    streams.error.once("end", resolve).once("close", resolve);
  });
  // An empty message tells the client that the streams are open.
  await send(
    socket,
    Uint8Array.of(streams.stdout ? channels.stdout : streams.stderr ? channels.stderr : channels.error),
  );
  await Promise.allSettled([
    decided,
    streams.stdout && forward(socket, streams.stdout, channels.stdout),
    streams.stderr && forward(socket, streams.stderr, channels.stderr),
  ]);
  const text = verdictText(Buffer.concat(verdict), subprotocol);
  if (text.length > 0) await send(socket, Buffer.concat([Uint8Array.of(channels.error), text]));
}

/**
 * The stream is left as it is at its end: destroying it would send a reset, and if the runtime is gone by then the failing
 * write takes the connection down with the verdict in it.
 */
async function forward(socket: WebSocket, stream: SpdyStream, channel: number): Promise<void> {
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    await send(socket, Buffer.concat([Uint8Array.of(channel), chunk]));
  }
}

/** From version 4 on the verdict is a Status; before that it is a message, and nothing when all went well. */
function verdictText(verdict: Buffer, subprotocol: string): Buffer {
  if (subprotocol.startsWith("v4.") || subprotocol.startsWith("v5.")) return verdict;
  try {
    const { status, message = "" } = JSON.parse(verdict.toString("utf8")) as Status;
    return Buffer.from(status === "Success" ? "" : message);
  } catch {
    return verdict;
  }
}
