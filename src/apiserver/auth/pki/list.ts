// What lies in the directory with keys and certificates, for people to look at. Reads only, and never a certificate's key.
import { createPublicKey, X509Certificate } from "node:crypto";
import { certificatesIn, nameOf } from "./chain.ts";
import { readText } from "./files.ts";
import { verificationKey } from "../jwt.ts";
import { caNames, leafNames, tokenKeyName } from "./settle.ts";

export interface ListedCertificate {
  readonly name: string;
  readonly subject: string;
  readonly alternativeNames: readonly string[];
  /** Of `CA`, `server`, `client` and `tokens`. */
  readonly usages: readonly string[];
  readonly issuer: string;
  /** RFC 3339; absent for keys, which do not end. */
  readonly notBefore?: string;
  readonly expires?: string;
  /** Whole days, negative when it has ended. */
  readonly daysLeft?: number;
  /** Name in the directory. */
  readonly file: string;
  /** Why it cannot be used; absent for good ones. */
  readonly problem?: string;
}

const purposes: Readonly<Record<string, string>> = { "1.3.6.1.5.5.7.3.1": "server", "1.3.6.1.5.5.7.3.2": "client" };
const dayMs = 86_400_000;

/** In a fixed order; a damaged file is listed with its problem. */
export function listCertificates(dir: string, now: number): ListedCertificate[] {
  const files = [
    ...caNames.flatMap((name) => [
      { name, file: `${name}.crt` },
      { name: `${name}-previous`, file: `${name}-previous.crt` },
    ]),
    ...leafNames.map((name) => ({ name, file: `${name}.crt` })),
  ];
  const keys = [`${tokenKeyName}.key`, `${tokenKeyName}-previous.pub`];
  return [
    ...files.flatMap(({ name, file }) => {
      const pem = readText(dir, file);
      return pem === undefined ? [] : described(name, file, pem, now);
    }),
    ...keys.flatMap((file) => {
      const pem = readText(dir, file);
      return pem === undefined ? [] : describedKey(file, pem);
    }),
  ];
}

const nothingKnown = { subject: "", alternativeNames: [], usages: [], issuer: "" };

/** Of a leaf's file only the leaf: what follows it is listed as the CA's. */
function described(name: string, file: string, pem: string, now: number): ListedCertificate[] {
  try {
    const certificates = certificatesIn(pem);
    if (certificates.length === 0) throw new Error("no certificate in PEM");
    const shown = certificates[0]!.ca ? certificates : certificates.slice(0, 1);
    return shown.map((certificate) => ({ name, ...factsOf(certificate, now), file }));
  } catch (error) {
    return [{ name, ...nothingKnown, file, problem: `damaged: ${(error as Error).message}` }];
  }
}

function factsOf(certificate: X509Certificate, now: number): Omit<ListedCertificate, "name" | "file"> {
  const [from, until] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
  const problem = now >= until ? "expired" : now < from ? "not valid yet" : undefined;
  return {
    subject: nameOf(certificate),
    alternativeNames:
      certificate.subjectAltName?.split(", ").map((name) => name.replace(/^(DNS|IP Address):/, "")) ?? [],
    usages: certificate.ca ? ["CA"] : (certificate.keyUsage ?? []).map((usage) => purposes[usage] ?? usage),
    issuer: certificate.issuer.replaceAll("\n", ", "),
    notBefore: new Date(from).toISOString(),
    expires: new Date(until).toISOString(),
    daysLeft: Math.floor((until - now) / dayMs),
    ...(problem ? { problem } : {}),
  };
}

function describedKey(file: string, pem: string): ListedCertificate {
  const name = file.replace(/\..*/, "");
  try {
    const { kid } = verificationKey(createPublicKey(pem).export({ type: "spki", format: "pem" }) as string);
    return { name, ...nothingKnown, subject: `key ${kid}`, usages: ["tokens"], file };
  } catch {
    return { name, ...nothingKnown, usages: ["tokens"], file, problem: "damaged" };
  }
}
