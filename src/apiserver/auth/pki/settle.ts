// Brings the directory with keys and certificates into the state that it should be in now: makes what is missing, damaged
// or near its end, replaces Knarr's own CA in time, and drops CAs that ended. Everything that writes there ends with this.
import { createPrivateKey, hash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { sleep, type Clock } from "../../../machinery/clock.ts";
import type { Logger } from "../../../machinery/log.ts";
import { checkedCa, isOwn, issuersOf, readAuthority, type Authority } from "./authority.ts";
import { certificatesIn, isIssuedBy, nameOf } from "./chain.ts";
import {
  makeDirectory,
  readPair,
  readText,
  releaseLock,
  takeLock,
  writePair,
  writeText,
  type KeyPair,
} from "./files.ts";
import { createCa, createSigningKey, daySeconds, issue, subjectOf } from "./issue.ts";
import { caRenewalMs, isGoodAt, renewalAt, type Validity } from "./validity.ts";

/** Where a CA comes from that Knarr does not make itself. */
export interface CaFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface PkiOptions {
  /** DNS names of the serving certificate; localhost and kubernetes.default… are the caller's to list. */
  readonly names: readonly string[];
  /** IP addresses of the serving certificate. */
  readonly addresses: readonly string[];
  readonly clock: Clock;
  readonly log?: Logger;
  /** The CA to begin with; later it must be the same. */
  readonly ca?: CaFiles;
}

export const leafNames = ["serving", "admin", "front-proxy-client"] as const;
export const caNames = ["ca", "front-proxy-ca"] as const;
export const tokenKeyName = "service-account";
export type LeafName = (typeof leafNames)[number];
export type CaName = (typeof caNames)[number];

export interface State {
  readonly cas: Readonly<Record<CaName, Authority>>;
  readonly leaves: Readonly<Record<LeafName, KeyPair>>;
  /** EC private key that signs ServiceAccount tokens, PKCS #8. */
  readonly tokenKeyPem: string;
  /** Public keys that still verify them; "" outside of a rotation. */
  readonly previousTokenKeysPem: string;
}

export const leafOptions = {
  serving: { ca: "ca", subject: "CN=kube-apiserver", usages: ["server"] },
  admin: {
    ca: "ca",
    subject: subjectOf({ commonName: "kubernetes-admin", organizations: ["system:masters"] }),
    usages: ["client"],
  },
  "front-proxy-client": { ca: "front-proxy-ca", subject: "CN=front-proxy-client", usages: ["client"] },
} as const satisfies Record<LeafName, { ca: CaName; subject: string; usages: readonly ("client" | "server")[] }>;

export const leavesOf = (ca: CaName): readonly LeafName[] => leafNames.filter((name) => leafOptions[name].ca === ca);

/** These are shown to those who learn of a new CA with some delay, so that they change at the end of a rotation. */
const shownToOthers: readonly LeafName[] = ["serving", "front-proxy-client"];

const lockTries = 100;
const lockWaitMs = 100;

/**
 * One writer at a time, in this process or another. Nobody writes for ten seconds: who still has the lock then was killed,
 * and another process got its number.
 */
export async function locked<T>(dir: string, clock: Clock, work: () => Promise<T>): Promise<T> {
  makeDirectory(dir);
  for (let tries = 0; !takeLock(dir); tries++) {
    if (tries === lockTries) releaseLock(dir);
    else await sleep(clock, lockWaitMs);
  }
  try {
    return await work();
  } finally {
    releaseLock(dir);
  }
}

/** To be called with the lock. Throws when there is a CA that cannot be used: none is ever silently replaced. */
export async function settle(dir: string, options: PkiOptions): Promise<State> {
  const [ca, frontProxyCa] = [await settleCa(dir, "ca", options), await settleCa(dir, "front-proxy-ca", options)];
  const cas = { ca, "front-proxy-ca": frontProxyCa };
  const leaves: Partial<Record<LeafName, KeyPair>> = {};
  for (const name of leafNames) leaves[name] = await settleLeaf(dir, name, cas[leafOptions[name].ca], options);
  const tokenKeyPem = readText(dir, `${tokenKeyName}.key`) ?? (await createSigningKey());
  checkTokenKey(tokenKeyPem, dir);
  if (readText(dir, `${tokenKeyName}.key`) === undefined) writeText(dir, `${tokenKeyName}.key`, tokenKeyPem);
  const previousTokenKeysPem = readText(dir, `${tokenKeyName}-previous.pub`) ?? "";
  return { cas, leaves: leaves as Record<LeafName, KeyPair>, tokenKeyPem, previousTokenKeysPem };
}

function checkTokenKey(pem: string, dir: string): void {
  try {
    createPrivateKey(pem);
  } catch {
    throw new Error(`${tokenKeyName}.key in ${dir} is damaged: restore it, or remove it, which ends all tokens so far`);
  }
}

const settleCa = async (dir: string, name: CaName, options: PkiOptions): Promise<Authority> =>
  keepInTime(dir, name, await presentCa(dir, name, options), options);

/** The CA that is there, or a first one. Throws when it cannot be the one that the cluster had so far. */
async function presentCa(dir: string, name: CaName, options: PkiOptions): Promise<Authority> {
  const { clock } = options;
  const brought = name === "ca" ? options.ca : undefined;
  const leaves = leavesOf(name).flatMap((leaf) => readPair(dir, leaf) ?? []);
  const found = readAuthority(dir, name);
  if (!found) {
    if (leaves.length > 0)
      throw new Error(`${dir} holds certificates without the CA that issued them: ${wayOut(name)}`);
    const pair = brought ? await readCaFiles(brought, clock) : await createCa(baseNames[name], clock);
    return { pair: writePair(dir, name, pair), previousPem: "" };
  }
  if (brought && !isSameCa(readFileSync(brought.certFile, "utf8"), found.pair.certPem)) {
    const { certFile, keyFile } = brought;
    throw new Error(
      `this cluster has another CA than ${certFile}: start it without --ca-cert, or let that one take over with ` +
        `\`knarr certs rotate ca --ca-cert ${certFile} --ca-key ${keyFile}\``,
    );
  }
  if (leaves.length === 0 && !isOwn(found.pair)) {
    const files = { certFile: `${dir}/${name}.crt`, keyFile: `${dir}/${name}.key` };
    return { ...found, pair: writePair(dir, name, await checkedCa(found.pair, files, clock.now())) };
  }
  const issuers = issuersOf(found);
  if (leaves.length > 0 && !leaves.some((leaf) => isIssuedByOne(leaf, issuers))) {
    throw new Error(`${name}.crt in ${dir} is not the CA that issued this cluster's certificates: ${wayOut(name)}`);
  }
  return found;
}

/** Replaces Knarr's own CA before it ends, and drops those that ended. Throws when one that was brought has ended. */
async function keepInTime(dir: string, name: CaName, found: Authority, options: PkiOptions): Promise<Authority> {
  const { clock, log } = options;
  const now = clock.now();
  const { from, until } = validityOf(found.pair);
  if (now < from) log?.error({ ca: name, from: new Date(from) }, "the CA is not valid yet: is the clock wrong?");
  let authority = found;
  if (isOwn(found.pair) && now >= until - caRenewalMs) {
    log?.warn({ ca: name, until: new Date(until) }, "the CA comes to its end: a new one takes over");
    authority = replaceCa(dir, name, found, await createCa(nextName(name, clock), clock));
  } else if (now >= until) {
    throw new Error(`the CA ${nameOf(new X509Certificate(found.pair.certPem))} has expired: ${wayOut(name)}`);
  }
  const good = certificatesIn(authority.previousPem).filter((one) => now < one.validToDate.getTime());
  const previousPem = good.join("");
  if (previousPem !== authority.previousPem) writeText(dir, `${name}-previous.crt`, previousPem || undefined);
  return { ...authority, previousPem };
}

const wayOut = (name: CaName): string =>
  `restore ${name}.crt and ${name}.key from a backup, or give the cluster a CA for good with ` +
  `\`knarr certs rotate ${name}\`${name === "ca" ? " (of your own with --ca-cert FILE --ca-key FILE)" : ""}`;

const baseNames = { ca: "knarr-ca", "front-proxy-ca": "front-proxy-ca" } as const;

/** Two CAs of one name would be mistaken for each other. */
export const nextName = (name: CaName, clock: Clock): string => `${baseNames[name]}@${Math.floor(clock.now() / 1000)}`;

export const readCaFiles = ({ certFile, keyFile }: CaFiles, clock: Clock): Promise<KeyPair> =>
  checkedCa(
    { certPem: readFileSync(certFile, "utf8"), keyPem: readFileSync(keyFile, "utf8") },
    { certFile, keyFile },
    clock.now(),
  );

const isSameCa = (a: string, b: string): boolean =>
  certificatesIn(a)[0]?.raw.equals(certificatesIn(b)[0]!.raw) === true;

/** The old CA is written down as trusted before the new one takes its place. */
export function replaceCa(dir: string, name: CaName, old: Authority, pair: KeyPair): Authority {
  const previousPem = isSameCa(old.pair.certPem, pair.certPem) ? old.previousPem : old.pair.certPem + old.previousPem;
  writeText(dir, `${name}-previous.crt`, previousPem || undefined);
  return { pair: writePair(dir, name, pair), previousPem };
}

async function settleLeaf(dir: string, name: LeafName, authority: Authority, options: PkiOptions): Promise<KeyPair> {
  const { clock, names, addresses } = options;
  const current = readPair(dir, name);
  const issuers = issuersOf(authority);
  const accepted = shownToOthers.includes(name) ? issuers : issuers.slice(0, 1);
  const isGood =
    current &&
    isIssuedByOne(current, accepted) &&
    isGoodAt(clock.now(), validityOf(current), validityOf(authority.pair)) &&
    (name !== "serving" || covers(current, options));
  if (isGood) return current;
  const { subject, usages } = leafOptions[name];
  const leaf = { subject, usages, seconds: 365 * daySeconds, ...(name === "serving" ? { names, addresses } : {}) };
  return writePair(dir, name, await issue(authority.pair, leaf, clock));
}

export function isIssuedByOne({ certPem }: KeyPair, issuers: readonly X509Certificate[]): boolean {
  const certificate = new X509Certificate(certPem);
  return issuers.some((issuer) => isIssuedBy(certificate, issuer));
}

function validityOf({ certPem }: Pick<KeyPair, "certPem">): Validity {
  const { validFromDate, validToDate } = new X509Certificate(certPem);
  return { from: validFromDate.getTime(), until: validToDate.getTime() };
}

function covers({ certPem }: KeyPair, { names, addresses }: PkiOptions): boolean {
  const certificate = new X509Certificate(certPem);
  return (
    names.every((name) => certificate.checkHost(name, { wildcards: false }) !== undefined) &&
    addresses.every((address) => certificate.checkIP(address) !== undefined)
  );
}

/** Two states with the same digest are the same. */
export const digestOf = (state: State): string => hash("sha256", JSON.stringify(state));

/** The times between which nothing is to be done. */
export function calmOf({ cas, leaves }: State): Validity {
  const pairs = leafNames.map((name) => {
    const leaf = validityOf(leaves[name]);
    return { from: leaf.from, until: renewalAt(leaf, validityOf(cas[leafOptions[name].ca].pair)) };
  });
  const authorities = caNames.map((name) => {
    const { until } = validityOf(cas[name].pair);
    return isOwn(cas[name].pair) ? until - caRenewalMs : until;
  });
  return {
    from: Math.max(...pairs.map(({ from }) => from)),
    until: Math.min(...pairs.map(({ until }) => until), ...authorities),
  };
}
