// Audit events posted to a webhook in lists. Follows kubernetes v1.36 apiserver/plugin/pkg/audit/webhook and buffered
// (batch sizes, throttling, retries).
import { request } from "node:https";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { WebhookConnection } from "../../client/kubeconfig.ts";
import { sleep, type Clock } from "../../machinery/clock.ts";
import { bufferedSink, throttle, type AuditSink, type BufferOptions } from "./sink.ts";

export interface WebhookSinkOptions extends Pick<BufferOptions, "lost"> {
  readonly connection: WebhookConnection;
  readonly clock: Clock;
}

const timeoutMs = 30_000;
const attempts = 5;
const firstPauseMs = 10_000;
const lastWordMs = 5000;

export function webhookSink({ connection, clock, lost }: WebhookSinkOptions): AuditSink {
  const pass = throttle(clock, { perSecond: 10, burst: 15 });
  const closing = new AbortController();
  const over = new AbortController();
  const deliver = async (lines: readonly string[]) => {
    const body = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${lines.join(",")}]}`;
    await pass();
    for (let attempt = 1, pauseMs = firstPauseMs; ; attempt++, pauseMs *= 1.5) {
      try {
        return await post(connection, body, AbortSignal.any([over.signal, AbortSignal.timeout(timeoutMs)]));
      } catch (error) {
        if (attempt === attempts || closing.signal.aborted) throw error;
        await sleep(clock, pauseMs, closing.signal);
      }
    }
  };
  const sink = bufferedSink({
    name: "webhook",
    clock,
    deliver,
    lost,
    batchSize: 400,
    waitMs: 30_000,
    maxEvents: 10_000,
    maxBytes: 32 * 1024 * 1024,
  });
  return {
    ...sink,
    // Whoever stops the server does not wait long for a webhook that is gone.
    async close() {
      closing.abort();
      const cancel = clock.after(lastWordMs, () => over.abort());
      await sink.close();
      cancel();
    },
  };
}

/** What the webhook answers besides its status does not matter. */
async function post(
  { server, serverName, caPem, credentials }: WebhookConnection,
  body: string,
  signal: AbortSignal,
): Promise<void> {
  const url = new URL(server);
  const name = serverName ?? url.hostname.replace(/^\[(.*)\]$/, "$1");
  const sent = request(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      ...(credentials && "token" in credentials ? { authorization: `Bearer ${credentials.token}` } : {}),
    },
    signal,
    // Addresses have no place in SNI; the certificate is checked against them all the same.
    ...(isIP(name) ? {} : { servername: name }),
    ...(caPem ? { ca: caPem } : {}),
    ...(credentials && "cert" in credentials ? credentials : {}),
  });
  sent.end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  response.resume();
  const status = response.statusCode ?? 0;
  if (status < 200 || status > 299) throw new Error(`unexpected status ${status}`);
}
