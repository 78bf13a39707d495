// JSON Web Tokens: taken apart strictly, and checked against public keys whose algorithms are known beforehand, so that
// neither `none` nor a shared secret ever counts as a signature.
import { createHash, createPublicKey, constants, verify, type KeyObject } from "node:crypto";

export interface Jwt {
  readonly header: { readonly alg?: unknown; readonly kid?: unknown; readonly crit?: unknown };
  readonly claims: Readonly<Record<string, unknown>>;
  readonly signed: string;
  readonly signature: Buffer;
}

export interface VerificationKey {
  readonly kid?: string;
  readonly key: KeyObject;
  readonly algorithms: readonly string[];
}

const compact = /^([\w-]+)\.([\w-]+)\.([\w-]*)$/;

/** Undefined when the text is no JWT in compact form. Nothing is checked yet. */
export function parseJwt(token: string): Jwt | undefined {
  const [, head, body, signature] = compact.exec(token) ?? [];
  const header = head && objectIn(head);
  const claims = body && objectIn(body);
  if (!header || !claims) return undefined;
  return { header, claims, signed: `${head}.${body}`, signature: Buffer.from(signature!, "base64url") };
}

function objectIn(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

const rsaAlgorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const curves: Readonly<Record<string, { alg: string; crv: string }>> = {
  prime256v1: { alg: "ES256", crv: "P-256" },
  secp384r1: { alg: "ES384", crv: "P-384" },
  secp521r1: { alg: "ES512", crv: "P-521" },
};

/** Algorithms that a public key is good for; none for keys that sign no tokens. */
function algorithmsOf(key: KeyObject): readonly string[] {
  if (key.asymmetricKeyType === "rsa") return rsaAlgorithms;
  const curve = curves[key.asymmetricKeyDetails?.namedCurve ?? ""];
  return key.asymmetricKeyType === "ec" && curve ? [curve.alg] : [];
}

/** The public half of a PEM key, named by its content. Throws when the PEM is none, or of a sort that signs no tokens. */
export function verificationKey(pem: string): VerificationKey & { readonly kid: string } {
  const key = createPublicKey(pem);
  const algorithms = algorithmsOf(key);
  if (algorithms.length === 0) throw new Error(`keys of type ${key.asymmetricKeyType} sign no tokens`);
  const der = key.export({ type: "spki", format: "der" });
  return { key, kid: createHash("sha256").update(der).digest("base64url"), algorithms };
}

/** As a row of a JWKS document. */
export const publicJwk = ({ key, kid, algorithms }: VerificationKey) => ({
  use: "sig",
  kid,
  alg: algorithms[0],
  ...key.export({ format: "jwk" }),
});

/** The keys of a JWKS document that sign tokens; others are left out. Throws when it is no such document. */
export function keysOfJwks(document: unknown): VerificationKey[] {
  const { keys } = (document ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new Error("the document with the keys has no list of keys");
  return (keys as Record<string, string>[]).flatMap((jwk) => {
    if (typeof jwk !== "object" || jwk === null || (jwk.use && jwk.use !== "sig")) return [];
    try {
      const key = createPublicKey({ key: jwk, format: "jwk" });
      const algorithms = algorithmsOf(key).filter((name) => !jwk.alg || jwk.alg === name);
      return [{ key, algorithms, ...(typeof jwk.kid === "string" ? { kid: jwk.kid } : {}) }];
    } catch {
      return [];
    }
  });
}

/** Whether one of the keys made the signature. A key whose name is another than the token asks for is not tried. */
export function isSignedBy(jwt: Jwt, keys: readonly VerificationKey[]): boolean {
  const { alg, kid, crit } = jwt.header;
  if (typeof alg !== "string" || crit !== undefined) return false;
  const candidates = keys.filter((key) => !kid || !key.kid || key.kid === kid);
  return candidates.some(({ key, algorithms }) => algorithms.includes(alg) && verifies(jwt, alg, key));
}

function verifies({ signed, signature }: Jwt, alg: string, key: KeyObject): boolean {
  const pss = alg.startsWith("PS");
  const options = alg.startsWith("ES")
    ? { key, dsaEncoding: "ieee-p1363" as const }
    : { key, ...(pss ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(alg.slice(2)) / 8 } : {}) };
  try {
    return verify(`sha${alg.slice(2)}`, Buffer.from(signed), options, signature);
  } catch {
    return false;
  }
}
