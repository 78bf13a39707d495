// The load of bench/api.ts in a process of its own: runs one job after the other against an HTTPS server over HTTP/2 and
// says how long the requests took.
import { connectLoad, PreparedRequest, type LoadConnection, type Listener, type Target } from "./http2.ts";

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

type RequestsJob = Extract<Job, { type: "requests" }>;

export interface Result {
  /** Of each request or round, in milliseconds. */
  readonly latenciesMs: readonly number[];
  readonly elapsedMs: number;
  /** What the load itself took of a processor, in all threads. */
  readonly cpuMs: number;
  /** Of all response bodies. */
  readonly bytes: number;
}

/** Call it when something starts, and what it returns at the end. */
function startTiming(): () => Pick<Result, "elapsedMs" | "cpuMs"> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return { elapsedMs: performance.now() - started, cpuMs: (user + system) / 1000 };
  };
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

/** Sends its next request as soon as it has the answer to the last one, until the job has no more. */
class Writer implements Listener {
  readonly #run: Run;
  readonly #to: LoadConnection;
  #number = 0;
  #started = 0;

  constructor(run: Run, to: LoadConnection) {
    this.#run = run;
    this.#to = to;
  }

  next(): void {
    const { job, request } = this.#run;
    const i = (this.#number = this.#run.next++);
    if (i >= job.count) return;
    this.#started = performance.now();
    this.#to.send(request, (job.first ?? 0) + (job.modulo ? i % job.modulo : i), this);
  }

  onData(bytes: number): void {
    this.#run.bytes += bytes;
  }

  onEnd(): void {
    this.#run.latenciesMs[this.#number] = performance.now() - this.#started;
    if (++this.#run.done === this.#run.job.count) this.#run.finish();
    else this.next();
  }
}

/** A job of requests on its way. */
class Run {
  readonly job: RequestsJob;
  readonly request: PreparedRequest;
  readonly latenciesMs: Float64Array;
  readonly finish: () => void;
  next = 0;
  done = 0;
  bytes = 0;

  constructor(job: RequestsJob, finish: () => void) {
    this.job = job;
    this.request = new PreparedRequest(job);
    this.latenciesMs = new Float64Array(job.count);
    this.finish = finish;
  }
}

function requests(target: Target, job: RequestsJob): Promise<Result> {
  return withConnections(target, job.connections, async (connections) => {
    const finished = Promise.withResolvers<void>();
    const run = new Run(job, finished.resolve);
    const timing = startTiming();
    for (let i = 0; i < job.writers; i++) new Writer(run, connections[i % connections.length]!).next();
    await finished.promise;
    return { ...timing(), latenciesMs: [...run.latenciesMs], bytes: run.bytes };
  });
}

/** From sending a change until the last watcher has its event. */
function watch(target: Target, job: Extract<Job, { type: "watch" }>): Promise<Result> {
  let bytes = 0;
  let events = 0;
  let onAll = () => {};
  const watching = new PreparedRequest({ method: "GET", path: job.path });
  const change = new PreparedRequest({ method: "PATCH", ...job.change });
  const onData = (length: number, last: number) => {
    bytes += length;
    // Every event ends with a newline, and none has another one.
    if (last === 10 && ++events === job.watchers) onAll();
  };
  const open = (to: LoadConnection) =>
    new Promise<void>((resolve) => to.send(watching, 0, { onData, onHeaders: resolve }));
  return withConnections(target, job.connections + 1, async ([writer, ...connections]) => {
    // One after the other on each connection: flow control refuses a thousand at once.
    const openSome = async (to: LoadConnection) => {
      for (let i = 0; i < job.watchers / job.connections; i++) await open(to);
    };
    await Promise.all(connections.map(openSome));
    const latenciesMs: number[] = [];
    const timing = startTiming();
    for (let round = 0; round < job.rounds; round++) {
      events = 0;
      const all = new Promise<void>((resolve) => (onAll = resolve));
      const started = performance.now();
      const answered = new Promise<void>((onEnd) => writer!.send(change, round, { onEnd }));
      await Promise.all([all, answered]);
      latenciesMs.push(performance.now() - started);
    }
    return { ...timing(), latenciesMs, bytes };
  });
}

process.on("message", ({ target, job }: { target: Target; job: Job }) => {
  const running = job.type === "watch" ? watch(target, job) : requests(target, job);
  running.then(
    (result) => process.send!({ result }),
    (error: unknown) => process.send!({ error: String(error) }),
  );
});
