// Encryption of stored objects: opened before the store, as its codec, and then following it: what is stored in another form
// than the keys of now would give it is rewritten, at the start and whenever keys or configuration change.
import { existsSync } from "node:fs";
import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { Codec } from "../../store/log.ts";
import type { Store } from "../../store/store.ts";
import { followConfig } from "../auth/config-file.ts";
import type { ApiServerFlags } from "../flags.ts";
import type { HealthCheck } from "../http/services.ts";
import { covers, EncryptionCodec, type EncryptionRules, type Rule } from "./codec.ts";
import { parseEncryptionConfig, type KmsPlugin } from "./config.ts";
import { keyFileOf, newKey, parseKeys, readKeyFile, writeKeyFile } from "./key-file.ts";
import type { KmsProvider } from "./kms.ts";
import { aesGcm, identity, type NamedKey } from "./providers.ts";

export interface EncryptionOptions {
  readonly dataDir: string;
  readonly flags: Pick<ApiServerFlags, "encryptionProviderConfig">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborting it ends the watching of files and plugins. */
  readonly signal: AbortSignal;
}

export interface Encryption {
  readonly codec: Codec;
  /**
   * To be called once, with the store that was opened with the codec, before anything is written: resolves when everything
   * is stored as it should be, and goes on following keys and configuration.
   */
  follow(store: Store): Promise<void>;
  /** For /readyz and /healthz. */
  checks(): readonly HealthCheck[];
}

/** Throws an Error that names the file when the keys or the configuration cannot be used. */
export function openEncryption(options: EncryptionOptions): Promise<Encryption> {
  const { encryptionProviderConfig: file } = options.flags;
  return file ? configured(file, options) : Promise.resolve(byKeyFile(options));
}

/** Secrets, by the keys in a file of ours that is made at the first start. */
function byKeyFile({ dataDir, log, signal }: EncryptionOptions): Encryption {
  const file = keyFileOf(dataDir);
  const stored = readKeyFile(file);
  let current = stored ?? [newKey()];
  const rulesOf = (keys: readonly NamedKey[]): EncryptionRules => ({
    rules: [{ resource: "secrets", providers: [...keys.map(aesGcm), identity] }],
    readers: [],
    source: existsSync(file) ? file : `${file} (there is no such file)`,
  });
  const codec = new EncryptionCodec(rulesOf(current));
  const settle = () => {
    current = current.slice(0, 1);
    writeKeyFile(file, current);
  };
  const adopt = async (keys: readonly NamedKey[], store: Store) => {
    const names = (list: readonly NamedKey[]) => list.map(({ name }) => name).join();
    if (names(keys) === names(current)) return;
    const count = await exchange(codec, rulesOf(keys), store);
    current = keys;
    if (keys.length > 1) settle();
    log.info({ file, key: current[0]!.name, count }, "Secrets were encrypted with a new key");
  };
  return {
    codec,
    checks: () => [],
    async follow(store) {
      // Only now is it certain that nothing in the store needs a key that got lost with the file.
      if (!stored) writeKeyFile(file, current);
      if (codec.sawStale) {
        const count = await store.rewrite((key, bytes) => codec.renewed(key, bytes));
        log.info({ file, key: current[0]!.name, count }, "Secrets stored otherwise are encrypted now");
      }
      if (current.length > 1) settle();
      const load = (text: string) => Promise.resolve(parseKeys(text));
      const inTurn = queue(file, log, signal);
      await followConfig(file, { log, signal, load, use: (keys) => inTurn(() => adopt(keys, store)) });
    },
  };
}

/**
 * What an EncryptionConfiguration says. Values under the keys of the default are read all the same, and Secrets stay under
 * those when it says nothing of them: plain text has to be asked for.
 */
