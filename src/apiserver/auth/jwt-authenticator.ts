// Tokens of foreign issuers (OpenID Connect): whose they are, as the AuthenticationConfiguration maps their claims.
// Follows kubernetes v1.36 apiserver/plugin/pkg/authenticator/token/oidc.
import type { Clock } from "../../machinery/clock.ts";
import type { TokenAuthenticator, UserInfo } from "../types.ts";
import type { CompiledIssuer, JwtIssuerConfig } from "./jwt-config.ts";
import { parseJwt } from "./jwt.ts";
import { createKeySet } from "./key-set.ts";

type Claims = Readonly<Record<string, unknown>>;

const notBeforeLeewaySeconds = 300;

/** `audiences` are those of the API server: what every token is good for that its own audiences let through. */
export function jwtAuthenticator(
  issuer: CompiledIssuer,
  { clock, audiences }: { readonly clock: Clock; readonly audiences: readonly string[] },
): TokenAuthenticator {
  const { url, discoveryURL, certificateAuthority, audiences: wanted } = issuer.config.issuer;
  const isSigned = createKeySet({
    issuer: url,
    discoveryUrl: discoveryURL ?? `${url.replace(/\/$/, "")}/.well-known/openid-configuration`,
    caPem: certificateAuthority,
    clock,
  });
  return {
    async authenticateToken(token) {
      const jwt = parseJwt(token);
      if (jwt?.claims.iss !== url) return undefined;
      const { claims } = jwt;
      const given = typeof claims.aud === "string" ? [claims.aud] : Array.isArray(claims.aud) ? claims.aud : [];
      if (!given.some((one) => wanted.includes(one as string))) fail("the token has none of the expected audiences");
      checkTimes(claims, clock.now() / 1000);
      if (!(await isSigned(jwt))) fail("failed to verify the signature");
      checkClaims(issuer, claims);
      const user = userOf(issuer, claims);
      checkUser(issuer, user);
      return { user, audiences };
    },
  };
}

function fail(message: string): never {
  throw new Error(`oidc: ${message}`);
}

function checkTimes({ exp, nbf }: Claims, seconds: number): void {
  if (typeof exp !== "number" || seconds > exp) fail("token is expired");
  if (typeof nbf === "number" && seconds < nbf - notBeforeLeewaySeconds) fail("token is not valid yet");
}

function checkClaims({ config, claims: expressions }: CompiledIssuer, claims: Claims): void {
  for (const { claim, requiredValue = "", expression, message } of config.claimValidationRules ?? []) {
    if (claim) {
      if (claims[claim] !== requiredValue) fail(`required claim ${claim} does not have the required value`);
    } else if (expressions.get(expression!)!(claims) !== true) {
      fail(message ?? `validation expression '${expression}' failed`);
    }
  }
}

function checkUser(
  { config, user: expressions }: CompiledIssuer,
  { name, uid = "", groups, extra = {} }: UserInfo,
): void {
  for (const { expression, message } of config.userValidationRules ?? []) {
    const user = { username: name, uid, groups, extra };
    if (expressions.get(expression!)!(user) !== true) {
      fail(message ?? `user validation expression '${expression}' failed`);
    }
  }
}

function userOf({ config, claims: expressions }: CompiledIssuer, claims: Claims): UserInfo {
  const { groups, uid, extra = [] } = config.claimMappings;
  const run = (expression: string) => expressions.get(expression)!(claims);
  const uidValue = uid && (uid.claim ? claims[uid.claim] : run(uid.expression!));
  if (uidValue !== undefined && typeof uidValue !== "string") fail("the uid is no string");
  const extras = extra.flatMap(({ key, valueExpression }) => {
    const values = textsOf(run(valueExpression), `extra ${key}`);
    return values.length > 0 ? [[key, values] as const] : [];
  });
  return {
    name: nameOf(config, claims, run),
    groups: groups ? groupsOf(groups, claims, run) : [],
    ...(uidValue ? { uid: uidValue } : {}),
    ...(extras.length > 0 ? { extra: Object.fromEntries(extras) } : {}),
  };
}

type Run = (expression: string) => unknown;

function nameOf({ claimMappings: { username } }: JwtIssuerConfig, claims: Claims, run: Run): string {
  const { claim, prefix = "", expression } = username;
  const name = claim ? claims[claim] : run(expression!);
  if (typeof name !== "string" || name === "") fail("the user name is missing or empty");
  if (claim === "email" && "email_verified" in claims && claims.email_verified !== true) fail("email not verified");
  return prefix + name;
}

function groupsOf(
  { claim, prefix = "", expression }: NonNullable<JwtIssuerConfig["claimMappings"]["groups"]>,
  claims: Claims,
  run: Run,
): string[] {
  const value = claim ? claims[claim] : run(expression!);
  return textsOf(value, "groups").map((group) => prefix + group);
}

/** A text or a list of texts; nothing for nothing, and empty texts are left out. */
function textsOf(value: unknown, what: string): string[] {
  const list: readonly unknown[] = value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
  if (!list.every((one) => typeof one === "string")) fail(`${what} are not strings`);
  return list.filter((one) => one !== "");
}
