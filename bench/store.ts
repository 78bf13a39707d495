// Durable writes per second and their latency: 64 writers of 4 KB objects against the SQLite store, and plain appends
// with fsync as the floor. Usage: scripts/node.sh bench/store.ts [FOLDER]
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import type { KubeObject } from "../src/machinery/object.ts";
import { openMemoryStore } from "../src/store/memory.ts";
import { openSqliteStore } from "../src/store/sqlite.ts";
import type { Store } from "../src/store/store.ts";

const durationMs = 3000;
const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), "knarr-bench-"));
const data = "x".repeat(4000);

interface Row {
  readonly what: string;
  readonly "writes/s": number;
  readonly "p50 ms": number;
  readonly "p99 ms": number;
  readonly "main thread": string;
}

function row(what: string, latencies: number[], elapsedMs: number, cpuMs: number): Row {
  latencies.sort((a, b) => a - b);
  const at = (share: number) => Math.round((latencies[Math.floor(latencies.length * share)] ?? 0) * 1000) / 1000;
  return {
    what,
    "writes/s": Math.round((latencies.length * 1000) / elapsedMs),
    "p50 ms": at(0.5),
    "p99 ms": at(0.99),
    "main thread": `${Math.round((cpuMs / elapsedMs) * 100)} %`,
  };
}

async function throughStore(what: string, store: Store, writers: number): Promise<Row> {
  const latencies: number[] = [];
  const started = performance.now();
  const cpu = process.threadCpuUsage();
  const write = async (writer: number) => {
    for (let i = 0; performance.now() - started < durationMs; i++) {
      const name = `w${writer}-${i % 200}`;
      const key = { collection: "/pods", namespace: "default", name };
      const object = { apiVersion: "v1", kind: "Pod", metadata: { name }, data } as unknown as KubeObject;
      const latest = store.latest(key);
      const before = performance.now();
      const precondition = latest
        ? ({ type: "update", expectedRevision: latest.revision } as const)
        : ({ type: "create" } as const);
      await store.write([{ ...precondition, key, object }]);
      latencies.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  const elapsed = performance.now() - started;
  const { user, system } = process.threadCpuUsage(cpu);
  await store.close();
  return row(what, latencies, elapsed, (user + system) / 1000);
}

function appends(): Row {
  const handle = openSync(join(folder, "floor.log"), "a");
  const latencies: number[] = [];
  const started = performance.now();
  const cpu = process.threadCpuUsage();
  while (performance.now() - started < durationMs) {
    const before = performance.now();
    writeSync(handle, data);
    fdatasyncSync(handle);
    latencies.push(performance.now() - before);
  }
  closeSync(handle);
  const { user, system } = process.threadCpuUsage(cpu);
  return row("append + fdatasync, one by one", latencies, performance.now() - started, (user + system) / 1000);
}

const sqlite = (name: string) => openSqliteStore({ file: join(folder, name), clock: realClock, log: silentLogger });
try {
  console.table([
    appends(),
    await throughStore("SQLite, 1 writer", await sqlite("one.db"), 1),
    await throughStore("SQLite, 64 writers", await sqlite("many.db"), 64),
    await throughStore("memory, 64 writers", await openMemoryStore({ clock: realClock }), 64),
  ]);
} finally {
  rmSync(folder, { recursive: true });
}
