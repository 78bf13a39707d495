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

export function webhookSink({ connection, clock, lost }: WebhookSinkOptions): AuditSink {
  const pass = throttle(clock, { perSecond: 10, burst: 15 });
  let closing = false;
  const deliver = async (lines: readonly string[]) => {
    const body = `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[${lines.join(",")}]}`;
    await pass();
    for (let attempt = 1, pauseMs = firstPauseMs; ; attempt++, pauseMs *= 1.5) {
      try {
        return await post(connection, body);
      } catch (error) {
        // Whoever stops the server does not wait for a webhook that is gone.
        if (attempt === attempts || closing) throw error;
        await sleep(clock, pauseMs);
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
    close() {
      closing = true;
      return sink.close();
    },
  };
}

/** What the webhook answers besides its status does not matter. */
async function post({ server, serverName, caPem, credentials }: WebhookConnection, body: string): Promise<void> {
  const url = new URL(server);
  const name = serverName ?? url.hostname.replace(/^\[(.*)\]$/, "$1");
  const sent = request(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      ...(credentials && "token" in credentials ? { authorization: `Bearer ${credentials.token}` } : {}),
    },
    signal: AbortSignal.timeout(timeoutMs),
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
