// Profiles of the running process for administrators, in the formats of Chrome's and Node's tools.
import { notFound } from "../../machinery/errors.ts";
import { jsonType, textResponse, type EdgeRequest, type EdgeResponse } from "./exchange.ts";
import { integer } from "./query.ts";

const prefix = "/debug/pprof";
const index =
  "/debug/pprof/profile?seconds=N  CPU profile over N seconds (30 unless given), as .cpuprofile\n" +
  "/debug/pprof/heap               heap snapshot, as .heapsnapshot; everything else waits while it is taken\n";
const longestSeconds = 300;

let profiling = false;

/** The answer below /debug/pprof; undefined for other paths. Only one CPU profile is taken at a time. */
export function answerProfile(request: EdgeRequest): Promise<EdgeResponse> | undefined {
  const { path } = request;
  if (path !== prefix && !path.startsWith(`${prefix}/`)) return undefined;
  const name = path.slice(prefix.length + 1);
  if (name === "") return Promise.resolve(textResponse(index));
  if (name === "profile") return cpuProfile(request);
  if (name === "heap") return heapSnapshot();
  throw notFound({ group: "", resource: "profiles" }, name);
}

async function cpuProfile({ query, signal }: EdgeRequest): Promise<EdgeResponse> {
  const seconds = Math.min(integer(query, "seconds") ?? 30, longestSeconds);
  if (profiling) return textResponse("a CPU profile is being taken already\n", 409);
  profiling = true;
  const { Session } = await import("node:inspector/promises");
  const { setTimeout: pause } = await import("node:timers/promises");
  const session = new Session();
  session.connect();
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.start");
    // A client that goes away ends the profile early.
    await pause(seconds * 1000, undefined, { signal }).catch(() => {});
    const { profile } = await session.post("Profiler.stop");
    return attachment("knarr.cpuprofile", Buffer.from(JSON.stringify(profile)));
  } finally {
    session.disconnect();
    profiling = false;
  }
}

async function heapSnapshot(): Promise<EdgeResponse> {
  const { getHeapSnapshot } = await import("node:v8");
  return attachment("knarr.heapsnapshot", async (sink) => {
    for await (const chunk of getHeapSnapshot() as AsyncIterable<Buffer>) {
      if (sink.signal.aborted) return;
      if (!sink.write(chunk)) await sink.drained();
    }
    sink.end();
  });
}

const attachment = (name: string, body: NonNullable<EdgeResponse["body"]>): EdgeResponse => ({
  status: 200,
  headers: { "content-type": jsonType, "content-disposition": `attachment; filename="${name}"` },
  compressible: true,
  body,
});
