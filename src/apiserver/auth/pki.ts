// The cluster's keys and certificates in one directory: made once, checked at every start, renewed before they expire.
// Certificates are EC P-256; the X.509 writer is only loaded when something has to be issued.
import { X509Certificate, createPrivateKey, randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Pkcs10CertificateRequest } from "@peculiar/x509";
import type { Clock } from "../../machinery/clock.ts";

export interface KeyPair {
  readonly certPem: string;
  /** PKCS #8. */
  readonly keyPem: string;
}

export interface ClientIdentity {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly days?: number;
}

export interface PkiOptions {
  /** DNS names of the serving certificate; localhost and kubernetes.default… are the caller's to list. */
  readonly names: readonly string[];
  /** IP addresses of the serving certificate. */
  readonly addresses: readonly string[];
  readonly clock: Clock;
}

export interface Pki {
  readonly caPem: string;
  readonly serving: KeyPair;
  /** CN=kubernetes-admin, O=system:masters. */
  readonly admin: KeyPair;
  /** What signs the certificate below and nothing else: whoever shows one is believed when it says who asks. */
  readonly frontProxyCaPem: string;
  /** CN=front-proxy-client: shown to extension API servers. */
  readonly frontProxyClient: KeyPair;
  /** EC private key that signs ServiceAccount tokens, PKCS #8. */
  readonly serviceAccountKeyPem: string;
  issueClientCertificate(identity: ClientIdentity): Promise<KeyPair>;
  /** A certificate for the public key of a PKCS #10 request; the caller decides subject and usages. PEM with the CA not included. */
  signRequest(csrPem: string, options: SignOptions): Promise<string>;
  /** Issues anew what expires soon; true when the serving pair changed. */
  renew(): Promise<boolean>;
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

/** The writer's dependency injection needs the reflection polyfill to be there before it. */
export async function loadX509() {
  await import("reflect-metadata");
  return import("@peculiar/x509");
}

const dayMs = 86_400_000;
const caDays = 3650;
const leafDays = 365;
/** A leaf is issued anew when less than this remains: long before anyone is locked out. */
const renewBeforeMs = 120 * dayMs;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/**
 * Reads the PKI in `dir`, making the directory (0700) and whatever is missing, damaged, near expiry or, for the serving
 * certificate, lacks one of the names. Throws when the CA is unreadable: it is never silently replaced.
 */
export async function ensurePki(dir: string, options: PkiOptions): Promise<Pki> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
  const issuer = createIssuer(dir, options.clock);
  const now = () => options.clock.now();
  const ca = readCa(dir, "ca") ?? (await issuer.createCa("ca", "knarr-ca"));
  const frontProxyCa = readCa(dir, "front-proxy-ca") ?? (await issuer.createCa("front-proxy-ca", "front-proxy-ca"));
  const serviceAccountKeyPem =
    readText(dir, "service-account.key") ?? (await issuer.createKeyFile("service-account.key"));

  const leaves = {
    serving: { ca, subject: "CN=kube-apiserver", usages: ["server"], ...options },
    admin: {
      ca,
      subject: subjectOf({ commonName: "kubernetes-admin", organizations: ["system:masters"] }),
      usages: ["client"],
    },
    "front-proxy-client": { ca: frontProxyCa, subject: "CN=front-proxy-client", usages: ["client"] },
  } as const;
  const load = async (name: keyof typeof leaves, current?: KeyPair) => {
    const pair = current ?? readPair(dir, name);
    const { ca: signer, ...leaf } = leaves[name];
    const isGood = pair && isUsable(pair, signer.certPem, now()) && (name !== "serving" || covers(pair, options));
    return isGood ? pair : issuer.issue(signer, { ...leaf, days: leafDays, file: name });
  };
  let serving = await load("serving");
  let admin = await load("admin");
  let frontProxyClient = await load("front-proxy-client");

