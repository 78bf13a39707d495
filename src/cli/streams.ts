// knarr logs and exec: the streams of a pod, for machines without kubectl.
import { WebSocket, type ClientOptions } from "ws";
import type { HttpsClient } from "../client/https.ts";
import type { Status } from "../machinery/errors.ts";
import { connect, type Place } from "./connect.ts";

interface PodTarget extends Place {
  readonly namespace: string;
  readonly pod: string;
  readonly container?: string;
}

const podPath = ({ namespace, pod }: { namespace: string; pod: string }) =>
  `/api/v1/namespaces/${namespace}/pods/${pod.replace(/^pods?\//, "")}`;

export async function logs(
  options: PodTarget & { follow?: boolean; previous?: boolean; tail?: number },
): Promise<void> {
  await using client = await connect(options);
  const query = new URLSearchParams();
  if (options.container) query.set("container", options.container);
  if (options.follow) query.set("follow", "true");
  if (options.previous) query.set("previous", "true");
  if (options.tail !== undefined) query.set("tailLines", String(options.tail));
  const answer = await client.request("GET", `${podPath(options)}/log?${query}`);
  for await (const chunk of answer.body) process.stdout.write(chunk as Buffer);
}

/** The address of a path for a WebSocket. */
export const webSocketUrl = ({ connection }: HttpsClient, path: string): string =>
  `${connection.server.replace(/^http/, "ws")}${path}`;

/** The client's credentials, in the form of the WebSocket library. */
export function webSocketOptions({ connection: { caPem, credentials } }: HttpsClient): ClientOptions {
  if ("cert" in credentials) return { ca: caPem, cert: credentials.cert, key: credentials.key };
  return { ca: caPem, headers: { authorization: `Bearer ${credentials.token}` } };
}

/** Channels of the v5.channel.k8s.io protocol: the first byte of every message. */
const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** Runs a command; the process ends with the command's exit code. */
export async function exec(
  options: PodTarget & { command: readonly string[]; stdin?: boolean; tty?: boolean },
): Promise<void> {
  // Options end at the pod, so the separator of the words that follow arrives as one of them.
  const command = options.command[0] === "--" ? options.command.slice(1) : options.command;
  if (command.length === 0) throw new Error("say which command: knarr exec POD -- COMMAND");
  await using client = await connect(options);
  const tty = options.tty === true && process.stdin.isTTY;
  const query = new URLSearchParams(command.map((word) => ["command", word]));
  if (options.container) query.set("container", options.container);
  for (const [flag, on] of Object.entries({ stdin: options.stdin === true, stdout: true, stderr: !tty, tty }))
    query.set(flag, String(on));
  const socket = new WebSocket(
    webSocketUrl(client, `${podPath(options)}/exec?${query}`),
    "v5.channel.k8s.io",
    webSocketOptions(client),
  );
  const finished = new Promise<Status>((resolve, reject) => {
    let status: Status | undefined;
    socket.on("message", (data: Buffer) => {
      const content = data.subarray(1);
      if (data[0] === channel.stdout) process.stdout.write(content);
      else if (data[0] === channel.stderr) process.stderr.write(content);
      else if (data[0] === channel.error) status = JSON.parse(content.toString("utf8")) as Status;
    });
    socket.on("close", () =>
      status ? resolve(status) : reject(new Error("the connection ended before the command did")),
    );
    socket.on("error", reject);
    socket.on("unexpected-response", (_, response) => {
      response.setEncoding("utf8");
      response.on("data", (body: string) => reject(new Error((JSON.parse(body) as Status).message)));
    });
  });
  socket.on("open", () => passInput(socket, options.stdin === true, tty));
  const status = await finished.finally(() => {
    if (tty) process.stdin.setRawMode(false);
    process.stdin.pause();
  });
  if (status.status !== "Success") {
    const exitCode = status.details?.causes?.find((cause) => cause.reason === "ExitCode")?.message;
    if (exitCode === undefined) throw new Error(status.message);
    process.exitCode = Number(exitCode);
  }
}

function passInput(socket: WebSocket, stdin: boolean, tty: boolean): void {
  const send = (to: number, content: string | Uint8Array) =>
    socket.send(Buffer.concat([Buffer.of(to), Buffer.from(content)]));
  if (tty) {
    process.stdin.setRawMode(true);
    const resize = () =>
      send(channel.resize, JSON.stringify({ Width: process.stdout.columns, Height: process.stdout.rows }));
    process.stdout.on("resize", resize);
    resize();
  }
  if (!stdin) return;
  process.stdin.on("data", (chunk: Buffer) => send(channel.stdin, chunk));
  process.stdin.on("end", () => send(channel.close, Buffer.of(channel.stdin)));
}
