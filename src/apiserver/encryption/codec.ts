// The codec between store and file that encrypts: which providers an object's values are for, and which one reads a value.
// Follows kubernetes v1.36 apiserver/pkg/server/options/encryptionconfig (choice of the rule) and storage/value (prefixes).
import type { Codec } from "../../store/log.ts";
import type { StoreKey } from "../../store/store.ts";
import { encryptedPrefix, identity, type Provider } from "./providers.ts";

/** `resource` is `secrets`, `deployments.apps`, `*.apps`, `*.` (core) or `*.*`. */
export interface Rule {
  readonly resource: string;
  /** The first one writes, all read. */
  readonly providers: readonly Provider[];
}

export interface EncryptionRules {
  readonly rules: readonly Rule[];
  /** Read whatever resource has them; write nothing. */
  readonly readers: readonly Provider[];
  /** The file with the keys, for messages. */
  readonly source: string;
}

const noProviders: readonly Provider[] = [identity];

/** What ties a value to its object: the key that etcd would have. */
const contextOf = ({ collection, namespace, name }: StoreKey): string =>
  ["/registry", collection.replace(/^\//, ""), ...(namespace ? [namespace] : []), name].join("/");

/** The prefix of an encrypted value as far as it names the key; undefined for one in plain text. */
export function prefixOf(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 512)).toString("latin1");
  return head.startsWith(encryptedPrefix) ? /^k8s:enc:[^:]*:[^:]*:[^:]*:/.exec(head)?.[0] : undefined;
}

/** Stored in plain text: all values are JSON objects. */
const isPlain = (bytes: Uint8Array): boolean => bytes[0] === 0x7b;

const startsWith = (bytes: Uint8Array, prefix: string): boolean =>
  Buffer.from(prefix).equals(bytes.subarray(0, Buffer.byteLength(prefix)));

const sealedIn = ({ prefix }: Provider, bytes: Uint8Array): Uint8Array => bytes.subarray(Buffer.byteLength(prefix));

export class EncryptionCodec implements Codec {
  #rules: EncryptionRules;
  #formerly: readonly Provider[] = [];
  readonly #byCollection = new Map<string, readonly Provider[]>();
  /** A value was read that `encode` would make otherwise. */
  sawStale = false;

  constructor(rules: EncryptionRules) {
    this.#rules = rules;
  }

  /** From now on these write; those before go on reading until `forget`. */
  use(rules: EncryptionRules): void {
    this.#formerly = this.#rules.rules.flatMap(({ providers }) => providers);
    this.#rules = rules;
    this.#byCollection.clear();
  }

  forget(): void {
    this.#formerly = [];
  }

  encode(key: StoreKey, bytes: Uint8Array): Uint8Array {
    const writer = this.#providersOf(key)[0]!;
    if (!writer.prefix) return bytes;
    return Buffer.concat([Buffer.from(writer.prefix), writer.seal(bytes, contextOf(key))]);
  }

  decode(key: StoreKey, bytes: Uint8Array): Uint8Array {
    const provider = this.#reader(key, bytes);
    if (!this.sawStale) this.sawStale = this.#isStale(key, provider, bytes);
    if (!provider.prefix) return bytes;
    const sealed = sealedIn(provider, bytes);
    let plain: Uint8Array;
    try {
      plain = provider.open(sealed, contextOf(key));
    } catch (cause) {
      throw new Error(`it is no genuine value of ${provider.prefix} in ${this.#rules.source}`, { cause });
    }
    // What has no tag shows a wrong key only by being nonsense.
    if (!isPlain(plain)) throw new Error(`it is no genuine value of ${provider.prefix} in ${this.#rules.source}`);
    return plain;
  }

  prepare(key: StoreKey, bytes: Uint8Array): Promise<void> | undefined {
    if (isPlain(bytes)) return undefined;
    const provider = this.#reader(key, bytes);
    return provider.prepare?.(sealedIn(provider, bytes));
  }

  refusal(key: StoreKey): string | undefined {
    return this.#providersOf(key)[0]!.refusal?.();
  }

  /** The value as `encode` would make it now; undefined when it is like that already. */
  async renewed(key: StoreKey, bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const provider = this.#reader(key, bytes);
    if (!this.#isStale(key, provider, bytes)) return undefined;
    await this.prepare(key, bytes);
    return this.encode(key, this.decode(key, bytes));
  }

  #isStale(key: StoreKey, provider: Provider, bytes: Uint8Array): boolean {
    return this.#providersOf(key)[0] !== provider || provider.isStale?.(sealedIn(provider, bytes)) === true;
  }

  #reader(key: StoreKey, bytes: Uint8Array): Provider {
    const providers = this.#providersOf(key);
    const plain = isPlain(bytes);
    if (plain && providers[0] === identity) return identity;
    const { source, readers } = this.#rules;
    const fits = ({ prefix }: Provider) => (plain ? !prefix : prefix && startsWith(bytes, prefix));
    const known = [providers, this.#formerly, readers].flat().find(fits);
    if (known) return known;
    const prefix = prefixOf(bytes);
    if (prefix) throw new Error(`it is encrypted with ${prefix}, whose key is not in ${source}`);
    throw new Error(`it is in plain text, and ${source} has no identity provider for it`);
  }

  #providersOf({ collection }: StoreKey): readonly Provider[] {
    let found = this.#byCollection.get(collection);
    if (!found) this.#byCollection.set(collection, (found = providersFor(this.#rules.rules, collection)));
    return found;
  }
}

export const covers = (rules: readonly Rule[], collection: string): boolean =>
  providersFor(rules, collection) !== noProviders;

/** Those of the rule that names the resource, of its whole group, or of everything; what no rule is for stays plain. */
function providersFor(rules: readonly Rule[], collection: string): readonly Provider[] {
  const [group, resource] = collection.split("/") as [string, string];
  for (const name of [group ? `${resource}.${group}` : resource, `*.${group}`, "*.*"]) {
    const matching = rules.filter((rule) => rule.resource === name);
    if (matching.length > 0) return matching.flatMap(({ providers }) => providers);
  }
  return noProviders;
}
