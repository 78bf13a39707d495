// YAML, read and written one text at a time in a thread that stays while more come, and is replaced when a text was too
// much for it.
import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { realClock } from "../../machinery/clock.ts";
import { notAcceptable } from "../../machinery/errors.ts";
import { bytesOf } from "./chunks.ts";
import { jsonType, type EdgeResponse } from "./exchange.ts";
import { parseAccept, yamlType } from "./negotiate.ts";
import type { YamlResult, YamlTask } from "./yaml-worker.ts";

/** Nobody writes YAML that takes this long. */
const limitMs = 10_000;
const idleMs = 30_000;

let turn: Promise<unknown> = Promise.resolve();
let waiting: Worker | undefined;
let cancelEnd = () => {};

/** Parses when it is the text's turn. What is wrong with it, or takes too much time or memory, is in the result. */
export const parseInThread = (text: string): Promise<YamlResult> => inTurn({ text });

/** More than this is no reading matter. */
const maxAnswerBytes = 16 * 1024 * 1024;

/** Whether the client would rather have YAML than anything else. */
export const prefersYaml = (accept: string | undefined): boolean =>
  accept !== undefined && accept.includes(yamlType) && parseAccept(accept)[0]?.type === yamlType;

/** A JSON response as YAML, others as they are. Throws NotAcceptable when it is too large for that. */
export async function yamlResponse(response: EdgeResponse): Promise<EdgeResponse> {
  const { body, headers } = response;
  if (body === undefined || headers["content-type"] !== jsonType) return response;
  const json = await bytesOf(body, maxAnswerBytes);
  const { value, error } = json ? await inTurn({ text: json.toString("utf8"), isJson: true }) : {};
  if (typeof value !== "string") throw notAcceptable(`the answer cannot be had in YAML: ${error ?? "it is too large"}`);
  return { ...response, headers: { ...headers, "content-type": yamlType }, body: value };
}

function inTurn(task: YamlTask): Promise<YamlResult> {
  const result = turn.then(() => run(task));
  turn = result;
  return result;
}

async function run(task: YamlTask): Promise<YamlResult> {
  cancelEnd();
  const worker = waiting ?? (await start());
  waiting = undefined;
  worker.ref();
  try {
    worker.postMessage(task);
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
