// For tests: what a client asks of an API server, as plain HTTP or with kubectl.
import assert from "node:assert/strict";
import { json } from "node:stream/consumers";
import type { HttpsClient } from "../src/client/https.ts";
import { findCommand } from "../src/host/packages.ts";
import { run } from "../src/host/run.ts";
import { StatusError } from "../src/machinery/errors.ts";
import { eventually, oldKubectl } from "./harness.ts";

// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

/** Plain requests as one user, in the words of HTTP. Whatever is refused throws its StatusError. */
export function requestsOf({ request }: HttpsClient) {
  /** A body that is text is sent as it is, anything else as JSON. */
  const ask = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const content = typeof body === "string" ? body : JSON.stringify(body);
    const sent =
      content === undefined
        ? { headers }
        : { headers: { "content-type": "application/json", ...headers }, body: content };
    const answer = await request(method, path, sent);
    return (await json(answer.body)) as Json;
  };
  const patch = (path: string, body: unknown, type = "merge-patch+json") =>
    ask("PATCH", path, body, { "content-type": `application/${type}` });
  return {
    ask,
    patch,
    /** Waits until the object (undefined: its absence) fits. */
    until: (path: string, fits: (object: Json) => boolean): Promise<Json> =>
      eventually(
        path,
        async () => {
          const object = await ask("GET", path).catch((error: unknown) => {
            if (!(error instanceof StatusError && error.code === 404)) throw error;
          });
          assert.ok(fits(object), JSON.stringify(object));
          return { object };
        },
        10_000,
      ).then(({ object }) => object),
    /** The first `count` events of a watch. */
    async watch(path: string, count: number): Promise<{ type: string; object: Json }[]> {
      const events: { type: string; object: Json }[] = [];
      const { body } = await request("GET", path);
      let rest = "";
      for await (const chunk of body as AsyncIterable<Buffer>) {
        const lines = (rest + chunk.toString("utf8")).split("\n");
        rest = lines.pop()!;
        for (const line of lines) events.push(JSON.parse(line));
        if (events.length >= count) break;
      }
      return events;
    },
  };
}

export type Requests = ReturnType<typeof requestsOf>;

/** The refusal of what must not succeed. */
export async function refusal(asked: Promise<unknown>): Promise<StatusError> {
  const error = await asked.then(
    () => assert.fail("it was not refused"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof StatusError, String(error));
  return error;
}

/** The kubectl on PATH if there is one, and Debian's 1.20, which validates by itself. */
export const kubectls = async (): Promise<string[]> => [
  ...new Set([findCommand("kubectl") ?? [], await oldKubectl()].flat()),
];

/** Runs a kubectl. A string is its input; `fails` demands that it fails. Returns all that it printed. */
export function kubectlOf({ kubeconfig }: { readonly kubeconfig: string }, binary: string) {
  return async (args: readonly string[], input = "", { fails = false, env = {} } = {}): Promise<string> => {
    const cache = `${kubeconfig}-cache-${binary.length}`;
    const { code, stdout, stderr } = await run(
      binary,
      [`--kubeconfig=${kubeconfig}`, `--cache-dir=${cache}`, ...args],
      {
        input,
        env: { ...process.env, ...env },
        timeoutMs: 60_000,
      },
    );
    assert.equal(code !== 0, fails, `kubectl ${args.join(" ")} (${code}): ${stdout}${stderr}`);
    return stdout + stderr;
  };
}

/**
 * Every operation that the conformance suite tries on kinds that only have to be served. The server itself writes to some
 * of them meanwhile, so more events may follow and an update may come too late.
 */
export async function allOperations(
  { ask, patch, watch }: Requests,
  collection: string,
  object: Json,
  hasStatus: boolean,
): Promise<void> {
  const { name } = object.metadata;
  const path = `${collection}/${name}`;
  const labelled = { ...object, metadata: { name, labels: { suite: name } } };
  const created = await ask("POST", collection, labelled);
  assert.ok(created.metadata.uid);
  const listed = (await ask("GET", collection)).items;
  assert.ok(listed.some(({ metadata }: Json) => metadata.name === name));
  const selected = `${collection}?labelSelector=suite%3D${name}`;
  const version = Number(created.metadata.resourceVersion) - 1;
  const [added] = await watch(`${selected}&watch=1&resourceVersion=${version}`, 1);
  assert.deepEqual([added?.type, added?.object.metadata.name], ["ADDED", name]);
  const update = async (at: string, change: (read: Json) => unknown): Promise<Json> => {
    for (;;) {
      try {
        return await ask("PUT", at, change(await ask("GET", path)));
      } catch (error) {
        if (!(error instanceof StatusError && error.status.reason === "Conflict")) throw error;
      }
    }
  };
  const { metadata } = await patch(path, { metadata: { annotations: { patched: "1" } } });
  assert.equal(metadata.annotations.patched, "1");
  const annotations = { updated: "1" };
  const updated = await update(path, (read) => ({ ...read, metadata: { ...read.metadata, annotations } }));
  assert.deepEqual(updated.metadata.annotations, annotations);
  if (hasStatus) {
    assert.equal((await ask("GET", `${path}/status`)).metadata.name, name);
    await patch(`${path}/status`, { metadata: { annotations: { patchedstatus: "true" } } });
    await update(`${path}/status`, (read) => read);
  }
  await ask("DELETE", path);
  assert.equal((await refusal(ask("GET", path))).code, 404);
  await ask("POST", collection, labelled);
  await ask("DELETE", selected);
  assert.equal((await ask("GET", selected)).items.length, 0);
}
