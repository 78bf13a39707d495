// The things that probes and lifecycle hooks do: run a command, ask over HTTP, open a TCP connection, ask gRPC health.
// Follows kubernetes v1.36 pkg/probe/{http,tcp,exec,grpc} (outcomes, messages).
import { request as httpRequest } from "../../machinery/http.ts";
import { request as httpsRequest } from "node:https";
import { connect } from "node:net";
import { Client, credentials } from "@grpc/grpc-js";
import { callGrpc } from "../../client/grpc.ts";
import type { HTTPGetAction, LifecycleHandler, Probe } from "../../kinds/generated/core.v1.ts";
import { defineMessages } from "../../machinery/protobuf.ts";
import type { RuntimeClient } from "../cri/client.ts";
import type { AnyContainer } from "../pod/model.ts";

export interface Outcome {
  readonly ok: boolean;
  readonly message: string;
}

export interface ActionTarget {
  readonly runtime: RuntimeClient;
  readonly containerId: string;
  readonly container: AnyContainer;
  /** Address of the pod. */
  readonly ip: string;
}

const longestBody = 10 * 1024;

/** A port by number, or by the name of one of the container's ports; undefined when there is no such port. */
export function portOf(port: number | string, container: AnyContainer): number | undefined {
  const number = Number(port);
  if (Number.isInteger(number) && number > 0 && number < 65536) return number;
  return container.ports?.find(({ name }) => name === port)?.containerPort;
}

/** Never throws: whatever goes wrong is a failed outcome. */
export async function runAction(
  action: Probe | LifecycleHandler,
  target: ActionTarget,
  timeoutMs: number,
  kind: "probe" | "hook",
): Promise<Outcome> {
  try {
    if (action.exec) return await runExec(action.exec.command ?? [], target, timeoutMs);
    if (action.httpGet) return await httpGet(action.httpGet, target, timeoutMs, kind);
    if (action.tcpSocket)
      return await openTcp(action.tcpSocket.host || target.ip, mustPort(action.tcpSocket.port, target), timeoutMs);
    if ("grpc" in action && action.grpc)
      return await askGrpc(target.ip, action.grpc.port, action.grpc.service ?? "", timeoutMs);
    return { ok: true, message: "" };
  } catch (error) {
    return { ok: false, message: (error as Error).message };
  }
}

function mustPort(port: number | string, target: ActionTarget): number {
  const number = portOf(port, target.container);
  if (number === undefined) throw new Error(`couldn't find port: ${port}`);
  return number;
}

async function runExec(command: readonly string[], target: ActionTarget, timeoutMs: number): Promise<Outcome> {
  const seconds = Math.max(1, Math.ceil(timeoutMs / 1000));
  const { exitCode, stdout, stderr } = await target.runtime.execSync(target.containerId, command, seconds);
  const output = Buffer.concat([stdout, stderr]).toString("utf8").slice(0, longestBody);
  return {
    ok: exitCode === 0,
    message: exitCode === 0 ? output : `command failed with exit code ${exitCode}: ${output}`,
  };
}

function httpGet(
  action: HTTPGetAction,
  target: ActionTarget,
  timeoutMs: number,
  kind: "probe" | "hook",
): Promise<Outcome> {
  const secure = action.scheme === "HTTPS";
  const headers: Record<string, string | string[]> = {
    "User-Agent": kind === "probe" ? "kube-probe/1.36" : "kube-lifecycle/1.36",
    Accept: "*/*",
  };
  for (const { name, value } of action.httpHeaders ?? []) {
    const key = Object.keys(headers).find((known) => known.toLowerCase() === name.toLowerCase()) ?? name;
    if (value === "") delete headers[key];
    else headers[key] = value;
  }
  const host = action.host || target.ip;
  const port = mustPort(action.port, target);
  const path = action.path?.startsWith("/") ? action.path : `/${action.path ?? ""}`;
  const send = secure ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send({ host, port, path, headers, agent: false, rejectUnauthorized: false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        if (body.length < longestBody) body += chunk;
      });
      const status = response.statusCode ?? 0;
      const finish = () =>
        resolve({ ok: status >= 200 && status < 400, message: `HTTP probe failed with statuscode: ${status}` });
      response.on("end", finish);
      response.on("error", finish);
    });
    const timer = setTimeout(
      () =>
        request.destroy(
          new Error(
            `Get "${secure ? "https" : "http"}://${host}:${port}${path}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
          ),
        ),
      timeoutMs,
    );
    request.on("error", (error) =>
      reject(
        new Error(
          error.message.startsWith("Get ")
            ? error.message
            : `Get "${secure ? "https" : "http"}://${host}:${port}${path}": ${error.message}`,
        ),
      ),
    );
    request.on("close", () => clearTimeout(timer));
    request.end();
  });
}

function openTcp(host: string, port: number, timeoutMs: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const finish = (outcome: Outcome) => {
      socket.destroy();
      resolve(outcome);
    };
    socket.once("connect", () => finish({ ok: true, message: "" }));
    socket.once("timeout", () => finish({ ok: false, message: `dial tcp ${host}:${port}: i/o timeout` }));
    socket.once("error", (error) => finish({ ok: false, message: `dial tcp ${host}:${port}: ${error.message}` }));
  });
}

const health = defineMessages(
  {
    messages: { Request: [[1, "service", "string"]], Response: [[1, "status", "Status"]] },
    enums: { Status: { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } },
  },
  { zeroValues: true },
);

async function askGrpc(ip: string, port: number, service: string, timeoutMs: number): Promise<Outcome> {
  const client = new Client(`${ip}:${port}`, credentials.createInsecure());
  try {
    const { status } = await callGrpc(client, {
      path: "/grpc.health.v1.Health/Check",
      input: health<{ service: string }>("Request"),
      output: health<{ status: string }>("Response"),
      request: { service },
      timeoutMs,
    });
    return { ok: status === "SERVING", message: `service unhealthy (responded with "${status}")` };
  } finally {
    client.close();
  }
}
