// All that an administrator configured about who may come in, put together: the order is upstream's.
// Follows kubernetes v1.36 pkg/kubeapiserver/authenticator (config.go).
import { readFileSync } from "node:fs";
import { webhookConnection } from "../../client/kubeconfig.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import { parseDuration } from "../../machinery/duration.ts";
import type { Store } from "../../store/store.ts";
import type { ApiServerFlags } from "../flags.ts";
import type { TokenAuthenticator, TokenIssuer } from "../types.ts";
import type { AuthorizationOrder } from "./authorizer-chain.ts";
import { isOpenPath, tokenChain, type Authentication } from "./authenticate.ts";
import { bootstrapTokens } from "./bootstrap-tokens.ts";
import { followConfig } from "./config-file.ts";
import { staticTokens } from "./static-tokens.ts";
import { webhookTokens } from "./webhook-tokens.ts";

interface ConfigurationOptions {
  readonly flags: ApiServerFlags;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborting it ends the watching of files. */
  readonly signal: AbortSignal;
}

export interface AuthenticationOptions extends ConfigurationOptions {
  readonly tokens: TokenIssuer;
  readonly store: Pick<Store, "get">;
  readonly frontProxyCaPem: () => string;
}

/** Undefined when nothing is configured. Throws an Error that names the file and what is wrong with it. */
export async function configuredAuthorization({
  flags,
  ...options
}: ConfigurationOptions): Promise<AuthorizationOrder | undefined> {
  const { authorizationConfig: file } = flags;
  if (!file) return undefined;
  const { configuredChain } = await import("./authorization-config.ts");
  return configuredChain({ ...options, file });
}

/** Common names of the certificates with which this server calls others. */
const frontProxyNames = ["front-proxy-client"];
const defaultCacheMs = 120_000;

/** Throws an Error that names the file and what is wrong with it. */
export async function configuredAuthentication(options: AuthenticationOptions): Promise<Authentication> {
  const { flags, tokens, store, clock } = options;
  const audiences = [tokens.issuer];
  const authenticators: TokenAuthenticator[] = [];
  const { tokenAuthFile, authenticationTokenWebhookConfigFile: webhookFile } = flags;
  if (tokenAuthFile) {
    const read = () => staticTokens(readFileSync(tokenAuthFile, "utf8"), audiences);
    authenticators.push(await named(tokenAuthFile, read));
  }
  authenticators.push(tokens, bootstrapTokens({ store, clock, audiences }));
  const structured = await structuredAuthentication(options, audiences);
  if (structured) authenticators.push(structured.tokens);
  if (webhookFile) {
    const connection = await named(webhookFile, () => webhookConnection(webhookFile));
    const ttl = flags.authenticationTokenWebhookCacheTtl;
    const cacheMs = ttl === undefined ? defaultCacheMs : parseDuration(ttl);
    if (cacheMs === undefined) throw new Error(`--authentication-token-webhook-cache-ttl: ${ttl} is no duration`);
    authenticators.push(webhookTokens({ connection, clock, audiences, cacheMs }));
  }
  return {
    tokens: tokenChain(authenticators),
    audiences,
    frontProxy: { caPem: options.frontProxyCaPem, allowedNames: frontProxyNames },
    allowsAnonymous: structured?.allowsAnonymous ?? isOpenPath,
  };
}

/** What the ConfigMap extension-apiserver-authentication tells other API servers. */
export const authenticationTrust = (
  clientCaPem: string,
  frontProxyCaPem: string,
): Readonly<Record<string, string>> => ({
  "client-ca-file": clientCaPem,
  "requestheader-allowed-names": JSON.stringify(frontProxyNames),
  "requestheader-client-ca-file": frontProxyCaPem,
  "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
  "requestheader-group-headers": '["X-Remote-Group"]',
  "requestheader-uid-headers": '["X-Remote-Uid"]',
  "requestheader-username-headers": '["X-Remote-User"]',
});

async function named<T>(file: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

type Structured = Pick<Authentication, "tokens" | "allowsAnonymous">;

/** What the AuthenticationConfiguration says now; a file that cannot be used later leaves it as it was. */
async function structuredAuthentication(
  { flags, tokens, clock, log, signal }: AuthenticationOptions,
  audiences: readonly string[],
): Promise<Structured | undefined> {
  const file = flags.authenticationConfig;
  if (!file) return undefined;
  const [{ parseAuthenticationConfig }, { jwtAuthenticator }] = await Promise.all([
    import("./jwt-config.ts"),
    import("./jwt-authenticator.ts"),
  ]);
  let current: Structured | undefined;
  await followConfig(file, {
    log,
    signal,
    load: (text) => parseAuthenticationConfig(text, tokens.issuer),
    use({ jwt, anonymous }) {
      const open = anonymous?.conditions?.map(({ path }) => path);
      current = {
        tokens: tokenChain(jwt.map((issuer) => jwtAuthenticator(issuer, { clock, audiences }))),
        allowsAnonymous: anonymous ? (path) => anonymous.enabled && (open?.includes(path) ?? true) : isOpenPath,
      };
    },
  });
  return {
    tokens: { authenticateToken: (token, wanted) => current!.tokens.authenticateToken(token, wanted) },
    allowsAnonymous: (path) => current!.allowsAnonymous(path),
  };
}
