// JSON over HTTPS from the parties that authentication and authorization depend on: issuers of tokens, review webhooks.
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { isIP } from "node:net";
import type { WebhookConnection } from "../../client/kubeconfig.ts";
import { sleep, type Clock } from "../../machinery/clock.ts";
import { limitedText } from "../webhooks/answer.ts";

export interface JsonRequest extends Omit<WebhookConnection, "server"> {
  readonly url: string;
  /** Sent with POST when given. */
  readonly body?: unknown;
  readonly timeoutMs: number;
}

const maxAnswerBytes = 4 * 1024 * 1024;

/** An answer that may be another one a little later. */
class RetryableError extends Error {}

/** The JSON of a 2xx answer; throws an Error that says what went wrong. Redirects are not followed. */
export async function askJson({ url, body, timeoutMs, caPem, serverName, credentials }: JsonRequest): Promise<unknown> {
  const target = new URL(url);
  const name = serverName ?? target.hostname.replace(/^\[(.*)\]$/, "$1");
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request(target, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      accept: "application/json",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(credentials && "token" in credentials ? { authorization: `Bearer ${credentials.token}` } : {}),
    },
    signal: AbortSignal.timeout(timeoutMs),
    // Addresses have no place in SNI; the certificate is checked against them all the same.
    ...(isIP(name) ? {} : { servername: name }),
    ...(caPem ? { ca: caPem } : {}),
    ...(credentials && "cert" in credentials ? credentials : {}),
  });
  sent.once("response", resolve).once("error", reject);
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  try {
    const response = await promise;
    const answer = await limitedText(response, maxAnswerBytes);
    const status = response.statusCode ?? 0;
    if (status === 429 || status >= 500) throw new RetryableError(`unexpected status ${status}`);
    if (status < 200 || status > 299) throw new Error(`unexpected status ${status}`);
    return JSON.parse(answer) as unknown;
  } catch (error) {
    sent.destroy();
    const { name: kind, code } = error as NodeJS.ErrnoException;
    if (kind === "TimeoutError" || code === "ABORT_ERR") throw new Error("no answer in time", { cause: error });
    throw error;
  }
}

const attempts = 4;

/** Posts to a webhook; asks again, with growing pauses, what was refused for the moment. */
export async function postReview(
  { server, ...connection }: WebhookConnection,
  body: unknown,
  { clock, timeoutMs }: { readonly clock: Clock; readonly timeoutMs: number },
): Promise<unknown> {
  const until = clock.now() + timeoutMs;
  for (let attempt = 1, pauseMs = 500; ; attempt++, pauseMs *= 1.5) {
    try {
      return await askJson({ ...connection, url: server, body, timeoutMs: Math.max(1, until - clock.now()) });
    } catch (error) {
      const again = error instanceof RetryableError || (error as NodeJS.ErrnoException).code === "ECONNRESET";
      if (!again || attempt === attempts || clock.now() + pauseMs >= until) throw error;
      await sleep(clock, pauseMs);
    }
  }
}
