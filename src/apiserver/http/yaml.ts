// YAML, parsed one text at a time in a thread that stays while more come, and is replaced when a text was too much for it.
import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { realClock } from "../../machinery/clock.ts";
import type { YamlResult } from "./yaml-worker.ts";

/** Nobody writes YAML that takes this long. */
const limitMs = 10_000;
const idleMs = 30_000;

let turn: Promise<unknown> = Promise.resolve();
let waiting: Worker | undefined;
let cancelEnd = () => {};

/** Parses when it is the text's turn. What is wrong with it, or takes too much time or memory, is in the result. */
export function parseInThread(text: string): Promise<YamlResult> {
  const result = turn.then(() => parse(text));
  turn = result;
  return result;
}

async function parse(text: string): Promise<YamlResult> {
  cancelEnd();
  const worker = waiting ?? (await start());
  waiting = undefined;
  worker.ref();
  try {
    worker.postMessage(text);
    const [result] = (await once(worker, "message", { signal: AbortSignal.timeout(limitMs) })) as [YamlResult];
    keep(worker);
    return result;
  } catch (error) {
    await worker.terminate();
    return {
      duplicates: [],
      error: `it could not be parsed in reasonable time and memory: ${(error as Error).message}`,
    };
  }
}

async function start(): Promise<Worker> {
  const threads = await import("node:worker_threads");
  const source = import.meta.url.endsWith(".ts") ? "./yaml-worker.ts" : "./yaml-worker.js";
  const worker = new threads.Worker(new URL(source, import.meta.url), {
    name: "yaml",
    resourceLimits: { maxOldGenerationSizeMb: 256 },
  });
  worker.on("error", () => waiting === worker && (waiting = undefined));
  return worker;
}

function keep(worker: Worker): void {
  waiting = worker;
  worker.unref();
  cancelEnd = realClock.after(idleMs, () => {
    waiting = undefined;
    void worker.terminate();
  });
}
