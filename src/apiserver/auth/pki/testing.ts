// For tests: a clock that is set, and CAs that somebody brings.
import { KeyObject } from "node:crypto";
import type { Clock } from "../../../machinery/clock.ts";
import type { KeyPair } from "./files.ts";
import { loadX509 } from "./issue.ts";

export const dayMs = 86_400_000;

/** A clock that stands still until it is set; nothing is ever called. */
export const standingClock = (now: number): Clock & { set(now: number): void } => ({
  now: () => now,
  after: () => () => {},
  set: (next) => void (now = next),
});

const rsa = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
};
const ec = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };

interface Wanted {
  readonly name: string;
  readonly key?: "rsa" | "ec";
  /** Self-signed without. The certificates of the issuer follow. */
  readonly issuer?: KeyPair & { readonly signing: CryptoKey };
  readonly from: number;
  readonly days?: number;
  /** False makes it a certificate that may sign nothing. */
  readonly isCa?: boolean;
}

export async function madeCa(wanted: Wanted): Promise<KeyPair & { readonly signing: CryptoKey }> {
  const { name, key = "ec", issuer, from, days = 1000, isCa = true } = wanted;
  const x509 = await loadX509();
  const keys = await crypto.subtle.generateKey(key === "rsa" ? rsa : ec, true, ["sign", "verify"]);
  const signing = issuer?.signing ?? keys.privateKey;
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: issuer ? new x509.X509Certificate(issuer.certPem).subject : `CN=${name}`,
    notBefore: new Date(from),
    notAfter: new Date(from + days * dayMs),
    publicKey: keys.publicKey,
    signingKey: signing,
    signingAlgorithm: signing.algorithm.name === "ECDSA" ? ec : rsa,
    extensions: [
      new x509.BasicConstraintsExtension(isCa, undefined, true),
      new x509.KeyUsagesExtension(isCa ? x509.KeyUsageFlags.keyCertSign : x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(
        issuer ? new x509.X509Certificate(issuer.certPem).publicKey : keys.publicKey,
      ),
    ],
  });
  return {
    certPem: `${certificate.toString("pem")}\n${issuer?.certPem ?? ""}`,
    keyPem: KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" }) as string,
    signing: keys.privateKey,
  };
}
