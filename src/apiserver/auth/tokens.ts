// ServiceAccount tokens: JWTs bound to a service account and, if asked, to a pod, secret or node; and the older ones that
// never expire but live in a Secret. Checked against the store on every use, so that a token dies with what it is bound
// to. Follows kubernetes v1.36 pkg/serviceaccount (claims, legacy).
import { createPrivateKey, randomUUID, sign, timingSafeEqual } from "node:crypto";
import type { Secret } from "../../kinds/generated/core.v1.ts";
import type { Clock } from "../../machinery/clock.ts";
import { formatTime, parseTime } from "../../machinery/clock.ts";
import type { Store } from "../../store/store.ts";
import type { TokenIssuer, UserInfo } from "../types.ts";
import { isSignedBy, parseJwt, publicJwk, verificationKey } from "./jwt.ts";
import { sameUser } from "./same-user.ts";

interface Reference {
  readonly name: string;
  readonly uid: string;
}

interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number;
  readonly jti: string;
  readonly "kubernetes.io": {
    readonly namespace: string;
    readonly serviceaccount: Reference;
    readonly pod?: Reference;
    readonly secret?: Reference;
    readonly node?: { readonly name: string; readonly uid?: string };
    /** Seconds since the epoch from when on the token should have been replaced. */
    readonly warnafter?: number;
  };
}

const legacyIssuer = "kubernetes/serviceaccount";

interface LegacyClaims {
  readonly iss: typeof legacyIssuer;
  readonly sub: string;
  readonly "kubernetes.io/serviceaccount/namespace": string;
  readonly "kubernetes.io/serviceaccount/secret.name": string;
  readonly "kubernetes.io/serviceaccount/service-account.name": string;
  readonly "kubernetes.io/serviceaccount/service-account.uid": string;
}

interface TokenKeys {
  /** EC private key, PKCS #8. */
  readonly keyPem: string;
  /** Keys that signed before, private or public: their tokens stay good. */
  readonly previousKeyPems?: readonly string[];
}