  return {
    caPem: ca.certPem,
    get serving() {
      return serving;
    },
    get admin() {
      return admin;
    },
    frontProxyCaPem: frontProxyCa.certPem,
    get frontProxyClient() {
      return frontProxyClient;
    },
    serviceAccountKeyPem,
    issueClientCertificate: (identity) =>
      issuer.issue(ca, { subject: subjectOf(identity), days: identity.days ?? leafDays, usages: ["client"] }),
    signRequest: (csrPem, signing) => issuer.signRequest(ca, csrPem, signing),
    async renew() {
      const before = serving;
      serving = await load("serving", serving);
      admin = await load("admin", admin);
      frontProxyClient = await load("front-proxy-client", frontProxyClient);
      return serving !== before;
    },
  };
}

interface LeafOptions {
  readonly subject: string;
  readonly days: number;
  readonly usages: readonly ("client" | "server")[];
  readonly keyEncipherment?: boolean;
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
  /** Base name of the files to keep the pair in. */
  readonly file?: string;
}

function createIssuer(dir: string, clock: Clock) {
  const validity = (days: number) => ({
    // A minute back, so that a client whose clock is slightly behind accepts the certificate.
    notBefore: new Date(clock.now() - 60_000),
    notAfter: new Date(clock.now() + days * dayMs),
  });
  const importCaKey = (pem: string) =>
    crypto.subtle.importKey("pkcs8", derOf(pem), algorithm, false, ["sign"]) as Promise<CryptoKey>;
  const createKey = () => crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);

  return {
    async createCa(file: string, commonName: string): Promise<KeyPair> {
      const { X509CertificateGenerator, BasicConstraintsExtension, KeyUsagesExtension, KeyUsageFlags } =
        await loadX509();
      const keys = await createKey();
      const certificate = await X509CertificateGenerator.createSelfSigned({
        serialNumber: randomSerial(),
        name: `CN=${commonName}`,
        ...validity(caDays),
        keys,
        signingAlgorithm: algorithm,
        extensions: [
          new BasicConstraintsExtension(true, undefined, true),
          new KeyUsagesExtension(
            KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature,
            true,
          ),
        ],
      });
      return writePair(dir, file, {
        certPem: `${certificate.toString("pem")}\n`,
        keyPem: await keyPemOf(keys.privateKey),
      });
    },
    async createKeyFile(name: string): Promise<string> {
      const pem = await keyPemOf((await createKey()).privateKey);
      writeFile(dir, name, pem);
      return pem;
    },
    async issue(ca: KeyPair, leaf: LeafOptions): Promise<KeyPair> {
      const keys = await createKey();
      const certPem = await this.sign(ca, keys.publicKey, {
        ...leaf,
        ...validity(leaf.days),
      });
      const pair = { certPem, keyPem: await keyPemOf(keys.privateKey) };
      return leaf.file ? writePair(dir, leaf.file, pair) : pair;
    },
    async signRequest(ca: KeyPair, csrPem: string, options: SignOptions): Promise<string> {
      const { Pkcs10CertificateRequest } = await loadX509();
      const request = new Pkcs10CertificateRequest(csrPem);
      if (!(await request.verify())) throw new Error("the certificate request is not signed by its own key");
      return this.sign(ca, request.publicKey, {
        subject: options.subject ?? request.subject,
        usages: options.usages,
        keyEncipherment: options.keyEncipherment ?? false,
        ...(options.names ? { names: options.names } : {}),
        ...(options.addresses ? { addresses: options.addresses } : {}),
        ...validity(options.seconds / 86_400),
      });
    },
    async sign(
      ca: KeyPair,
      publicKey: CryptoKey | Pkcs10CertificateRequest["publicKey"],
      leaf: Omit<LeafOptions, "days" | "file"> & { notBefore: Date; notAfter: Date },
    ): Promise<string> {
      const x509 = await loadX509();
      const alternatives = [
        ...(leaf.names ?? []).map((value) => ({ type: "dns" as const, value })),
        ...(leaf.addresses ?? []).map((value) => ({ type: "ip" as const, value })),
      ];
      const { digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
      const purposes = { client: x509.ExtendedKeyUsage.clientAuth, server: x509.ExtendedKeyUsage.serverAuth };
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: randomSerial(),
        subject: leaf.subject,
        issuer: new x509.X509Certificate(ca.certPem).subject,
        notBefore: leaf.notBefore,
        notAfter: leaf.notAfter,
        publicKey,
        signingKey: await importCaKey(ca.keyPem),
        signingAlgorithm: algorithm,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(digitalSignature | (leaf.keyEncipherment ? keyEncipherment : 0), true),
          new x509.ExtendedKeyUsageExtension(leaf.usages.map((usage) => purposes[usage])),
          ...(alternatives.length > 0 ? [new x509.SubjectAlternativeNameExtension(alternatives)] : []),
        ],
      });
      return `${certificate.toString("pem")}\n`;
    },
  };
}

