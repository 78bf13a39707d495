// The public keys of an issuer of tokens, found through its discovery document, fetched when they are first needed and
// again when a token names a key that is not among them.
import type { Clock } from "../../machinery/clock.ts";
import { askJson } from "./https-json.ts";
import { isSignedBy, keysOfJwks, type Jwt, type VerificationKey } from "./jwt.ts";

export interface KeySetOptions {
  readonly issuer: string;
  /** Where the discovery document is. */
  readonly discoveryUrl: string;
  readonly caPem?: string | undefined;
  readonly clock: Clock;
}

const timeoutMs = 15_000;
/** Anybody can send tokens with made-up keys: so often at once are keys looked up for them, and then once in a while. */
const burst = 5;
const refillMs = 10_000;
const staleMs = 3_600_000;

/** Says whether the issuer signed a token; rejects when its keys cannot be had. */
export function createKeySet({ issuer, discoveryUrl, caPem, clock }: KeySetOptions): (jwt: Jwt) => Promise<boolean> {
  let keys: readonly VerificationKey[] = [];
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let tries = burst;
  let triedAt = clock.now();
  let fetching: Promise<void> | undefined;
  const ask = (url: string) => askJson({ url, timeoutMs, ...(caPem ? { caPem } : {}) });
  const fetchKeys = async () => {
    const found = (await ask(discoveryUrl)) as { issuer?: unknown; jwks_uri?: unknown } | null;
    if (found?.issuer !== issuer) throw new Error(`the discovery document is of another issuer than ${issuer}`);
    const { jwks_uri: keysUrl } = found;
    if (typeof keysUrl !== "string" || !keysUrl.startsWith("https://")) throw new Error("jwks_uri is no https URL");
    keys = keysOfJwks(await ask(keysUrl));
    fetchedAt = clock.now();
  };
  /** False when there were too many lately. */
  const mayTry = (): boolean => {
    const now = clock.now();
    const refilled = Math.floor((now - triedAt) / refillMs);
    if (refilled > 0) {
      tries = Math.min(burst, tries + refilled);
      triedAt = now;
    }
    if (tries === 0) return false;
    tries--;
    return true;
  };
  const refresh = (): Promise<void> => {
    fetching ??= fetchKeys().finally(() => (fetching = undefined));
    return fetching;
  };
  return async (jwt) => {
    const good = isSignedBy(jwt, keys);
    const isStale = clock.now() - fetchedAt > staleMs;
    if (good && !isStale) return true;
    if (!fetching && !mayTry()) return good;
    // Keys that are merely old stay good until the issuer says otherwise.
    await refresh().catch((error: unknown) => {
      if (!good) throw error;
    });
    return isSignedBy(jwt, keys);
  };
}
