// The load of bench/api.ts in a process of its own: runs one job after the other against an HTTPS server over HTTP/2 and
// says how long the requests took.
import { connect, type ClientHttp2Session, type OutgoingHttpHeaders } from "node:http2";

export interface Target {
  readonly url: string;
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

/** `{i}` in paths and bodies is the number of the request. */
export type Job =
  | {
      readonly type: "requests";
      readonly method: "GET" | "POST" | "PATCH";
      readonly path: string;
      readonly contentType?: string;
      readonly body?: string;
      readonly count: number;
      readonly first?: number;
      /** Request `i` is for number `i` modulo this. */
      readonly modulo?: number;
      readonly writers: number;
      readonly connections: number;
    }
  | {
      readonly type: "watch";
      readonly path: string;
      readonly watchers: number;
      readonly connections: number;
      readonly rounds: number;
      readonly change: { readonly path: string; readonly contentType: string; readonly body: string };
    };

export interface Result {
  /** Of each request or round, in milliseconds. */
  readonly latenciesMs: readonly number[];
  readonly elapsedMs: number;
  /** Of all response bodies. */
  readonly bytes: number;
}

const session = ({ url, caPem, certPem, keyPem }: Target): ClientHttp2Session =>
  connect(url, { ca: caPem, cert: certPem, key: keyPem, settings: { initialWindowSize: 16 << 20 } });

function exchange(to: ClientHttp2Session, headers: OutgoingHttpHeaders, body: string | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = to.request(headers, { endStream: body === undefined });
    let bytes = 0;
    let status = 0;
    stream.on("response", (answer) => (status = Number(answer[":status"])));
    stream.on("data", (chunk: Buffer) => (bytes += chunk.length));
    stream.on("error", reject);
    stream.on("end", () => {
      if (status < 300) resolve(bytes);
      else reject(new Error(`${String(headers[":method"])} ${String(headers[":path"])} was answered with ${status}`));
    });
    if (body !== undefined) stream.end(body);
  });
}

const connected = (target: Target, count: number) =>
  Promise.all(
    Array.from({ length: count }, async () => {
      const made = session(target);
      await new Promise((resolve, reject) => made.once("remoteSettings", resolve).once("error", reject));
      // Many streams at once must not wait for the window of their connection.
      made.setLocalWindowSize(64 << 20);
      return made;
    }),
  );

async function requests(target: Target, job: Extract<Job, { type: "requests" }>): Promise<Result> {
  const sessions = await connected(target, job.connections);
  const latenciesMs: number[] = [];
  let bytes = 0;
  let next = 0;
  const write = async (to: ClientHttp2Session) => {
    for (let i = next++; i < job.count; i = next++) {
      const number = String((job.first ?? 0) + (job.modulo ? i % job.modulo : i));
      const headers = {
        ":method": job.method,
        ":path": job.path.replaceAll("{i}", number),
        ...(job.contentType ? { "content-type": job.contentType } : {}),
      };
      const started = performance.now();
      bytes += await exchange(to, headers, job.body?.replaceAll("{i}", number));
      latenciesMs.push(performance.now() - started);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: job.writers }, (_, i) => write(sessions[i % sessions.length]!)));
  const elapsedMs = performance.now() - started;
  for (const each of sessions) each.destroy();
  return { latenciesMs, elapsedMs, bytes };
}

/** From sending a change until the last watcher has its event. */
async function watch(target: Target, job: Extract<Job, { type: "watch" }>): Promise<Result> {
  const sessions = await connected(target, job.connections);
  const [writer] = await connected(target, 1);
  let bytes = 0;
  let events = 0;
  let onEvent = () => {};
  const open = (to: ClientHttp2Session) =>
    new Promise<void>((resolve, reject) => {
      const stream = to.request({ ":method": "GET", ":path": job.path });
      stream.on("response", () => resolve());
      stream.on("error", reject);
      stream.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        // Every event ends with a newline, and none has another one.
        if (chunk.at(-1) !== 10) return;
        events++;
        onEvent();
      });
    });
  await Promise.all(Array.from({ length: job.watchers }, (_, i) => open(sessions[i % sessions.length]!)));
  const latenciesMs: number[] = [];
  const begun = performance.now();
  for (let round = 0; round < job.rounds; round++) {
    events = 0;
    const all = new Promise<void>((resolve) => {
      onEvent = () => events === job.watchers && resolve();
    });
    const { path, contentType, body } = job.change;
    const started = performance.now();
    const headers = { ":method": "PATCH", ":path": path, "content-type": contentType };
    await Promise.all([all, exchange(writer!, headers, body.replaceAll("{i}", String(round)))]);
    latenciesMs.push(performance.now() - started);
  }
  for (const each of [...sessions, writer!]) each.destroy();
  return { latenciesMs, elapsedMs: performance.now() - begun, bytes };
}

process.on("message", ({ target, job }: { target: Target; job: Job }) => {
  const running = job.type === "watch" ? watch(target, job) : requests(target, job);
  running.then(
    (result) => process.send!({ result }),
    (error: unknown) => process.send!({ error: String(error) }),
  );
});
