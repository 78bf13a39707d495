// How long single requests keep the event loop from everybody else, beside 10,000 pods: the longest hold of three rounds'
// best, the longest collection in it, and what the request takes of the main thread in all. The first row is the loop with
// nothing to do: what this machine adds by itself. Usage: scripts/node.sh bench/holds.ts
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ensurePki } from "../src/apiserver/auth/pki.ts";
import type { Client } from "../src/client/client.ts";
import { Pod } from "../src/kinds/index.ts";
import { realClock } from "../src/machinery/clock.ts";
import { longestHold, type Held } from "./hold.ts";
import type { Target } from "./http2.ts";
import { podsPath, podText, startServer } from "./server.ts";

interface Ask {
  readonly method?: string;
  readonly path: string;
  readonly accept?: string;
  readonly contentType?: string;
  readonly body?: string;
  /** A watch is over when this has come. */
  readonly until?: string;
}

const pods = 10_000;
const rounds = 3;
const metaList = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
const protobuf = "application/vnd.kubernetes.protobuf";
const initialEvents = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
const maps = "/api/v1/namespaces/default/configmaps";
const bigMap = (name: string) =>
  JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { text: "y".repeat(1_000_000) } });
const wide = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`field-${i}`, { a: i, b: [`x${i}`, true] }]));

const cases: Readonly<Record<string, (round: number) => Ask | undefined>> = {
  nothing: () => undefined,
  "list of all, JSON": () => ({ path: podsPath }),
  "list as a table": () => ({ path: podsPath, accept: "application/json;as=Table;v=v1;g=meta.k8s.io" }),
  "list of metadata": () => ({ path: podsPath, accept: metaList }),
  "list in protobuf": () => ({ path: podsPath, accept: protobuf }),
  "list that no label matches": () => ({ path: `${podsPath}?labelSelector=app%3Dother` }),
  "pretty list of 500": () => ({ path: `${podsPath}?pretty=true&limit=500` }),
  "watch with all at its start": () => ({ path: `${podsPath}?watch=1&${initialEvents}`, until: "initial-events-end" }),
  "discovery of all": () => ({
    path: "/apis",
    accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
  }),
  "OpenAPI v2": () => ({ path: "/openapi/v2" }),
  metrics: () => ({ path: "/metrics" }),
  "ConfigMap of 1 MB": (round) => ({ method: "POST", path: maps, body: bigMap(`big-${round}`) }),
  "apply of a ConfigMap of 1 MB": (round) => ({
    method: "PATCH",
    path: `${maps}/applied-${round}?fieldManager=bench`,
    contentType: "application/apply-patch+yaml",
    body: bigMap(`applied-${round}`),
  }),
  "body of 100,000 fields, refused": () => ({ method: "POST", path: podsPath, body: JSON.stringify(wide(33_000)) }),
  "deletion of all": (round) => (round === rounds - 1 ? { method: "DELETE", path: podsPath } : undefined),
};

if (process.argv[2] === "client") serveAsks();
else await measure();

/** In a process of its own: asks what it is told and says when it has been answered. */
function serveAsks(): void {
  process.on("message", ({ target, ask }: { target: Target; ask: Ask }) => {
    const { caPem: ca, certPem: cert, keyPem: key } = target;
    const session = connect(target.url, { ca, cert, key });
    const { method = "GET", path, accept = "application/json", contentType = "application/json", body, until } = ask;
    const stream = session.request({ ":method": method, ":path": path, accept, "content-type": contentType });
    stream.on("data", (chunk: Buffer) => until && chunk.includes(until) && stream.close());
    stream.on("close", () => (session.close(), process.send!({})));
    stream.end(body);
  });
}

async function fill(client: Client): Promise<void> {
  const create = (i: number) => {
    const pod = JSON.parse(podText.replaceAll("{i}", String(i))) as { metadata: object };
    return client.create(Pod, { ...pod, metadata: { ...pod.metadata, namespace: "default" } } as never);
  };
  for (let at = 0; at < pods; at += 100) await Promise.all(Array.from({ length: 100 }, (_, i) => create(at + i)));
}

async function measure(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "knarr-holds-"));
  const stop = new AbortController();
  const child = fork(import.meta.filename, ["client"]);
  try {
    const pki = await ensurePki(join(dir, "pki"), { names: ["localhost"], addresses: ["127.0.0.1"], clock: realClock });
    const { store, client, server } = await startServer(dir, pki, stop.signal);
    await fill(client);
    const target: Target = { url: server.url, caPem: pki.caPem, ...pki.admin };
    const found = new Map<string, Held>();
    for (let round = 0; round < rounds; round++) {
      for (const [name, askOf] of Object.entries(cases)) {
        const ask = askOf(round);
        if (!ask && name !== "nothing") continue;
        const run = ask ? () => (child.send({ target, ask }), once(child, "message")) : () => sleep(300);
        const seen = await longestHold(run);
        if (!found.has(name) || seen.holdMs < found.get(name)!.holdMs) found.set(name, seen);
      }
    }
    const ms = (value: number) => `${value.toFixed(1)} ms`;
    console.table(
      [...found].map(([request, { holdMs, collectionMs, cpuMs }]) => ({
        request,
        "longest hold, goal 10 ms": ms(holdMs),
        "longest collection in it": ms(collectionMs),
        "CPU in all": ms(cpuMs),
      })),
    );
    await server.close();
    await store.close();
  } finally {
    stop.abort();
    child.kill();
    rmSync(dir, { recursive: true });
  }
}
