// Answers compared whole with those of Kubernetes 1.36: objects with their defaults, errors, tables, discovery, watches.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { edgeRequest, testRouter, type TestRequest } from "../src/apiserver/http/testing.ts";
import { upgraded, type BodySink } from "../src/apiserver/http/exchange.ts";
import { recordedRows } from "./recorded-rows.ts";

const maskedKeys: Readonly<Record<string, string>> = {
  uid: "<uid>",
  resourceVersion: "<version>",
  creationTimestamp: "<time>",
  nodePort: "<port>",
  description: "<text>",
};
const maskedTexts: readonly [RegExp, string][] = [
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "<uid>"],
  [/^10\.96\.\d+\.\d+$/, "<address>"],
  [/^\d+s$/, "<age>"],
];

/** The value without what differs from cluster to cluster and from moment to moment. */
function masked(value: unknown): unknown {
  if (typeof value === "string") return maskedTexts.reduce((text, [what, mask]) => text.replace(what, mask), value);
  if (Array.isArray(value)) return value.map(masked);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== "managedFields");
  return Object.fromEntries(entries.map(([key, field]) => [key, maskedKeys[key] ?? masked(field)]));
}

describe("answers are those of Kubernetes", () => {
  let server: Awaited<ReturnType<typeof testRouter>>;
  before(async () => {
    server = await testRouter();
  });

  for (const { what, method, path, body, headers, status, answer } of recordedRows) {
    test(what, async () => {
      const request: TestRequest = {
        headers: { "content-type": "application/json", ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      };
      const response = await server.ask(method, path, request);
      assert.deepEqual(masked(response.json()), answer);
      assert.equal(response.status, status);
    });
  }

  test("a watch starts with what is there, a bookmark, and goes on with what comes", async () => {
    const configMap = (name: string) => ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { a: "b" } });
    const headers = { "content-type": "application/json" };
    const path = "/api/v1/namespaces/kube-public/configmaps";
    const create = (name: string) => server.ask("POST", path, { headers, body: JSON.stringify(configMap(name)) });
    await create("first");
    const query =
      "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true" +
      "&fieldSelector=metadata.name!%3Dkube-root-ca.crt";
    const outcome = await server.router(edgeRequest("GET", `${path}?${query}`, {}));
    assert.ok(outcome !== upgraded && typeof outcome.body === "function");
    const stop = new AbortController();
    const seen: unknown[] = [];
    const three = Promise.withResolvers<void>();
    const sink: BodySink = {
      write(chunk) {
        const lines = Buffer.from(chunk).toString("utf8").trim().split("\n");
        seen.push(...lines.map((line) => masked(JSON.parse(line))));
        if (seen.length >= 3) three.resolve();
        return true;
      },
      drained: () => Promise.resolve(),
      bufferedBytes: 0,
      end: () => three.reject(new Error("the watch ended")),
      abort: () => three.reject(new Error("the watch was cut off")),
      signal: stop.signal,
    };
    void outcome.body(sink);
    await create("second");
    const deadline = setTimeout(() => three.reject(new Error(JSON.stringify(seen))), 10_000);
    await three.promise.finally(() => clearTimeout(deadline));
    stop.abort();
    const metadata = {
      namespace: "kube-public",
      uid: "<uid>",
      resourceVersion: "<version>",
      creationTimestamp: "<time>",
    };
    const bookmark = { resourceVersion: "<version>", annotations: { "k8s.io/initial-events-end": "true" } };
    assert.deepEqual(seen, [
      { type: "ADDED", object: { ...configMap("first"), metadata: { ...metadata, name: "first" } } },
      { type: "BOOKMARK", object: { kind: "ConfigMap", apiVersion: "v1", metadata: bookmark } },
      { type: "ADDED", object: { ...configMap("second"), metadata: { ...metadata, name: "second" } } },
    ]);
  });
});
