// The API server under load, beside goals and a floor: TLS, client certificates, RBAC, defaulting, admission, validation,
// managedFields and a store on disk; no controllers, no node. Ratios to the floor hold, absolute numbers depend on the machine.
// Usage: scripts/node.sh bench/api.ts
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensurePki } from "../src/apiserver/auth/pki.ts";
import type { Client } from "../src/client/client.ts";
import { ClusterRole, ClusterRoleBinding, Pod } from "../src/kinds/index.ts";
import { realClock } from "../src/machinery/clock.ts";
import type { FloorInput } from "./floor.ts";
import { cpuMs, longestHold } from "./hold.ts";
import type { Target } from "./http2.ts";
import type { Job, Result } from "./load.ts";
import { podsPath, podText, startServer } from "./server.ts";

const pods = 5000;
const writers = 16;
const connections = 4;

/** A user with a client certificate who may do with pods what the load does, and nothing else. */
async function grant(client: Client): Promise<void> {
  const metadata = { name: "bench", namespace: "" };
  const verbs = ["create", "get", "list", "watch", "patch"];
  await client.create(ClusterRole, {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata,
    rules: [{ apiGroups: [""], resources: ["pods"], verbs }],
  });
  await client.create(ClusterRoleBinding, {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata,
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "bench" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "bench" }],
  });
}

async function ask<T>(child: ChildProcess, message: unknown): Promise<T> {
  child.send(message as object);
  const [answer] = (await once(child, "message")) as [T];
  return answer;
}

async function load(child: ChildProcess, target: Target, job: Job): Promise<Result> {
  const { result, error } = await ask<{ result?: Result; error?: string }>(child, { target, job });
  if (!result) throw new Error(error);
  return result;
}

const percentile = ({ latenciesMs }: Result, share: number): number =>
  latenciesMs.toSorted((a, b) => a - b)[Math.floor(latenciesMs.length * share)] ?? 0;
const perSecond = ({ latenciesMs, elapsedMs }: Result): number => (latenciesMs.length * 1000) / elapsedMs;
const ms = (value: number): string => `${value.toFixed(value < 1 ? 3 : value < 10 ? 1 : 0)} ms`;

const shared = { type: "requests", writers, connections } as const;
const mergePatch = "application/merge-patch+json";
const jobs = {
  create: { ...shared, method: "POST", path: podsPath, contentType: "application/json", body: podText, count: pods },
  get: { ...shared, method: "GET", path: `${podsPath}/pod-{i}`, count: 20_000, modulo: pods },
  patch: {
    ...shared,
    method: "PATCH",
    path: `${podsPath}/pod-{i}`,
    contentType: mergePatch,
    body: `{"metadata":{"annotations":{"example.com/patched":"{i}"}}}`,
    count: 5000,
    modulo: pods,
  },
  list: { ...shared, method: "GET", path: podsPath, count: 9, writers: 1, connections: 1 },
  watch: {
    type: "watch",
    watchers: 1000,
    connections: 20,
    rounds: 15,
    change: {
      path: `${podsPath}/pod-7`,
      contentType: mergePatch,
      body: `{"metadata":{"annotations":{"example.com/round":"{i}"}}}`,
    },
  },
} as const;

/** Own and floor in turn, so that both meet the same weather; CPU time is of the servers' main threads. */
interface Measured {
  readonly own: Result;
  readonly floor: Result;
  readonly ownCpuMs: number;
  readonly floorCpuMs: number;
}

type Run = (job: Job) => Promise<Result>;
type Usage = ReturnType<typeof process.threadCpuUsage>;

async function measured(run: Run, floor: Run, floorCpu: () => Promise<Usage>, job: Job): Promise<Measured> {
  const before = process.threadCpuUsage();
  const own = await run(job);
  const ownCpuMs = cpuMs(before, process.threadCpuUsage());
  const floorBefore = await floorCpu();
  const bare = await floor(job);
  return { own, floor: bare, ownCpuMs, floorCpuMs: cpuMs(floorBefore, await floorCpu()) };
}

const each = (of: Result, cpu: number): string => ms(cpu / of.latenciesMs.length);
const cpuColumns = ({ own, floor, ownCpuMs, floorCpuMs }: Measured) => ({
  "CPU each": each(own, ownCpuMs),
  "floor's CPU each": each(floor, floorCpuMs),
  "load's CPU each": each(own, own.cpuMs),
});
const ratio = (own: number, floor: number): string => `${((own / floor) * 100).toFixed(0)} %`;

