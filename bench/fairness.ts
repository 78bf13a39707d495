// A client that behaves, alone and beside fifty that do not: the others are one user at full speed, and must cost it
// little. Measured three times: as the client sees it, from its arrival to its answer in the server, and as the number of
// others' requests answered between the two, which does not depend on what else the machine does. The client and the others
// take the processors from the server, too. Both situations take turns in one run.
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type ClientHttp2Session } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensurePki } from "../src/apiserver/auth/pki.ts";
import { edgeRequest, testRouter } from "../src/apiserver/http/testing.ts";
import { createTransport } from "../src/apiserver/http/transport.ts";
import { realClock } from "../src/machinery/clock.ts";

interface Target {
  readonly url: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const rounds = 5;
const roundMs = 3000;
const clients = 50;
const inFlight = 8;
const path = "/api/v1/namespaces/default/configmaps";
/** What the server saw of the requests of the client that behaves. */
interface Seen {
  /** Milliseconds from arrival to answer. */
  readonly served: number[];
  /** Requests of others answered meanwhile. */
  readonly before: number[];
}

/** Elsewhere, so that the lists of the others stay as long as they are. */
const ownPath = "/api/v1/namespaces/kube-public/configmaps";
/** `exempt` floods as an administrator, whom nothing holds back: what it would be without fairness. */
const [, , role, floodUser = "floods"] = process.argv;

if (role === "server") await serve();
else if (role === "flood") await flood();
else {
  console.log("ms                        p50     p90     p99");
  for (const user of ["floods", "exempt"]) await compare(user);
}

/** An API server with a store in memory, which watches the requests of the user that behaves. */
async function serve(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "knarr-fairness-"));
  const pki = await ensurePki(directory, { names: ["localhost"], addresses: ["127.0.0.1"], clock: realClock });
  const { router } = await testRouter();
  const create = async (target: string, body: object) =>
    router(edgeRequest("POST", target, { body: JSON.stringify(body), headers: {} }));
  await create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
    metadata: { name: "bench" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "edit" },
    subjects: ["behaves", "floods"].map((name) => ({ kind: "User", name, apiGroup: "rbac.authorization.k8s.io" })),
  });
  for (let n = 0; n < 100; n++) await create(path, { metadata: { name: `c${n}` }, data: { text: "x".repeat(1000) } });
  let seen: Seen = { served: [], before: [] };
  let others = 0;
  const transport = createTransport({
    serving: pki.serving,
    caPem: pki.caPem,
    handle(request) {
      const answer = Promise.resolve(router(request));
      if (request.headers["impersonate-user"] !== "behaves") return answer.finally(() => others++);
      const before = others;
      const arrived = performance.now();
      return answer.finally(() => {
        seen.before.push(others - before);
        seen.served.push(performance.now() - arrived);
      });
    },
  });
  const { port } = await transport.listen({ host: "127.0.0.1", port: 0 });
  const { certPem: cert, keyPem: key } = pki.admin;
  process.send!({ url: `https://127.0.0.1:${port}`, ca: pki.caPem, cert, key } satisfies Target);
  process.on("message", (message) => {
    if (message === "take") {
      process.send!(seen);
      seen = { served: [], before: [] };
      return;
    }
    rmSync(directory, { recursive: true });
    process.exit(0);
  });
}

/** Fifty clients that ask again the moment they are answered, between the messages "on" and "off". */
async function flood(): Promise<void> {
  const [target] = (await once(process, "message")) as [Target];
  const sessions = Array.from({ length: clients }, () => connect(target.url, target));
  let on = false;
  let [answered, refused] = [0, 0];
  const loop = async (session: ClientHttp2Session, from: number) => {
    for (let n = from; on; n++) {
      const status = await ask(session, floodUser, n % 10 === 0 ? path : `${path}/c${n % 100}`);
      if (status !== 429) answered++;
      else {
        refused++;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  };
  process.on("message", (message) => {
    on = message === "on";
    if (on) for (const session of sessions) for (let i = 0; i < inFlight; i++) void loop(session, i);
    if (message === "end") process.send!({ answered, refused }, () => process.exit(0));
  });
}

async function ask(session: ClientHttp2Session, user: string, target: string, body?: string): Promise<number> {
  const stream = session.request(
    {
      ":method": body === undefined ? "GET" : "POST",
      ":path": target,
      "content-type": "application/json",
      ...(user === "exempt" ? {} : { "impersonate-user": user }),
    },
    { endStream: body === undefined },
  );
  if (body !== undefined) stream.end(body);
  stream.resume();
  const [head] = (await once(stream, "response")) as [Record<string, unknown>];
  if (!stream.readableEnded) await once(stream, "end");
  return Number(head[":status"]);
}

/** Milliseconds of each request, one after another; each fifth writes. */
async function measure(session: ClientHttp2Session, forMs: number): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + forMs;
  for (let n = 0; performance.now() < end; n++) {
    const start = performance.now();
    const body = JSON.stringify({ metadata: { generateName: "own-" }, data: { n: String(n) } });
    const status = await (n % 5 === 0
      ? ask(session, "behaves", ownPath, body)
      : ask(session, "behaves", `${path}/c${n % 100}`));
    if (status >= 300) throw new Error(`the client that behaves was answered ${status}`);
    times.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return times;
}

async function compare(user: string): Promise<void> {
  const server = fork(import.meta.filename, ["server"]);
  const [target] = (await once(server, "message")) as [Target];
  const others = fork(import.meta.filename, ["flood", user]);
  others.send(target);
  const session = connect(target.url, target);
  const taken = async () => {
    const answer = once(server, "message");
    server.send("take");
    return ((await answer) as [Seen])[0];
  };
  const seen = { alone: [] as number[], beside: [] as number[] };
  const served = { alone: [] as number[], beside: [] as number[] };
  const waited = { alone: [] as number[], beside: [] as number[] };
  await measure(session, 1000);
  await taken();
  for (let round = 0; round < rounds; round++) {
    for (const situation of ["alone", "beside"] as const) {
      if (situation === "beside") others.send("on");
      seen[situation].push(...(await measure(session, roundMs)));
      others.send("off");
      const { served: times, before } = await taken();
      served[situation].push(...times);
      waited[situation].push(...before);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
  const counted = once(others, "message");
  others.send("end");
  const [{ answered, refused }] = (await counted) as [{ answered: number; refused: number }];
  session.close();
  server.send("end");
  await once(server, "exit");
  const at = (times: number[], part: number) => times.toSorted((a, b) => a - b)[Math.floor(times.length * part)]!;
  const name = user === "exempt" ? "without fairness" : "with fairness";
  for (const [what, times] of [
    ["client", seen],
    ["in the server", served],
    ["others before", waited],
  ] as const) {
    for (const situation of ["alone", "beside"] as const) {
      const cells = [0.5, 0.9, 0.99].map((part) => at(times[situation], part).toFixed(2).padStart(8)).join("");
      console.log(`${`${what}, ${situation}`.padEnd(21)}${cells}`);
    }
  }
  const seconds = (rounds * roundMs) / 1000;
  const rate = (count: number) => `${Math.round(count / seconds)}/s`;
  console.log(`${name}: ${clients} others got ${rate(answered)} answers, ${rate(refused)} refusals\n`);
}
