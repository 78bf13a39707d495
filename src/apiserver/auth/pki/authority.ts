// A certificate authority: Knarr's own or one that somebody brought, and those before it that are still trusted.
import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";
import { certificatesIn, isIssuedBy, isSelfSigned, nameOf } from "./chain.ts";
import { readPair, readText, type KeyPair } from "./files.ts";
import { algorithmOf, loadX509 } from "./issue.ts";

export interface Authority {
  /** Signs. The certificate is followed by those up to the root, when it is not one itself. */
  readonly pair: KeyPair;
  /** What signed before and is trusted until the rotation is finished; "" outside of one. */
  readonly previousPem: string;
}

/** What clients need to trust the servers: all CAs up to their roots. */
export const trustOf = ({ pair, previousPem }: Authority): string => pair.certPem + previousPem;

/** Those that sign, without the CAs above them: what they issue is believed, and nothing else. */
export function issuersOf({ pair, previousPem }: Authority): X509Certificate[] {
  const before = certificatesIn(previousPem);
  const signers = before.filter((one) => !before.some((other) => other !== one && isIssuedBy(other, one)));
  return [new X509Certificate(pair.certPem), ...signers];
}

const ownNames = /^CN=(knarr-ca|front-proxy-ca)(@\d+)?$/;

/** Whether Knarr made it, and so may make another in its place. */
export const isOwn = ({ certPem }: KeyPair): boolean => ownNames.test(new X509Certificate(certPem).subject);

/** The CA in the directory, unchecked; undefined when there is none. Throws when there is half of one. */
export function readAuthority(dir: string, name: string): Authority | undefined {
  const pair = readPair(dir, name);
  if (pair) return { pair, previousPem: readText(dir, `${name}-previous.crt`) ?? "" };
  const [certPem, keyPem] = [readText(dir, `${name}.crt`), readText(dir, `${name}.key`)];
  if (certPem === undefined && keyPem === undefined) return undefined;
  if (keyPem === undefined) {
    throw new Error(
      `${dir} holds ${name}.crt without ${name}.key. Knarr signs certificates itself and needs the CA's private key: ` +
        `put it there as ${name}.key, in PEM and without a passphrase`,
    );
  }
  if (certPem === undefined) {
    throw new Error(`${dir} holds only half of a CA: restore ${name}.crt and ${name}.key from a backup`);
  }
  parseKey(keyPem, `${dir}/${name}.key`);
  parseChain(certPem, `${dir}/${name}.crt`);
  throw new Error(`${name}.key in ${dir} does not belong to ${name}.crt: restore both from a backup`);
}

function parseKey(pem: string, file: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    const isLocked = /ENCRYPTED/.test(pem);
    throw new Error(`${file} ${isLocked ? "needs a passphrase: store it without one" : "is no private key in PEM"}`);
  }
  if (!algorithmOf(key)) throw new Error(`${file}: CA keys must be RSA or EC (P-256, P-384, P-521)`);
  return key;
}

function parseChain(pem: string, file: string): [X509Certificate, ...X509Certificate[]] {
  let chain: X509Certificate[] = [];
  try {
    chain = certificatesIn(pem);
  } catch {
    // Told below.
  }
  const [first, ...rest] = chain;
  if (!first) throw new Error(`${file} is no certificate in PEM`);
  return [first, ...rest];
}

/**
 * The pair of a CA that somebody brings. Throws an Error that says what it lacks: it must sign, be valid now, have its key,
 * and be followed by the CAs above it up to the root, without which clients cannot check what it issues.
 */
export async function checkedCa(
  { certPem, keyPem }: KeyPair,
  { certFile, keyFile }: { readonly certFile: string; readonly keyFile: string },
  now: number,
): Promise<KeyPair> {
  const key = parseKey(keyPem, keyFile);
  const chain = parseChain(certPem, certFile);
  const [ca] = chain;
  if (!ca.checkPrivateKey(key)) throw new Error(`${keyFile} does not belong to ${certFile}`);
  const { X509Certificate: Parsed, KeyUsagesExtension, KeyUsageFlags } = await loadX509();
  for (const one of chain) {
    const usages = new Parsed(one.raw).getExtension(KeyUsagesExtension)?.usages ?? KeyUsageFlags.keyCertSign;
    if (!one.ca || !(usages & KeyUsageFlags.keyCertSign)) {
      throw new Error(`${certFile}: ${nameOf(one)} may not sign certificates (it is no CA)`);
    }
    if (now < one.validFromDate.getTime())
      throw new Error(`${certFile}: ${nameOf(one)} is not valid before ${one.validFrom}`);
    if (now >= one.validToDate.getTime()) throw new Error(`${certFile}: ${nameOf(one)} expired on ${one.validTo}`);
  }
  chain.forEach((one, index) => {
    const above = chain[index + 1];
    if (above ? isIssuedBy(one, above) : isSelfSigned(one)) return;
    const issuer = one.issuer.replaceAll("\n", ", ");
    throw new Error(
      `${certFile}: ${nameOf(one)} must be followed by the CA that issued it (${issuer}), up to the root`,
    );
  });
  return {
    certPem: chain.map(String).join(""),
    keyPem: key.export({ type: "pkcs8", format: "pem" }) as string,
  };
}
