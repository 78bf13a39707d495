// Service account tokens of one pod: fetched on demand, renewed when 80 % of their life is over.
import type { TokenRequest } from "../../kinds/generated/authentication.v1.ts";
import type { Pod, ServiceAccountTokenProjection } from "../../kinds/generated/core.v1.ts";
import { ServiceAccount } from "../../kinds/core/service-account.ts";
import type { Client } from "../../client/client.ts";
import { type Clock, parseTime } from "../../machinery/clock.ts";
import { specOf } from "../pod/model.ts";
import { VolumeError } from "./payload.ts";

interface Held {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly renewAt: number;
}

const defaultSeconds = 3600;
const longestHeldMs = 24 * 3600_000;
const keyOf = ({ audience = "", expirationSeconds = defaultSeconds }: ServiceAccountTokenProjection) =>
  `${audience}|${expirationSeconds}`;

function projectedTokens(pod: Pod): ServiceAccountTokenProjection[] {
  return (specOf(pod).volumes ?? []).flatMap(({ projected }) =>
    (projected?.sources ?? []).flatMap(({ serviceAccountToken }) => serviceAccountToken ?? []),
  );
}

export class PodTokens {
  readonly #held = new Map<string, Held>();
  readonly #client: Client;
  readonly #clock: Clock;

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Fetches what is missing or due. Throws StatusError. An old token is kept when its renewal fails. */
  async refresh(pod: Pod): Promise<void> {
    for (const projection of projectedTokens(pod)) {
      const held = this.#held.get(keyOf(projection));
      if (held && held.renewAt > this.#clock.now()) continue;
      try {
        this.#held.set(keyOf(projection), await this.#request(pod, projection));
      } catch (error) {
        if (!held) throw error;
        this.#held.set(keyOf(projection), { ...held, renewAt: this.#clock.now() + 10_000 });
      }
    }
  }

  get(projection: ServiceAccountTokenProjection): string {
    const held = this.#held.get(keyOf(projection));
    if (!held) throw new VolumeError("the service account token is not issued yet");
    return held.token;
  }

  /** When the next token is due; undefined without tokens. */
  nextRenewal(): number | undefined {
    const times = [...this.#held.values()].map(({ renewAt }) => renewAt);
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  async #request(pod: Pod, { audience, expirationSeconds = defaultSeconds }: ServiceAccountTokenProjection) {
    const { name, namespace = "", uid } = pod.metadata;
    const account = specOf(pod).serviceAccountName ?? "default";
    const answer = (await this.#client.createSubresource(ServiceAccount, { name: account, namespace }, "token", {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      metadata: { name: account, namespace },
      spec: {
        audiences: audience ? [audience] : [],
        expirationSeconds,
        boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid },
      },
    })) as TokenRequest;
    const now = this.#clock.now();
    const lifeMs = parseTime(answer.status!.expirationTimestamp) - now;
    // Renewals of many pods that started together spread out.
    const jitterMs = Math.random() * 10_000;
    return { token: answer.status!.token!, renewAt: now + Math.min(lifeMs * 0.8, longestHeldMs) - jitterMs };
  }
}
