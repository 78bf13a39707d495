// What becomes of requests in the audit log that end in unusual ways.
import { test } from "node:test";
import assert from "node:assert/strict";
import { realClock } from "../../machinery/clock.ts";
import { notFound } from "../../machinery/errors.ts";
import { silentLogger } from "../../machinery/log.ts";
import { edgeRequest } from "../http/testing.ts";
import { upgraded, type BodySink, type EdgeRequest, type Outcome } from "../http/exchange.ts";
import { parseRequest } from "../http/request-info.ts";
import type { Authorizer } from "../types.ts";
import { createAuditor, type Answering } from "./auditor.ts";
import { parsePolicy } from "./policy.ts";

const jane = { name: "jane", groups: [] };
const authorizer = { authorize: () => ({ allowed: true, reason: "a rule" }) } as unknown as Authorizer;
const decode = async (body: Buffer) => JSON.parse(body.toString("utf8")) as unknown;

/** Audits one request at the level RequestResponse; `close` ends its connection. */
async function audited(method: string, target: string) {
  const lines: string[] = [];
  const auditor = createAuditor({
    policy: await parsePolicy(
      "kind: Policy\napiVersion: audit.k8s.io/v1\nomitStages: [RequestReceived]\nrules: [{level: RequestResponse}]",
    ),
    sinks: () => [{ name: "log", push: (line) => void lines.push(line), close: async () => {} }],
    authorizer,
    clock: realClock,
    log: silentLogger,
  });
  const connection = new AbortController();
  const request: EdgeRequest = { ...edgeRequest(method, target, {}), signal: connection.signal };
  const record = auditor.begin(request, parseRequest(method, request.path, request.query), jane)!;
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return {
    answer: (outcome: Outcome, how: Answering = { decode }) => record.answered(outcome, how),
    async close() {
      connection.abort();
      await settled();
    },
    async events() {
      await settled();
      return lines.map((line) => JSON.parse(line));
    },
  };
}

const ok = (body: string) => ({
  status: 200,
  headers: { "content-type": "application/json" },
  body: Buffer.from(body),
});

test("an unexpected failure is a panic", async () => {
  const { answer, events } = await audited("GET", "/api/v1/pods");
  answer({ ...ok("{}"), status: 500 }, { error: new TypeError("x is undefined") });
  const [event, ...rest] = await events();
  assert.deepEqual([event.stage, event.responseStatus.code, rest], ["Panic", 500, []]);
});

test("an answer that is a Status says so in the event", async () => {
  const { answer, events } = await audited("GET", "/api/v1/namespaces/a/pods/b");
  const error = notFound({ group: "", resource: "pods" }, "b");
  answer({ ...ok(JSON.stringify(error.status)), status: 404 }, { error });
  const [event] = await events();
  assert.deepEqual([event.responseStatus.code, event.responseStatus.reason], [404, "NotFound"]);
  assert.equal(event.annotations["authorization.k8s.io/reason"], "a rule");
});

test("a pretty answer is one line in the log", async () => {
  const { answer, events } = await audited("GET", "/api/v1/namespaces/a/pods/b?pretty=1");
  answer(ok(JSON.stringify({ kind: "Pod" }, undefined, 2)));
  assert.deepEqual((await events())[0].responseObject, { kind: "Pod" });
});

test("an answer in pieces is told whole when it has been sent, though its bytes are used again", async () => {
  const { answer, close, events } = await audited("GET", "/api/v1/pods");
  const shared = Buffer.alloc(12);
  const sent: string[] = [];
  const outcome = answer({
    ...ok(""),
    body: (sink) => {
      for (const piece of ['{"kind":"Po', 'dList"}']) {
        const length = shared.write(piece);
        sink.write(shared.subarray(0, length));
      }
      sink.end();
    },
  });
  assert.ok(outcome !== upgraded && typeof outcome.body === "function");
  const sink = { write: (chunk: Uint8Array) => sent.push(Buffer.from(chunk).toString("utf8")) > 0, end() {} };
  await outcome.body(sink as unknown as BodySink);
  assert.deepEqual(await events(), []);
  await close();
  assert.deepEqual((await events())[0].responseObject, { kind: "PodList" });
  assert.equal(sent.join(""), '{"kind":"PodList"}');
});

test("a stream that was upgraded is told at its start and at its end", async () => {
  const { answer, close, events } = await audited("GET", "/api/v1/namespaces/a/pods/b/exec");
  answer(upgraded);
  await close();
  assert.deepEqual(
    (await events()).map(({ stage, responseStatus }) => [stage, responseStatus.code]),
    [
      ["ResponseStarted", 101],
      ["ResponseComplete", 101],
    ],
  );
});
