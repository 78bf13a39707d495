// The file with the keys that Secrets are encrypted with by default. The first key writes, all read: more than one means that
// a rotation is under way, and whoever has rewritten everything takes the rest out.
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import type { NamedKey } from "./providers.ts";

export const keyFileOf = (dataDir: string): string => join(dataDir, "pki", "encryption.key");

export const newKey = (): NamedKey => ({ name: `key-${randomBytes(4).toString("hex")}`, secret: randomBytes(32) });

/** Undefined when there is no such file. Throws an Error that names it when it is not what it should be. */
export function readKeyFile(file: string): readonly NamedKey[] | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return parseKeys(text);
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

export function parseKeys(text: string): readonly NamedKey[] {
  const wayOut = "put the file back as it was, or Secrets cannot be read";
  let keys: readonly { readonly name: string; readonly secret: string }[];
  try {
    ({ keys } = JSON.parse(text));
  } catch (cause) {
    throw new Error(`these are no keys; ${wayOut}`, { cause });
  }
  const named = keys.map(({ name, secret }) => ({ name, secret: Buffer.from(secret, "base64") }));
  if (named.length > 0 && named.every(({ name, secret }) => /^[\w-]+$/.test(name) && secret.length === 32))
    return named;
  throw new Error(`these are no keys of 32 bytes; ${wayOut}`);
}

/** Replaces the file as a whole; on return it is on disk. Readable by the owner only. */
export function writeKeyFile(file: string, keys: readonly NamedKey[]): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const stored = keys.map(({ name, secret }) => ({ name, secret: Buffer.from(secret).toString("base64") }));
  const handle = openSync(`${file}.new`, "w", 0o600);
  writeSync(handle, `${JSON.stringify({ keys: stored }, null, 2)}\n`);
  fsyncSync(handle);
  closeSync(handle);
  renameSync(`${file}.new`, file);
  const directory = openSync(dirname(file), "r");
  fsyncSync(directory);
  closeSync(directory);
}
