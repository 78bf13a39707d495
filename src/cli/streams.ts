// knarr logs, exec and port-forward: the streams of a pod, for machines without kubectl.
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { WebSocket } from "ws";
import { Pod, Service } from "../kinds/index.ts";
import { connect, type Place } from "./connect.ts";
import type { HttpsClient } from "../client/https.ts";

interface PodTarget extends Place {
  readonly namespace: string;
  readonly pod: string;
  readonly container?: string;
}

const bare = (target: string) => target.replace(/^pods?\//, "");

export async function logs(options: PodTarget & { follow?: boolean; previous?: boolean; tail?: number }): Promise<void> {
  await using client = await connect(options);
  const query = new URLSearchParams();
  if (options.container) query.set("container", options.container);
  if (options.follow) query.set("follow", "true");
  if (options.previous) query.set("previous", "true");
  if (options.tail !== undefined) query.set("tailLines", String(options.tail));
  const path = `/api/v1/namespaces/${options.namespace}/pods/${bare(options.pod)}/log?${query}`;
  const answer = await client.request("GET", path, {});
  for await (const chunk of answer.body) process.stdout.write(chunk as Buffer);
}
