// YAML, read and written in a thread of its own.
import { notAcceptable } from "../../machinery/errors.ts";
import { TaskThread } from "../task-thread.ts";
import { bytesOf } from "./chunks.ts";
import { jsonType, type EdgeResponse } from "./exchange.ts";
import { parseAccept, yamlType } from "./negotiate.ts";
import type { YamlResult, YamlTask } from "./yaml-worker.ts";

const thread = new TaskThread<YamlTask, YamlResult>({
  name: "yaml",
  from: import.meta.url,
  module: "./yaml-worker.ts",
  memoryMb: 256,
  limitMs: 10_000,
});

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

const inTurn = (task: YamlTask): Promise<YamlResult> =>
  thread.run(task).catch((error: Error) => ({
    duplicates: [],
    error: `it could not be parsed in reasonable time and memory: ${error.message}`,
  }));
