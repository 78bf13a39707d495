// What an admission webhook costs beyond its own round trip: creates of ConfigMaps, one after the other, without any webhook,
// with one that validates and with one that mutates, beside bare requests to the same server over a connection that is kept.
import { fork } from "node:child_process";
import { once } from "node:events";
import { Agent, createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { json, text } from "node:stream/consumers";
import { asAdmin, testApi } from "../src/apiserver/testing.ts";
import { ConfigMap, MutatingWebhookConfiguration, ValidatingWebhookConfiguration } from "../src/kinds/index.ts";
import type { KubeObject } from "../src/machinery/object.ts";
import { selfSigned } from "../test/certificates.ts";

const rounds = 1000;

if (process.argv[2] === "serve") await serve();
else await measure();

/** In a process of its own: allows everything, and adds a label when asked at /mutate. */
async function serve(): Promise<void> {
  const { certPem, keyPem } = await selfSigned("localhost");
  const patch = Buffer.from('[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]').toString("base64");
  const server = createServer({ cert: certPem, key: keyPem, keepAliveTimeout: 60_000 }, (message, response) => {
    void json(message).then((review) => {
      const { uid } = (review as { request: { uid: string } }).request;
      const change = message.url!.startsWith("/mutate") ? { patch, patchType: "JSONPatch" } : {};
      const answer = { uid, allowed: true, ...change };
      response.end(JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response: answer }));
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  process.send!({ port: (server.address() as AddressInfo).port, certPem });
}

/** Median and 99th percentile in milliseconds. */
async function timed(once: (i: number) => Promise<unknown>): Promise<{ p50: number; p99: number }> {
  for (let i = 0; i < rounds / 5; i++) await once(-1 - i);
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const began = performance.now();
    await once(i);
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return { p50: times[rounds / 2]!, p99: times[Math.floor(rounds * 0.99)]! };
}

async function measure(): Promise<void> {
  const child = fork(import.meta.filename, ["serve"]);
  try {
    const [{ port, certPem }] = (await once(child, "message")) as [{ port: number; certPem: string }];
    const { api } = await testApi();
    let turn = 0;
    const data = { text: "x".repeat(2000) };
    const create = async () => {
      const draft = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: `c${turn++}` }, data };
      return (await api.create(asAdmin(), ConfigMap, "default", draft as unknown as KubeObject, {})).object;
    };
    const object = await create();
    const agent = new Agent({ keepAlive: true, ca: certPem });
    const bare = async () => {
      const sent = request(`https://localhost:${port}/`, { agent, method: "POST" });
      const answered = once(sent, "response") as Promise<[NodeJS.ReadableStream]>;
      sent.end(JSON.stringify({ request: { uid: "u", object, oldObject: null } }));
      await text((await answered)[0]);
    };
    const configure = (
      kind: typeof ValidatingWebhookConfiguration | typeof MutatingWebhookConfiguration,
      path: string,
    ) => {
      const webhook = {
        name: "bench.example.com",
        rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] }],
        clientConfig: { url: `https://localhost:${port}/${path}`, caBundle: Buffer.from(certPem).toString("base64") },
        admissionReviewVersions: ["v1"],
        sideEffects: "None",
      };
      const draft = { apiVersion: "admissionregistration.k8s.io/v1", kind: kind.kind, webhooks: [webhook] };
      return api.create(asAdmin(), kind, "", { ...draft, metadata: { name: "b" } } as unknown as KubeObject, {});
    };
    const drop = (kind: typeof ValidatingWebhookConfiguration | typeof MutatingWebhookConfiguration) =>
      api.delete(asAdmin(), kind, { namespace: "", name: "b" }, {});

    const trip = await timed(bare);
    const none = await timed(create);
    await configure(ValidatingWebhookConfiguration, "validate");
    const validated = await timed(create);
    await drop(ValidatingWebhookConfiguration);
    await configure(MutatingWebhookConfiguration, "mutate");
    const mutated = await timed(create);
    await drop(MutatingWebhookConfiguration);

    const ms = (value: number) => `${value.toFixed(3)} ms`;
    const row = (what: string, { p50, p99 }: typeof trip, added?: number) => ({
      what,
      p50: ms(p50),
      p99: ms(p99),
      "added beyond the round trip": added === undefined ? "" : ms(added),
      goal: added === undefined ? "" : "1 ms",
    });
    const beyond = (with_: typeof trip) => with_.p50 - none.p50 - trip.p50;
    console.table([
      row("bare round trip", trip),
      row("create, no webhook", none),
      row("create, one that validates", validated, beyond(validated)),
      row("create, one that mutates", mutated, beyond(mutated)),
    ]);
  } finally {
    child.kill();
  }
}
