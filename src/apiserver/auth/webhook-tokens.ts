// Bearer tokens that a webhook reviews. Follows kubernetes v1.36 apiserver/plugin/pkg/authenticator/token/webhook.
import type { TokenReview } from "../../kinds/generated/authentication.v1.ts";
import type { WebhookConnection } from "../../client/kubeconfig.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { TokenAuthenticator, UserInfo } from "../types.ts";
import { postReview } from "./https-json.ts";
import { createReviewCache } from "./review-cache.ts";

export interface WebhookTokenOptions {
  readonly connection: WebhookConnection;
  readonly clock: Clock;
  /** The audiences of the API server: what a webhook that names none vouches for. */
  readonly audiences: readonly string[];
  readonly cacheMs: number;
}

interface Question {
  readonly token: string;
  readonly audiences: readonly string[];
}

const timeoutMs = 30_000;

export function webhookTokens({ connection, clock, audiences, cacheMs }: WebhookTokenOptions): TokenAuthenticator {
  const cache = createReviewCache({
    clock,
    goodForMs: () => cacheMs,
    async ask(spec: Question): Promise<TokenReview["status"]> {
      const review = { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", metadata: {}, spec };
      const answer = (await postReview(connection, review, { clock, timeoutMs })) as Partial<TokenReview> | null;
      if (answer?.kind !== "TokenReview" || answer.apiVersion !== review.apiVersion) {
        throw new Error("the token webhook answered with something else than a TokenReview");
      }
      return answer.status ?? {};
    },
  });
  return {
    async authenticateToken(token, wanted = audiences) {
      const status = await cache.fresh({ token, audiences: wanted });
      if (!status?.authenticated) {
        if (status?.error) throw new Error(status.error);
        return undefined;
      }
      const user = userOf(status.user);
      return user && { user, audiences: status.audiences?.length ? status.audiences : audiences };
    },
  };
}

/** Undefined without a name: nobody may become the empty user. */
function userOf({ username, uid, groups, extra }: NonNullable<TokenReview["status"]>["user"] = {}):
  | UserInfo
  | undefined {
  if (typeof username !== "string" || username === "") return undefined;
  return { name: username, groups: groups ?? [], ...(uid ? { uid } : {}), ...(extra ? { extra } : {}) };
}
