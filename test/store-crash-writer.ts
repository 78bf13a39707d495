// Child of store-crash.test.ts: writes as fast as it can and tells, on stdout, what was acknowledged, until it is killed.
import { writeSync } from "node:fs";
import { realClock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import type { KubeObject } from "../src/machinery/object.ts";
import { openSqliteStore } from "../src/store/sqlite.ts";

const [file, round] = process.argv.slice(2) as [string, string];
const store = await openSqliteStore({ file, clock: realClock, log: silentLogger, historyEvents: 200 });
const acknowledge = (what: string, name: string, revision: number) => writeSync(1, `${what} ${name} ${revision}\n`);

/** Creates objects, updates each once and deletes every third. */
async function write(writer: number): Promise<never> {
  for (let i = 0; ; i++) {
    const name = `r${round}-w${writer}-${i}`;
    const key = { collection: "/things", namespace: "default", name };
    const object = {
      apiVersion: "v1",
      kind: "Thing",
      metadata: { name },
      data: "x".repeat(500),
    } as unknown as KubeObject;
    const [created] = await store.write([{ type: "create", key, object }]);
    acknowledge("put", name, created!.revision);
    const [updated] = await store.write([{ type: "update", key, object, expectedRevision: created!.revision }]);
    acknowledge("put", name, updated!.revision);
    if (i % 3 !== 0) continue;
    const [deleted] = await store.write([{ type: "delete", key, expectedRevision: updated!.revision }]);
    acknowledge("deleted", name, deleted!.revision);
  }
}

async function beat(): Promise<never> {
  const key = { collection: "/leases", namespace: "default", name: "beat" };
  const object = { apiVersion: "v1", kind: "Lease", metadata: { name: "beat" } } as unknown as KubeObject;
  if (!store.latest(key)) await store.write([{ type: "create", key, object }]);
  for (;;) {
    const expectedRevision = store.latest(key)!.revision;
    const [entry] = await store.write([{ type: "update", key, object, expectedRevision, volatile: true }]);
    acknowledge("beat", "beat", entry!.revision);
  }
}

await Promise.all([beat(), ...Array.from({ length: 8 }, (_, writer) => write(writer))]);
