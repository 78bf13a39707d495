// Making CAs and certificates. What Knarr makes is EC P-256; a CA that somebody brought may also have an RSA key or
// another curve. The X.509 writer is only loaded when something has to be issued.
import { createPrivateKey, KeyObject, randomBytes } from "node:crypto";
import type { Extension, PublicKey, X509Certificate } from "@peculiar/x509";
import type { Clock } from "../../../machinery/clock.ts";
import type { KeyPair } from "./files.ts";
import { certificatesIn, isSelfSigned } from "./chain.ts";

export interface ClientIdentity {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly days?: number;
}

export interface SignOptions {
  readonly usages: readonly ("client" | "server")[];
  readonly keyEncipherment?: boolean;
  readonly seconds: number;
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
  /** RFC 4514 subject; that of the request when absent. */
  readonly subject?: string;
}

export type LeafOptions = SignOptions & { readonly subject: string };

export const daySeconds = 86_400;
const caDays = 3650;
/** A CA that was made while the clock was ahead must not wait for its time. */
const caHeadStartMs = 365 * daySeconds * 1000;
/** So that a client whose clock is slightly behind accepts a certificate. */
const headStartMs = 60_000;
const ownAlgorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** The writer's dependency injection needs the reflection polyfill to be there before it. */
export async function loadX509() {
  await import("reflect-metadata");
  return import("@peculiar/x509");
}

const makeKey = () => crypto.subtle.generateKey(ownAlgorithm, true, ["sign", "verify"]);
const pemOf = (key: CryptoKey) => KeyObject.from(key).export({ type: "pkcs8", format: "pem" }) as string;

export const createSigningKey = async (): Promise<string> => pemOf((await makeKey()).privateKey);

export async function createCa(commonName: string, clock: Clock): Promise<KeyPair> {
  const x509 = await loadX509();
  const { keyCertSign, cRLSign, digitalSignature } = x509.KeyUsageFlags;
  const keys = await makeKey();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name: `CN=${commonName}`,
    notBefore: new Date(clock.now() - caHeadStartMs),
    notAfter: new Date(clock.now() + caDays * daySeconds * 1000),
    keys,
    signingAlgorithm: ownAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(keyCertSign | cRLSign | digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certPem: `${certificate.toString("pem")}\n`, keyPem: pemOf(keys.privateKey) };
}

/** A new key with a certificate for it. */
export async function issue(ca: KeyPair, leaf: LeafOptions, clock: Clock): Promise<KeyPair> {
  const keys = await makeKey();
  return { certPem: await sign(ca, keys.publicKey, leaf, clock), keyPem: pemOf(keys.privateKey) };
}

/** A certificate for the public key of a PKCS #10 request. Throws when the request is not signed by its own key. */
export async function signRequest(ca: KeyPair, csrPem: string, options: SignOptions, clock: Clock): Promise<string> {
  const { Pkcs10CertificateRequest } = await loadX509();
  const request = new Pkcs10CertificateRequest(csrPem);
  if (!(await request.verify())) throw new Error("the certificate request is not signed by its own key");
  return sign(ca, request.publicKey, { ...options, subject: options.subject ?? request.subject }, clock);
}

/** The certificate and, when the CA is not a root, those up to it. It does not outlive the CA. */
async function sign(ca: KeyPair, publicKey: CryptoKey | PublicKey, leaf: LeafOptions, clock: Clock): Promise<string> {
  const x509 = await loadX509();
  const issuer = new x509.X509Certificate(ca.certPem);
  const { key, algorithm } = await signingKey(ca.keyPem);
  const alternatives = [
    ...(leaf.names ?? []).map((value) => ({ type: "dns" as const, value })),
    ...(leaf.addresses ?? []).map((value) => ({ type: "ip" as const, value })),
  ];
  const { digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
  const purposes = { client: x509.ExtendedKeyUsage.clientAuth, server: x509.ExtendedKeyUsage.serverAuth };
  const end = Math.min(clock.now() + leaf.seconds * 1000, issuer.notAfter.getTime());
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: leaf.subject,
    issuer: issuer.subjectName,
    notBefore: new Date(clock.now() - headStartMs),
    notAfter: new Date(end),
    publicKey,
    signingKey: key,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(digitalSignature | (leaf.keyEncipherment ? keyEncipherment : 0), true),
      new x509.ExtendedKeyUsageExtension(leaf.usages.map((usage) => purposes[usage])),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await authorityKeyIdentifier(issuer),
      ...(alternatives.length > 0 ? [new x509.SubjectAlternativeNameExtension(alternatives)] : []),
    ],
  });
  const between = certificatesIn(ca.certPem).filter((one) => !isSelfSigned(one));
  return [certificate.toString("pem"), "\n", ...between.map(String)].join("");
}

/** What the CA calls its key, which need not be the hash that others would take. */
async function authorityKeyIdentifier(issuer: X509Certificate): Promise<Extension> {
  const { AuthorityKeyIdentifierExtension, SubjectKeyIdentifierExtension } = await loadX509();
  const named = issuer.getExtension(SubjectKeyIdentifierExtension);
  return named
    ? new AuthorityKeyIdentifierExtension(named.keyId)
    : AuthorityKeyIdentifierExtension.create(issuer.publicKey);
}

const curves: Readonly<Record<string, { namedCurve: string; hash: string }>> = {
  prime256v1: { namedCurve: "P-256", hash: "SHA-256" },
  secp384r1: { namedCurve: "P-384", hash: "SHA-384" },
  secp521r1: { namedCurve: "P-521", hash: "SHA-512" },
};

/** Undefined for keys that sign no certificates here. */
export function algorithmOf(key: KeyObject): { name: string; namedCurve?: string; hash: string } | undefined {
  if (key.asymmetricKeyType === "rsa") return { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const curve = key.asymmetricKeyType === "ec" && curves[key.asymmetricKeyDetails?.namedCurve ?? ""];
  return curve ? { name: "ECDSA", ...curve } : undefined;
}

async function signingKey(keyPem: string) {
  const key = createPrivateKey(keyPem);
  const algorithm = algorithmOf(key)! as typeof ownAlgorithm;
  const der = new Uint8Array(key.export({ type: "pkcs8", format: "der" }));
  return { key: await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]), algorithm };
}

/** RFC 4514 text of a client's subject: organizations are its groups, the common name its user name. */
export function subjectOf({ commonName, organizations }: ClientIdentity): string {
  const escape = (text: string) => text.replace(/([,+"\\<>;=#])/g, "\\$1");
  return [...organizations.map((group) => `O=${escape(group)}`), `CN=${escape(commonName)}`].join(", ");
}

const randomSerial = () => {
  const bytes = randomBytes(12);
  bytes[0] = (bytes[0]! & 0x7f) | 0x01;
  return bytes.toString("hex");
};
