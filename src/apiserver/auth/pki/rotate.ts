// Rotation on the directory alone: it works whether the cluster runs or not. A running one follows the files.
// CAs and the key of tokens change in two steps, between which old and new are trusted; certificates in one.
import { createPublicKey } from "node:crypto";
import { issuersOf, readAuthority } from "./authority.ts";
import { readPair, readText, writePair, writeText } from "./files.ts";
import { createCa, createSigningKey } from "./issue.ts";
import {
  caNames,
  isIssuedByOne,
  leafNames,
  leavesOf,
  locked,
  nextName,
  readCaFiles,
  replaceCa,
  settle,
  tokenKeyName,
  type CaFiles,
  type CaName,
  type LeafName,
  type PkiOptions,
  type State,
} from "./settle.ts";

export type PkiName = LeafName | CaName | typeof tokenKeyName;

/** What can be rotated; the last three in two steps. */
export const pkiNames: readonly PkiName[] = [...leafNames, ...caNames, tokenKeyName];

export interface RotationOptions extends Omit<PkiOptions, "ca"> {
  /** What becomes the CA; a new one of Knarr's own unless given. */
  readonly newCa?: CaFiles | undefined;
}

const isCa = (name: PkiName): name is CaName => (caNames as readonly string[]).includes(name);

const previousFile = (name: CaName | typeof tokenKeyName) =>
  `${name}-previous.${name === tokenKeyName ? "pub" : "crt"}`;

/**
 * New certificates at once; new CAs and keys beside the old ones, which stay trusted. Throws when a rotation of the same
 * CA or key is not finished yet.
 */
export const rotate = (dir: string, names: readonly PkiName[], options: RotationOptions): Promise<State> =>
  locked(dir, options.clock, async () => {
    for (const name of names) {
      if ((isCa(name) || name === tokenKeyName) && readText(dir, previousFile(name)) !== undefined) {
        throw new Error(`a rotation of ${name} is under way: finish it with \`knarr certs rotate ${name} --finish\``);
      }
    }
    for (const name of names) {
      if (isCa(name)) await rotateCa(dir, name, options);
      else if (name === tokenKeyName) await rotateTokenKey(dir);
      else remove(dir, name);
    }
    return settle(dir, options);
  });

/** Drops old CAs and keys: what they signed is refused from now on. Throws when nothing is under way. */
export const finish = (dir: string, names: readonly PkiName[], options: RotationOptions): Promise<State> =>
  locked(dir, options.clock, async () => {
    for (const name of names) {
      if (!(isCa(name) || name === tokenKeyName) || readText(dir, previousFile(name)) === undefined) {
        throw new Error(`no rotation of ${name} is under way`);
      }
    }
    for (const name of names) {
      if (isCa(name)) {
        const { pair } = readAuthority(dir, name)!;
        removeForeign(dir, name, issuersOf({ pair, previousPem: "" }));
      }
      writeText(dir, previousFile(name as CaName), undefined);
    }
    return settle(dir, options);
  });

async function rotateCa(dir: string, name: CaName, { clock, newCa }: RotationOptions): Promise<void> {
  const pair = name === "ca" && newCa ? await readCaFiles(newCa, clock) : await createCa(nextName(name, clock), clock);
  const old = readAuthority(dir, name);
  // Whatever else issued the certificates is not known any more, and nobody can vouch for them.
  removeForeign(dir, name, old ? issuersOf(old) : []);
  if (old) replaceCa(dir, name, old, pair);
  else writePair(dir, name, pair);
}

function removeForeign(dir: string, ca: CaName, issuers: ReturnType<typeof issuersOf>): void {
  for (const leaf of leavesOf(ca)) {
    const pair = readPair(dir, leaf);
    if (pair && !isIssuedByOne(pair, issuers)) remove(dir, leaf);
  }
}

function remove(dir: string, leaf: LeafName): void {
  for (const suffix of ["crt", "key"]) writeText(dir, `${leaf}.${suffix}`, undefined);
}

async function rotateTokenKey(dir: string): Promise<void> {
  const old = readText(dir, `${tokenKeyName}.key`);
  if (old)
    writeText(dir, previousFile(tokenKeyName), createPublicKey(old).export({ type: "spki", format: "pem" }) as string);
  writeText(dir, `${tokenKeyName}.key`, await createSigningKey());
}
