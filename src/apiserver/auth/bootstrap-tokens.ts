// Bootstrap tokens: bearer tokens that are Secrets in kube-system, with which machines introduce themselves.
// Follows kubernetes v1.36 plugin/pkg/auth/authenticator/token/bootstrap.
import { createHash, timingSafeEqual } from "node:crypto";
import type { Secret } from "../../kinds/generated/core.v1.ts";
import type { Clock } from "../../machinery/clock.ts";
import { parseTime } from "../../machinery/clock.ts";
import type { Store } from "../../store/store.ts";
import type { TokenAuthenticator } from "../types.ts";

const form = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const extraGroup = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

export interface BootstrapTokenOptions {
  readonly store: Pick<Store, "get">;
  readonly clock: Clock;
  readonly audiences: readonly string[];
}

export function bootstrapTokens({ store, clock, audiences }: BootstrapTokenOptions): TokenAuthenticator {
  return {
    // oxlint-disable-next-line require-await -- what it throws has to become a rejection
    async authenticateToken(token) {
      const [, id, secret] = form.exec(token) ?? [];
      if (!id || !secret) return undefined;
      const key = { collection: "/secrets", namespace: "kube-system", name: `bootstrap-token-${id}` };
      const found = store.get(key)?.object as Secret | undefined;
      const text = (name: string) => Buffer.from(found?.data?.[name] ?? "", "base64").toString("utf8");
      const expiration = text("expiration");
      const good =
        found?.type === "bootstrap.kubernetes.io/token" &&
        found.metadata.deletionTimestamp === undefined &&
        sameText(text("token-secret"), secret) &&
        text("token-id") === id &&
        // A time that cannot be read counts as passed.
        (expiration === "" || parseTime(expiration) > clock.now()) &&
        text("usage-bootstrap-authentication") === "true";
      if (!good) return undefined;
      const extra = text("auth-extra-groups").split(",").filter(Boolean);
      const odd = extra.find((group) => !extraGroup.test(group));
      if (odd) throw new Error(`bootstrap token ${id} names a group that it may not have: ${JSON.stringify(odd)}`);
      const groups = [...new Set(["system:bootstrappers", ...extra])];
      return { user: { name: `system:bootstrap:${id}`, groups }, audiences };
    },
  };
}

const sameText = (a: string, b: string) =>
  timingSafeEqual(createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest());
