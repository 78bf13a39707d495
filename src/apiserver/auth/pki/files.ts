// The directory with keys and certificates: private to its owner, written so that a crash leaves old or new, one writer.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface KeyPair {
  /** The certificate, followed by those between it and the root, if any. */
  readonly certPem: string;
  /** PKCS #8. */
  readonly keyPem: string;
}

const lockName = ".lock";

export function makeDirectory(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  chmodSync(dir, 0o700);
}

export function readText(dir: string, name: string): string | undefined {
  try {
    return readFileSync(join(dir, name), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

const inUseName = ".in-use";

/** The digest of what the running server uses; undefined when none ever said so. */
export const inUse = (dir: string): string | undefined => readText(dir, inUseName);

export const declareInUse = (dir: string, digest: string): void => writeText(dir, inUseName, digest);

const temporaryName = (name: string) => `.${name}.new`;

/** Without text the file is removed. */
export function writeText(dir: string, name: string, text: string | undefined): void {
  if (text === undefined) return rmSync(join(dir, name), { force: true });
  writeFileSync(join(dir, temporaryName(name)), text, { mode: 0o600 });
  renameSync(join(dir, temporaryName(name)), join(dir, name));
}

/** Both are on disk before either takes its place, so that `readPair` can finish what a crash left half done. */
export function writePair(dir: string, name: string, pair: KeyPair): KeyPair {
  writeFileSync(join(dir, temporaryName(`${name}.crt`)), pair.certPem, { mode: 0o600 });
  writeText(dir, `${name}.key`, pair.keyPem);
  renameSync(join(dir, temporaryName(`${name}.crt`)), join(dir, `${name}.crt`));
  return pair;
}

/** Undefined when a file is missing, damaged or does not belong to the other. */
export function readPair(dir: string, name: string): KeyPair | undefined {
  const keyPem = readText(dir, `${name}.key`);
  const certPem = readText(dir, `${name}.crt`);
  if (keyPem === undefined) return undefined;
  if (certPem !== undefined && belong({ certPem, keyPem })) return { certPem, keyPem };
  const written = readText(dir, temporaryName(`${name}.crt`));
  if (written === undefined || !belong({ certPem: written, keyPem })) return undefined;
  renameSync(join(dir, temporaryName(`${name}.crt`)), join(dir, `${name}.crt`));
  return { certPem: written, keyPem };
}

function belong({ certPem, keyPem }: KeyPair): boolean {
  try {
    return new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    return false;
  }
}

/** True when the lock was taken; false while another living process has it. */
export function takeLock(dir: string): boolean {
  const file = join(dir, lockName);
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: "wx", mode: 0o600 });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = Number(readText(dir, lockName));
    if (holder > 0 && holder !== process.pid && isAlive(holder)) return false;
    rmSync(file, { force: true });
  }
}

export const releaseLock = (dir: string): void => rmSync(join(dir, lockName), { force: true });

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
