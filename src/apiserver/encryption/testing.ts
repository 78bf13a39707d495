// For tests: a store on disk with its encryption, as a cluster has them.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock, type Clock } from "../../machinery/clock.ts";
import { silentLogger, type Logger } from "../../machinery/log.ts";
import { openSqliteStore } from "../../store/sqlite.ts";
import type { Store } from "../../store/store.ts";
import { readStored } from "../../store/read.ts";
import { prefixOf } from "./codec.ts";
import { openEncryption, type Encryption } from "./encryption.ts";

export const keyOf = (name: string) => ({ collection: "/secrets", namespace: "default", name });
export const secret = (name: string, value: string) => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace: "default", uid: name, resourceVersion: "", creationTimestamp: "" },
  data: { value: Buffer.from(value).toString("base64") },
});
export const create = (store: Store, name: string, value: string) =>
  store.write([{ type: "create", key: keyOf(name), object: secret(name, value) }]);
export const update = (store: Store, name: string, value: string) => {
  const { revision } = store.latest(keyOf(name))!;
  return store.write([{ type: "update", key: keyOf(name), object: secret(name, value), expectedRevision: revision }]);
};
export const valueOf = (store: Store, name: string) => {
  const { data } = store.get(keyOf(name))!.object as ReturnType<typeof secret>;
  return Buffer.from(data.value, "base64").toString();
};
/** How the rows of Secrets begin. */
export const prefixes = (dataDir: string) => {
  const rows = [...readStored(join(dataDir, "store.db"))].filter(({ key }) => key.collection === "/secrets");
  return [
    ...new Set(rows.filter(({ value }) => value.length > 0).map(({ value }) => prefixOf(value) ?? "plain")),
  ].toSorted();
};

export interface EncryptedStore extends AsyncDisposable {
  readonly store: Store;
  readonly encryption: Encryption;
}

export interface Opening {
  readonly config?: string;
  readonly clock?: Clock;
  readonly log?: Logger;
  /** Stands between the encryption and the store. */
  readonly wrap?: (store: Store) => Store;
}

export async function openEncrypted(dataDir: string, opening: Opening = {}): Promise<EncryptedStore> {
  const { config, clock = realClock, log = silentLogger, wrap = (store: Store) => store } = opening;
  const stop = new AbortController();
  const flags = config ? { encryptionProviderConfig: config } : {};
  try {
    const encryption = await openEncryption({ dataDir, flags, clock, log, signal: stop.signal });
    const store = await openSqliteStore({ file: join(dataDir, "store.db"), clock, log, codec: encryption.codec });
    const close = async () => {
      stop.abort();
      await store.close();
    };
    try {
      await encryption.follow(wrap(store));
    } catch (error) {
      await close();
      throw error;
    }
    return { store, encryption, [Symbol.asyncDispose]: close };
  } catch (error) {
    stop.abort();
    throw error;
  }
}

export function dataDirectory(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "knarr-encryption-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Files below the directory that have the text in them, also as base64. */
export function filesWith(directory: string, text: string): string[] {
  const whole = Buffer.from(text).subarray(0, text.length - (text.length % 3));
  const forms = [text, whole.toString("base64")];
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => {
    const file = join(directory, name);
    if (!statSync(file).isFile()) return false;
    const bytes = readFileSync(file);
    return forms.some((form) => bytes.includes(form));
  });
}
