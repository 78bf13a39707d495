// The load of bench/api.ts in a process of its own: runs one job after the other against an HTTPS server over HTTP/2 and
// says how long the requests took.
import { connectLoad, type LoadConnection, type Listener, type LoadRequest, type Target } from "./http2.ts";

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

/** Runs a task over new connections; rejects as soon as anything fails. */
async function withConnections<T>(
  target: Target,
  count: number,
  task: (connections: readonly LoadConnection[]) => Promise<T>,
): Promise<T> {
  const failure = Promise.withResolvers<never>();
  const opening = Array.from({ length: count }, () => connectLoad(target, failure.reject));
  const connections = await Promise.all(opening);
  try {
    return await Promise.race([task(connections), failure.promise]);
  } finally {
    for (const connection of connections) connection.close();
  }
}

const exchange = (to: LoadConnection, request: LoadRequest, listener: Listener = {}): Promise<void> =>
  new Promise((resolve) => to.send(request, { ...listener, onEnd: resolve }));

const numbered = (text: string, number: number): string => text.replaceAll("{i}", String(number));

function requests(target: Target, job: Extract<Job, { type: "requests" }>): Promise<Result> {
  const latenciesMs: number[] = [];
  let bytes = 0;
  let next = 0;
  const listener = { onData: (length: number) => void (bytes += length) };
  const write = async (to: LoadConnection) => {
    for (let i = next++; i < job.count; i = next++) {
      const number = (job.first ?? 0) + (job.modulo ? i % job.modulo : i);
      const { method, contentType } = job;
      const body = job.body === undefined ? undefined : numbered(job.body, number);
      const started = performance.now();
      await exchange(to, { method, contentType, path: numbered(job.path, number), body }, listener);
      latenciesMs.push(performance.now() - started);
    }
  };
  return withConnections(target, job.connections, async (connections) => {
    const started = performance.now();
    await Promise.all(Array.from({ length: job.writers }, (_, i) => write(connections[i % connections.length]!)));
    return { latenciesMs, elapsedMs: performance.now() - started, bytes };
  });
}

/** From sending a change until the last watcher has its event. */
function watch(target: Target, job: Extract<Job, { type: "watch" }>): Promise<Result> {
  let bytes = 0;
  let events = 0;
  let onAll = () => {};
  const onData = (length: number, last: number) => {
    bytes += length;
    // Every event ends with a newline, and none has another one.
    if (last === 10 && ++events === job.watchers) onAll();
  };
  const open = (to: LoadConnection) =>
    new Promise<void>((resolve) => to.send({ method: "GET", path: job.path }, { onData, onHeaders: resolve }));
  return withConnections(target, job.connections + 1, async ([writer, ...connections]) => {
    // One after the other on each connection: flow control refuses a thousand at once.
    const openSome = async (to: LoadConnection) => {
      for (let i = 0; i < job.watchers / job.connections; i++) await open(to);
    };
    await Promise.all(connections.map(openSome));
    const latenciesMs: number[] = [];
    const begun = performance.now();
    for (let round = 0; round < job.rounds; round++) {
      events = 0;
      const all = new Promise<void>((resolve) => (onAll = resolve));
      const { path, contentType, body } = job.change;
      const started = performance.now();
      await Promise.all([all, exchange(writer!, { method: "PATCH", path, contentType, body: numbered(body, round) })]);
      latenciesMs.push(performance.now() - started);
    }
    return { latenciesMs, elapsedMs: performance.now() - begun, bytes };
  });
}

process.on("message", ({ target, job }: { target: Target; job: Job }) => {
  const running = job.type === "watch" ? watch(target, job) : requests(target, job);
  running.then(
    (result) => process.send!({ result }),
    (error: unknown) => process.send!({ error: String(error) }),
  );
});
