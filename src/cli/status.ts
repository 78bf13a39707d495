// knarr status.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { wellKnownAddresses, type ClusterSettings } from "../cluster.ts";
import { runningPid } from "../host/child.ts";
import { Node, Pod } from "../kinds/index.ts";
import type { HttpsClient } from "../client/https.ts";
import { connect, settingsOf, type Place } from "./connect.ts";
import { pidFileOf } from "./up.ts";

/** Prints what there is; exits with 1 when the cluster does not run. */
export async function status({ version, ...place }: Place & { version: string }): Promise<void> {
  const settings = settingsOf(place);
  const { dns, gateway } = wellKnownAddresses(settings);
  const pid = runningPid(pidFileOf(place.dataDir));
  print([
    ["cluster", `${place.name} (Knarr ${version})`],
    [
      "data",
      `${place.dataDir} (store ${megabytes(sizeOf(join(place.dataDir, "store.db")) + sizeOf(join(place.dataDir, "store.db-wal")))})`,
    ],
    [
      "addresses",
      `pods ${settings.podCidr}, Services ${settings.serviceCidr}, DNS ${dns}, gateway ${gateway} on ${settings.bridge}`,
    ],
    ["ingress", `ports ${settings.httpPort} (HTTP) and ${settings.httpsPort} (HTTPS)`],
    ...processes(place.dataDir, pid),
  ]);
  if (pid === undefined) {
    console.log("\nKnarr does not run. Start it with: npm start");
    process.exitCode = 1;
    return;
  }
  await using client = await connect(place);
  print(await fromServer(client, settings));
}

function processes(dataDir: string, pid: number | undefined): [string, string][] {
  const rows: [string, number | undefined][] = [
    ["knarr", pid],
    ["containerd", runningPid(join(dataDir, "containerd/containerd.pid"))],
    ["haproxy", runningPid(join(dataDir, "ingress/haproxy.pid"))],
  ];
  return rows.map(([name, id]) => [
    name,
    id === undefined ? "not running" : `process ${id}, ${megabytes(residentBytes(id))}`,
  ]);
}

async function fromServer(client: HttpsClient, settings: ClusterSettings): Promise<[string, string][]> {
  const ask = async (path: string) => text((await client.request("GET", path, {})).body);
  const [version, health, nodes, pods] = await Promise.all([
    ask("/version"),
    ask("/readyz?verbose").catch((error: Error) => error.message),
    client.list(Node),
    client.list(Pod),
  ]);
  const failing = health.split("\n").filter((line) => line.startsWith("[-]"));
  const phases = Object.entries(Object.groupBy(pods.items, (pod) => pod.status?.phase ?? "Pending"));
  return [
    ["api", `https://127.0.0.1:${settings.apiPort} ${failing.length === 0 ? "ready" : failing.join(" ")}`],
    ["kubernetes", (JSON.parse(version) as { gitVersion: string }).gitVersion],
    ...nodes.items.map((node): [string, string] => {
      const ready = node.status?.conditions?.find((condition) => condition.type === "Ready");
      const address = node.status?.addresses?.find(({ type }) => type === "InternalIP")?.address ?? "no address";
      const state = ready?.status === "True" ? "Ready" : `not ready: ${ready?.message ?? "never heard of"}`;
      return [
        "node",
        `${node.metadata.name} ${state}, ${address}, ${node.status?.nodeInfo?.containerRuntimeVersion ?? ""}`,
      ];
    }),
    ["pods", phases.map(([phase, list]) => `${list!.length} ${phase}`).join(", ") || "none"],
  ];
}

function print(rows: readonly (readonly [string, string])[]): void {
  for (const [name, value] of rows) console.log(`${name.padEnd(12)}${value}`);
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function residentBytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