export interface TokenIssuerOptions extends TokenKeys {
  /** The `iss` claim, and the audience that the API server itself accepts. */
  readonly issuer: string;
  readonly store: Pick<Store, "get">;
  readonly clock: Clock;
  /** Told when the token of a Secret is used that is not labelled as used on this day. */
  readonly onLegacyUse?: (
    secret: { readonly namespace: string; readonly name: string },
    labels: Readonly<Record<string, string>>,
  ) => void;
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
/** Signatures already checked; bounded, as anybody can send tokens. */
const maxVerified = 4096;
const leewaySeconds = 60;
const lastUsedLabel = "kubernetes.io/legacy-token-last-used";
const invalidSinceLabel = "kubernetes.io/legacy-token-invalid-since";

function signerOf({ keyPem, previousKeyPems = [] }: TokenKeys) {
  const privateKey = createPrivateKey(keyPem);
  const keys = [keyPem, ...previousKeyPems].map(verificationKey);
  const { kid, algorithms } = keys[0]!;
  const alg = algorithms[0]!;
  const header = base64url({ alg, kid });
  return {
    keys,
    // Tried whatever name the token gives, as earlier versions named keys differently.
    nameless: keys.map(({ key, algorithms: good }) => ({ key, algorithms: good })),
    signed(claims: object): string {
      const text = `${header}.${base64url(claims)}`;
      const signature = sign(`sha${alg.slice(2)}`, Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" });
      return `${text}.${signature.toString("base64url")}`;
    },
  };
}

export interface RotatingTokenIssuer extends TokenIssuer {
  /** Signs and checks with other keys from now on. */
  useKeys(keys: TokenKeys): void;
  /** Whether one of the keys signed the token, whatever else is wrong with it. */
  isSigned(token: string): boolean;
}

/** Issues tokens at once and checks them; everything but the signature is checked anew on every call. */
export function createTokenIssuer(options: TokenIssuerOptions): RotatingTokenIssuer {
  const { issuer, store, clock } = options;
  let signer = signerOf(options);
  const verified = new Map<string, Claims | LegacyClaims>();
  // One object per token, so that what others keep about a user is found again.
  const users = new WeakMap<Claims, UserInfo>();

  const claimsOf = (token: string): Claims | LegacyClaims | undefined => {
    const known = verified.get(token);
    if (known) return known;
    const jwt = parseJwt(token);
    if (!jwt || (jwt.claims.iss !== issuer && jwt.claims.iss !== legacyIssuer)) return undefined;
    if (!isSignedBy(jwt, signer.nameless)) throw new Error("the signature of the service account token is invalid");
    const claims = jwt.claims as unknown as Claims | LegacyClaims;
    if (verified.size >= maxVerified) verified.clear();
    verified.set(token, claims);
    return claims;
  };

  return {
    issuer,
    keys: () => ({ keys: signer.keys.map(publicJwk) }),
    useKeys(keys) {
      signer = signerOf(keys);
      verified.clear();
    },
    isSigned(token) {
      const jwt = parseJwt(token);
      return jwt !== undefined && isSignedBy(jwt, signer.nameless);
    },
    async issue(request) {
      const now = Math.floor(clock.now() / 1000);
      const warnAfter = request.warnAfterSeconds;
      const nodeUid = request.nodeName
        ? store.get({ collection: "/nodes", namespace: "", name: request.nodeName })?.object.metadata.uid
        : undefined;
      const bound = request.boundObject;
      const jti = randomUUID();
      const claims: Claims = {
        aud: request.audiences.length > 0 ? request.audiences : [issuer],
        exp: now + request.expirationSeconds,
        iat: now,
        iss: issuer,
        jti,
        "kubernetes.io": {
          namespace: request.namespace,
          ...(request.nodeName ? { node: { name: request.nodeName, ...(nodeUid ? { uid: nodeUid } : {}) } } : {}),
          ...(bound ? { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } } : {}),
          serviceaccount: request.serviceAccount,
          ...(warnAfter === undefined ? {} : { warnafter: now + warnAfter }),
        },
        nbf: now,
        sub: `system:serviceaccount:${request.namespace}:${request.serviceAccount.name}`,
      };
      const expiresAt = now + (warnAfter ?? request.expirationSeconds);
      return { token: signer.signed(claims), expirationTimestamp: formatTime(expiresAt * 1000) };
    },
    issueLegacy: ({ namespace, serviceAccount, secretName }) =>
      signer.signed({
        iss: legacyIssuer,
        sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
        "kubernetes.io/serviceaccount/namespace": namespace,
        "kubernetes.io/serviceaccount/secret.name": secretName,
        "kubernetes.io/serviceaccount/service-account.name": serviceAccount.name,
        "kubernetes.io/serviceaccount/service-account.uid": serviceAccount.uid,
      } satisfies LegacyClaims),
    async authenticateToken(token) {
      const claims = claimsOf(token);
      if (!claims) return undefined;
      if (claims.iss === legacyIssuer) {
        return { user: legacyUser(claims as LegacyClaims, token, options), audiences: [issuer] };
      }
      const current = claims as Claims;
      checkTimes(current, clock.now() / 1000);
      checkBindings(current, store, clock.now());
      let user = users.get(current);
      if (!user) users.set(current, (user = userOf(current)));
      return { user, audiences: current.aud };
    },
  };
}

function checkTimes({ exp, nbf, iat }: Claims, seconds: number): void {
  if (typeof exp !== "number" || seconds >= exp) throw new Error("service account token has expired");
  if (seconds < nbf - leewaySeconds || seconds < iat - leewaySeconds) {
    throw new Error("service account token is not valid yet");
  }
}

/** The object is there, is the very one, and is not past the end of its grace by more than some leeway. */
function lives(store: Pick<Store, "get">, place: StorePlace, uid: string | undefined, now: number): boolean {
  const metadata = store.get(place)?.object.metadata;
  if (!metadata || (uid !== undefined && metadata.uid !== uid)) return false;
  return metadata.deletionTimestamp === undefined || now < parseTime(metadata.deletionTimestamp) + leewaySeconds * 1000;
}

interface StorePlace {
  readonly collection: string;
  readonly namespace: string;
  readonly name: string;
}

/** Throws unless the account and the bound object still exist as the very ones that the token was issued for. */
function checkBindings(claims: Claims, store: Pick<Store, "get">, now: number): void {
  const { namespace, serviceaccount, pod, secret, node } = claims["kubernetes.io"];
  const check = (plural: string, where: string, reference: { name: string; uid?: string } | undefined) => {
    if (!reference) return;
    const place = { collection: `/${plural}`, namespace: where, name: reference.name };
    if (!lives(store, place, reference.uid, now)) throw new Error("service account token has been invalidated");
  };
  check("serviceaccounts", namespace, serviceaccount);
  check("pods", namespace, pod);
  check("secrets", namespace, secret);
  if (!pod) check("nodes", "", node);
}

function userOf(claims: Claims): UserInfo {
  const { namespace, serviceaccount, pod, node } = claims["kubernetes.io"];
  const prefix = "authentication.kubernetes.io";
  return {
    ...accountUser(namespace, serviceaccount),
    extra: {
      [`${prefix}/credential-id`]: [`JTI=${claims.jti}`],
      ...(pod ? { [`${prefix}/pod-name`]: [pod.name], [`${prefix}/pod-uid`]: [pod.uid] } : {}),
      ...(node ? { [`${prefix}/node-name`]: [node.name] } : {}),
      ...(node?.uid ? { [`${prefix}/node-uid`]: [node.uid] } : {}),
    },
  };
}

const accountUser = (namespace: string, { name, uid }: Reference): UserInfo => ({
  name: `system:serviceaccount:${namespace}:${name}`,
  uid,
  groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
});

/** The user of a Secret's token, which must be the one in the Secret now. Throws when it is not. */
function legacyUser(claims: LegacyClaims, token: string, options: TokenIssuerOptions): UserInfo {
  const { store, clock, onLegacyUse } = options;
  const namespace = claims["kubernetes.io/serviceaccount/namespace"];
  const secretName = claims["kubernetes.io/serviceaccount/secret.name"];
  const account = {
    name: claims["kubernetes.io/serviceaccount/service-account.name"],
    uid: claims["kubernetes.io/serviceaccount/service-account.uid"],
  };
  const now = clock.now();
  const secretPlace = { collection: "/secrets", namespace, name: secretName };
  const secret = store.get(secretPlace)?.object as Secret | undefined;
  const kept = Buffer.from(secret?.data?.token ?? "", "base64");
  const isKept = kept.length === token.length && timingSafeEqual(kept, Buffer.from(token));
  const labels = secret?.metadata.labels ?? {};
  const good =
    isKept &&
    lives(store, secretPlace, undefined, now) &&
    lives(store, { collection: "/serviceaccounts", namespace, name: account.name }, account.uid, now) &&
    !labels[invalidSinceLabel];
  if (!good) throw new Error("service account token has been invalidated");
  const day = formatTime(now).slice(0, 10);
  if (labels[lastUsedLabel] !== day) onLegacyUse?.({ namespace, name: secretName }, { [lastUsedLabel]: day });
  return sameUser(accountUser(namespace, account));
}