/** RFC 4514 text of a client's subject: organizations are its groups, the common name its user name. */
function subjectOf({ commonName, organizations }: ClientIdentity): string {
  const escape = (text: string) => text.replace(/([,+"\\<>;=#])/g, "\\$1");
  return [...organizations.map((group) => `O=${escape(group)}`), `CN=${escape(commonName)}`].join(", ");
}

const randomSerial = () => {
  const bytes = randomBytes(12);
  bytes[0] = (bytes[0]! & 0x7f) | 0x01;
  return bytes.toString("hex");
};

const derOf = (pem: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(createPrivateKey(pem).export({ type: "pkcs8", format: "der" }));

async function keyPemOf(key: CryptoKey): Promise<string> {
  const { KeyObject } = await import("node:crypto");
  return KeyObject.from(key).export({ type: "pkcs8", format: "pem" }) as string;
}

function isUsable(pair: KeyPair, caPem: string, now: number): boolean {
  const certificate = new X509Certificate(pair.certPem);
  return (
    Date.parse(certificate.validTo) - now > renewBeforeMs &&
    certificate.checkIssued(new X509Certificate(caPem)) &&
    certificate.verify(new X509Certificate(caPem).publicKey) &&
    certificate.checkPrivateKey(createPrivateKey(pair.keyPem))
  );
}

function covers(pair: KeyPair, { names, addresses }: PkiOptions): boolean {
  const certificate = new X509Certificate(pair.certPem);
  return (
    names.every((name) => certificate.checkHost(name, { wildcards: false }) !== undefined) &&
    addresses.every((address) => certificate.checkIP(address) !== undefined)
  );
}

function readCa(dir: string, name: string): KeyPair | undefined {
  const certPem = readText(dir, `${name}.crt`);
  const keyPem = readText(dir, `${name}.key`);
  if (certPem === undefined && keyPem === undefined) return undefined;
  if (certPem === undefined || keyPem === undefined) {
    throw new Error(`${dir} holds only half of a CA: restore ${name}.crt and ${name}.key from a backup`);
  }
  if (!new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem))) {
    throw new Error(`${name}.key in ${dir} does not belong to ${name}.crt: restore both from a backup`);
  }
  return { certPem, keyPem };
}

function readPair(dir: string, name: string): KeyPair | undefined {
  const certPem = readText(dir, `${name}.crt`);
  const keyPem = readText(dir, `${name}.key`);
  if (certPem === undefined || keyPem === undefined) return undefined;
  try {
    new X509Certificate(certPem);
    createPrivateKey(keyPem);
    return { certPem, keyPem };
  } catch {
    return undefined;
  }
}

function readText(dir: string, name: string): string | undefined {
  try {
    return readFileSync(join(dir, name), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function writePair(dir: string, name: string, pair: KeyPair): KeyPair {
  writeFile(dir, `${name}.key`, pair.keyPem);
  writeFile(dir, `${name}.crt`, pair.certPem);
  return pair;
}

/** Written beside and renamed, so that a crash leaves the old file or the new one. */
function writeFile(dir: string, name: string, text: string): void {
  const temporary = join(dir, `.${name}.new`);
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, join(dir, name));
}
