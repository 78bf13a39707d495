// A stream of requests that goes on while a test changes things, and what came of it.
import { Agent, request as httpRequest } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface RequestTarget {
  readonly address: string;
  readonly port: number;
  readonly path?: string;
  /** Host header; with TLS also the server name. */
  readonly host?: string;
  readonly tls?: boolean;
}

/** One request over a connection of its own. Rejects on any network error and after five seconds. */
export function request({ address, port, path = "/", host, tls = false }: RequestTarget): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      host: address,
      port,
      path,
      timeout: 5000,
      headers: host ? { host } : {},
      agent: tls ? new TlsAgent({ keepAlive: false }) : new Agent({ keepAlive: false }),
      ...(tls ? { servername: host, rejectUnauthorized: false } : {}),
    };
    const call = (tls ? httpsRequest : httpRequest)(options, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (body += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      response.on("error", reject);
    });
    call.on("timeout", () => call.destroy(new Error("no answer within 5 s")));
    call.on("error", reject);
    call.end();
  });
}

export interface Traffic {
  /** Ends it and tells what came back. */
  stop(): Promise<{ readonly answers: readonly Answer[]; readonly failures: readonly string[] }>;
}

/** Requests one after another, a few milliseconds apart, until stopped. Anything but a 200 is a failure. */
export function startTraffic(target: RequestTarget): Traffic {
  const answers: Answer[] = [];
  const failures: string[] = [];
  let running = true;
  const loop = (async () => {
    while (running && answers.length + failures.length < 20_000) {
      try {
        const answer = await request(target);
        if (answer.status === 200) answers.push(answer);
        else failures.push(`${new Date().toISOString()} ${answer.status} ${answer.body.slice(0, 100)}`);
      } catch (error) {
        failures.push(`${new Date().toISOString()} ${(error as Error).message}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  return {
    async stop() {
      running = false;
      await loop;
      return { answers, failures };
    },
  };
}
