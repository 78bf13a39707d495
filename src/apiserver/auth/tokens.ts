// ServiceAccount tokens: ES256 JWTs bound to a service account and, if asked, to a pod, secret or node. Checked against
// the store on every use, so that a token dies with what it is bound to. Follows kubernetes v1.36 pkg/serviceaccount (claims).
import { createHash, createPrivateKey, createPublicKey, randomUUID, sign, verify } from "node:crypto";
import type { Clock } from "../../machinery/clock.ts";
import { formatTime, parseTime } from "../../machinery/clock.ts";
import { unauthorized } from "../../machinery/errors.ts";
import type { Store } from "../../store/store.ts";
import type { TokenIssuer, UserInfo } from "../types.ts";

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
  };
}

export interface TokenIssuerOptions {
  /** EC P-256 private key, PKCS #8. */
  readonly keyPem: string;
  /** The `iss` claim, and the audience that the API server itself accepts. */
  readonly issuer: string;
  readonly store: Pick<Store, "get">;
  readonly clock: Clock;
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
/** Signatures already checked; bounded, as anybody can send tokens. */
const maxVerified = 4096;

/** Issues tokens at once and checks them; everything but the signature is checked anew on every call. */
export function createTokenIssuer({ keyPem, issuer, store, clock }: TokenIssuerOptions): TokenIssuer {
  const privateKey = createPrivateKey(keyPem);
  const publicKey = createPublicKey(privateKey);
  const { kty, crv, x, y } = publicKey.export({ format: "jwk" });
  const keyId = createHash("sha256").update(JSON.stringify({ crv, kty, x, y })).digest("base64url");
  const header = base64url({ alg: "ES256", kid: keyId });
  const verified = new Map<string, Claims>();

  const signatureClaims = (token: string): Claims | undefined => {
    const known = verified.get(token);
    if (known) return known;
    const claims = parseClaims(token);
    if (claims?.iss !== issuer) return undefined;
    const [head = "", body = "", signature = ""] = token.split(".");
    const good =
      decode<{ alg?: string }>(head)?.alg === "ES256" &&
      verify(
        "sha256",
        Buffer.from(`${head}.${body}`),
        { key: publicKey, dsaEncoding: "ieee-p1363" },
        Buffer.from(signature, "base64url"),
      );
    if (!good) throw unauthorized();
    if (verified.size >= maxVerified) verified.clear();
    verified.set(token, claims);
    return claims;
  };

  return {
    issuer,
    keys: () => ({ keys: [{ use: "sig", kty, kid: keyId, crv, alg: "ES256", x, y }] }),
    async issue(request) {
      const now = Math.floor(clock.now() / 1000);
      const exp = now + request.expirationSeconds;
      const bound = request.boundObject;
      const nodeUid = request.nodeName
        ? store.get({ collection: "/nodes", namespace: "", name: request.nodeName })?.object.metadata.uid
        : undefined;
      const claims: Claims = {
        aud: request.audiences.length > 0 ? request.audiences : [issuer],
        exp,
        iat: now,
        iss: issuer,
        jti: randomUUID(),
        "kubernetes.io": {
          namespace: request.namespace,
          ...(request.nodeName ? { node: { name: request.nodeName, ...(nodeUid ? { uid: nodeUid } : {}) } } : {}),
          ...(bound ? { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } } : {}),
          serviceaccount: request.serviceAccount,
        },
        nbf: now,
        sub: `system:serviceaccount:${request.namespace}:${request.serviceAccount.name}`,
      };
      const text = `${header}.${base64url(claims)}`;
      const signature = sign("sha256", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" });
      return { token: `${text}.${signature.toString("base64url")}`, expirationTimestamp: formatTime(exp * 1000) };
    },
    async authenticateToken(token) {
      const claims = signatureClaims(token);
      if (!claims) return undefined;
      const seconds = clock.now() / 1000;
      if (seconds >= claims.exp || seconds < claims.nbf - 60) throw unauthorized();
      if (!isBoundToLiving(claims, store, clock.now())) throw unauthorized();
      return { user: userOf(claims), audiences: claims.aud };
    },
  };
}

function decode<T>(part: string): T | undefined {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8")) as T;
  } catch {
    return undefined;
  }
}

function parseClaims(token: string): Claims | undefined {
  const parts = token.split(".");
  return parts.length === 3 ? decode<Claims>(parts[1]!) : undefined;
}

/** The account and the bound object still exist as the very ones that the token was issued for. */
function isBoundToLiving(claims: Claims, store: Pick<Store, "get">, now: number): boolean {
  const { namespace, serviceaccount, pod, secret, node } = claims["kubernetes.io"];
  const lives = (collection: string, where: string, reference: { name: string; uid?: string }) => {
    const metadata = store.get({ collection, namespace: where, name: reference.name })?.object.metadata;
    if (!metadata || (reference.uid !== undefined && metadata.uid !== reference.uid)) return false;
    // Some leeway past the end of its grace, as upstream grants it.
    return metadata.deletionTimestamp === undefined || now < parseTime(metadata.deletionTimestamp) + 60_000;
  };
  return (
    lives("/serviceaccounts", namespace, serviceaccount) &&
    (!pod || lives("/pods", namespace, pod)) &&
    (!secret || lives("/secrets", namespace, secret)) &&
    (!node || pod !== undefined || lives("/nodes", "", node))
  );
}

function userOf(claims: Claims): UserInfo {
  const { namespace, serviceaccount, pod, node } = claims["kubernetes.io"];
  const prefix = "authentication.kubernetes.io";
  return {
    name: claims.sub,
    uid: serviceaccount.uid,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
    extra: {
      [`${prefix}/credential-id`]: [`JTI=${claims.jti}`],
      ...(pod ? { [`${prefix}/pod-name`]: [pod.name], [`${prefix}/pod-uid`]: [pod.uid] } : {}),
      ...(node ? { [`${prefix}/node-name`]: [node.name] } : {}),
      ...(node?.uid ? { [`${prefix}/node-uid`]: [node.uid] } : {}),
    },
  };
}