function rate(what: string, goal: number, run: Measured) {
  const { own, floor } = run;
  return {
    what: `${what} per second`,
    goal: String(goal),
    knarr: perSecond(own).toFixed(0),
    "p50, p99": `${ms(percentile(own, 0.5))}, ${ms(percentile(own, 0.99))}`,
    floor: perSecond(floor).toFixed(0),
    "of the floor": ratio(perSecond(own), perSecond(floor)),
    ...cpuColumns(run),
  };
}

function time(what: string, goal: number, run: Measured) {
  const { own, floor } = run;
  return {
    what,
    goal: ms(goal),
    knarr: ms(percentile(own, 0.5)),
    "p50, p99": `${ms(percentile(own, 0.5))}, ${ms(percentile(own, 0.99))}`,
    floor: ms(percentile(floor, 0.5)),
    "of the floor": ratio(percentile(own, 0.5), percentile(floor, 0.5)),
    ...cpuColumns(run),
  };
}

const dir = mkdtempSync(join(tmpdir(), "knarr-bench-"));
const stop = new AbortController();
const child = (file: string) => fork(new URL(file, import.meta.url), { execArgv: [] });
const loader = child("./load.ts");
const bare = child("./floor.ts");
try {
  const pki = await ensurePki(join(dir, "pki"), { names: ["localhost"], addresses: ["127.0.0.1"], clock: realClock });
  const { store, client, server } = await startServer(dir, pki, stop.signal);
  await grant(client);
  const identity = await pki.issueClientCertificate({ commonName: "bench", organizations: ["benchers"] });
  const target = { url: server.url, caPem: pki.caPem, ...identity };
  const startMb = process.memoryUsage.rss() / 1e6;
  const run: Run = (job) => load(loader, target, job);
  await run({ ...jobs.create, path: `${podsPath}?dryRun=All`, count: 3000 });
  await run({ ...jobs.create, count: 1 });
  const [entry] = store.list("/pods").entries;
  const object = entry!.json().toString();
  const input: FloorInput = { caPem: pki.caPem, ...pki.serving, object, listed: pods };
  const { port } = await ask<{ port: number }>(bare, input);
  const floor: Run = (job) => load(loader, { ...target, url: `https://127.0.0.1:${port}` }, job);
  await floor({ ...jobs.create, count: 3000 });

  const measure = (job: Job) => measured(run, floor, async () => (await ask<{ cpu: Usage }>(bare, {})).cpu, job);
  const created = await measure({ ...jobs.create, first: 1 });
  await run({ ...jobs.get, count: 3000 });
  const read = await measure(jobs.get);
  await run({ ...jobs.patch, count: 3000 });
  const patched = await measure(jobs.patch);
  const listed = await measure(jobs.list);
  const watched = await measure({
    ...jobs.watch,
    path: `${podsPath}?watch=1&resourceVersion=${store.revision}`,
  });
  await run({ ...jobs.create, first: pods + 1, count: pods - 1 });
  const residentMb = process.memoryUsage.rss() / 1e6;
  const holds = await longestHold(() => run({ ...jobs.list, count: 5 }));
  const afterMb = process.memoryUsage.rss() / 1e6;
  const { items } = await client.list(Pod, { namespace: "default" });
  if (items.length !== 2 * pods) throw new Error(`${items.length} pods are there`);

  console.table([
    rate("pod creates, durable,", 6000, created),
    rate("gets", 20_000, read),
    rate("patches", 5000, patched),
    time(`list of ${pods} pods, ${((pods * object.length) / 1e6).toFixed(1)} MB`, 60, listed),
    time("one change to the last of 1000 watchers", 15, watched),
  ]);
  console.table([
    {
      "memory at start": `${startMb.toFixed(0)} MB`,
      "after 10,000 pods, goal 200 MB": `${residentMb.toFixed(0)} MB`,
      "after lists of them": `${afterMb.toFixed(0)} MB`,
      "longest hold while 10,000 are listed, goal 10 ms": ms(holds.holdMs),
      "longest collection in it": ms(holds.collectionMs),
    },
  ]);
  await server.close();
  await store.close();
} finally {
  stop.abort();
  loader.kill();
  bare.kill();
  rmSync(dir, { recursive: true });
}
