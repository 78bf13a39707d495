// The certificate that clients get when no Secret fits the name they ask for.
import { X509Certificate } from "node:crypto";

const dayMs = 86_400_000;
const validDays = 825;
const renewDays = 30;

/** Certificate and key as one PEM text, valid from a day ago for about two years. */
export async function createSelfSigned(commonName: string, now: number): Promise<string> {
  // The library needs it to be there first.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`,
    notBefore: new Date(now - dayMs),
    notAfter: new Date(now + validDays * dayMs),
    keys,
    signingAlgorithm: algorithm,
  });
  const key = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const lines = key.match(/.{1,64}/g)!.join("\n");
  return `${certificate.toString("pem")}\n-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`;
}

/** Whether the certificate ends within a month, or cannot be read at all. */
export function isExpiring(pem: string, now: number): boolean {
  try {
    return Date.parse(new X509Certificate(pem).validTo) < now + renewDays * dayMs;
  } catch {
    return true;
  }
}