async function configured(file: string, options: EncryptionOptions): Promise<Encryption> {
  const { dataDir, clock, log, signal } = options;
  const keyFile = keyFileOf(dataDir);
  const keys = readKeyFile(keyFile) ?? [newKey()];
  const readers = keys.map(aesGcm);
  const byDefault: Rule = { resource: "secrets", providers: [...readers, identity] };
  const inTurn = queue(file, log, signal);
  const started = Promise.withResolvers<Store>();
  let codec: EncryptionCodec | undefined;
  let plugins: readonly KmsProvider[] = [];
  const rewrite = async (store: Store) => {
    const count = await store.rewrite((key, bytes) => codec!.renewed(key, bytes));
    if (count > 0) log.info({ file, count }, "values stored otherwise were rewritten as the configuration says");
  };
  const load = async (text: string): Promise<Loaded> => {
    const opened: KmsProvider[] = [];
    const openKms = async (plugin: KmsPlugin) => {
      const { openKmsProvider } = await import("./kms.ts");
      const onRotation = () => inTurn(async () => rewrite(await started.promise));
      const provider = await openKmsProvider(plugin, { clock, log, signal, onRotation });
      opened.push(provider);
      return provider;
    };
    try {
      const given = await parseEncryptionConfig(text, openKms);
      const rules = covers(given, "/secrets") ? given : [...given, byDefault];
      return { rules: { rules, readers, source: file }, plugins: opened };
    } catch (error) {
      for (const provider of opened) provider.close();
      throw error;
    }
  };
  /** Before anything can be written with them. */
  const prepare = async (loaded: Loaded) => {
    if (loaded.rules.rules.includes(byDefault) && !existsSync(keyFile)) writeKeyFile(keyFile, keys);
    for (const plugin of loaded.plugins) await plugin.ready();
  };
  const adopt = async (loaded: Loaded) => {
    const store = await started.promise;
    try {
      await prepare(loaded);
      const count = await exchange(codec!, loaded.rules, store);
      log.info({ file, count }, "the configuration of encryption is in use");
    } catch (error) {
      for (const plugin of loaded.plugins) plugin.close();
      throw error;
    }
    for (const plugin of plugins) plugin.close();
    plugins = loaded.plugins;
  };
  let first: Loaded | undefined;
  const use = (loaded: Loaded) => {
    if (first) return inTurn(() => adopt(loaded));
    first = loaded;
    plugins = loaded.plugins;
    codec = new EncryptionCodec(loaded.rules);
  };
  await followConfig(file, { log, signal, load, use });
  return {
    codec: codec!,
    checks: () =>
      plugins.length > 0 ? [{ name: "kms-providers", isGood: plugins.every(({ problem }) => !problem) }] : [],
    async follow(store) {
      await prepare(first!);
      if (codec!.sawStale) await rewrite(store);
      started.resolve(store);
    },
  };
}

interface Loaded {
  readonly rules: EncryptionRules;
  readonly plugins: readonly KmsProvider[];
}

/**
 * Puts new rules in the place of the codec's once it is certain that they read everything stored, and rewrites what they
 * would write otherwise. Throws, with nothing changed, when they would leave something unreadable. While they still have the
 * key that wrote before, being killed at any point leaves everything readable.
 */
async function exchange(codec: EncryptionCodec, rules: EncryptionRules, store: Store): Promise<number> {
  const candidate = new EncryptionCodec(rules);
  await store.rewrite(async (key, bytes) => {
    await candidate.prepare(key, bytes);
    candidate.decode(key, bytes);
    return undefined;
  });
  codec.use(rules);
  const count = await store.rewrite((key, bytes) => codec.renewed(key, bytes));
  codec.forget();
  return count;
}

/** Runs one after the other, as two rewritings at a time could undo each other; a failure is logged. */
function queue(file: string, log: Logger, signal: AbortSignal): (act: () => Promise<void>) => void {
  let last: Promise<void> = Promise.resolve();
  return (act) => {
    last = last.then(act).catch((error: unknown) => {
      if (!signal.aborted) log.error({ file, error }, "encryption stays as it was: what is new cannot be used");
    });
  };
}
