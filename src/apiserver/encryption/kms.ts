// A key management plugin (KMS v2) as a provider: it wraps a seed once, and every write derives its own key from that.
// Follows kubernetes v1.36 apiserver/pkg/storage/value/encrypt/envelope/kmsv2 and kms/apis/v2 (messages, limits, times).
import { randomBytes, randomUUID } from "node:crypto";
import { callGrpc, openGrpc } from "../../client/grpc.ts";
import { sleep, type Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import { defineMessages } from "../../machinery/protobuf.ts";
import type { KmsPlugin } from "./config.ts";
import { encryptedPrefix, openDerived, sealDerived, type Provider } from "./providers.ts";

const messages = defineMessages(
  {
    messages: {
      StatusRequest: [],
      StatusResponse: [
        [1, "version", "string"],
        [2, "healthz", "string"],
        [3, "key_id", "string"],
      ],
      EncryptRequest: [
        [1, "plaintext", "bytes"],
        [2, "uid", "string"],
      ],
      EncryptResponse: [
        [1, "ciphertext", "bytes"],
        [2, "key_id", "string"],
        [3, "annotations", "map<string, bytes>"],
      ],
      DecryptRequest: [
        [1, "ciphertext", "bytes"],
        [2, "uid", "string"],
        [3, "key_id", "string"],
        [4, "annotations", "map<string, bytes>"],
      ],
      DecryptResponse: [[1, "plaintext", "bytes"]],
      EncryptedObject: [
        [1, "encrypted_data", "bytes"],
        [2, "key_id", "string"],
        [3, "encrypted_dek_source", "bytes"],
        [4, "annotations", "map<string, bytes>"],
        [5, "encrypted_dek_source_type", "int32"],
      ],
    },
  },
  { zeroValues: true },
);

type Annotations = Readonly<Record<string, Uint8Array>>;

/** A seed as the plugin wrapped it. */
interface Wrapped {
  readonly keyId: string;
  readonly encryptedDekSource: Uint8Array;
  readonly annotations: Annotations;
}

interface EncryptedObject extends Wrapped {
  readonly encryptedData: Uint8Array;
  readonly encryptedDekSourceType: number;
}

const encryptedObject = messages<EncryptedObject>("EncryptedObject");
/** HKDF_SHA256_XNONCE_AES_GCM_SEED. */
const seedType = 1;
const seedBytes = 32;

const healthyMs = 60_000;
const unhealthyMs = 10_000;
/** For how long a seed goes on being used when the plugin does not say that its key is still good. */
const staleMs = 180_000;
/** How long the start waits for a plugin that does not answer. */
const startMs = 30_000;
const startRetryMs = 500;
const maxKeyIdBytes = 1024;
const maxSourceBytes = 1024;
const maxAnnotationBytes = 32 * 1024;

export interface KmsProvider extends Provider {
  /** What is wrong with the plugin now. */
  readonly problem: string | undefined;
  /** Resolves when values can be sealed; wraps a seed when none of those stored will do. */
  ready(): Promise<void>;
  close(): void;
}

interface KmsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** The plugin has another key from now on. */
  readonly onRotation: () => void;
}

/** Resolves when the plugin has said how it is; throws when it does not in time. */
export async function openKmsProvider(plugin: KmsPlugin, options: KmsOptions): Promise<KmsProvider> {
  const kms = new Kms(plugin, options);
  try {
    await kms.start();
    return kms;
  } catch (error) {
    kms.close();
    throw error;
  }
}

class Kms implements KmsProvider {
  readonly prefix: string;
  problem: string | undefined;
  readonly #plugin: KmsPlugin;
  readonly #options: KmsOptions;
  readonly #grpc: ReturnType<typeof openGrpc>;
  /** Seeds by their wrapped form. */
  readonly #seeds = new Map<string, Uint8Array>();
  readonly #asking = new Map<string, Promise<void>>();
  #current: { readonly seed: Uint8Array; readonly wrapped: Wrapped } | undefined;
  /** The plugin's key, as it said last. */
  #keyId = "";
  #goodAt = 0;
  #cancelPoll = () => {};
  #closed = false;

  constructor(plugin: KmsPlugin, options: KmsOptions) {
    this.prefix = `${encryptedPrefix}kms:v2:${plugin.name}:`;
    this.#plugin = plugin;
    this.#options = options;
    this.#grpc = openGrpc(plugin.endpoint);
    options.signal.addEventListener("abort", () => this.close(), { once: true });
  }

  async start(): Promise<void> {
    const { clock, log, signal } = this.#options;
    const deadline = clock.now() + startMs;
    for (;;) {
      try {
        await this.#status();
        break;
      } catch (error) {
        if (clock.now() > deadline || signal.aborted) throw this.#named(error);
        log.warn({ kms: this.#plugin.name, error }, "the key management plugin is waited for");
        await sleep(clock, startRetryMs, signal);
      }
    }
    this.#poll();
  }

  async ready(): Promise<void> {
    if (this.#current?.wrapped.keyId !== this.#keyId) await this.#wrapSeed();
  }

  seal(plain: Uint8Array, context: string): Uint8Array {
    const { seed, wrapped } = this.#current!;
    const encryptedData = sealDerived(seed, plain, context);
    return encryptedObject.encode({ ...wrapped, encryptedData, encryptedDekSourceType: seedType });
  }

  open(sealed: Uint8Array, context: string): Uint8Array {
    const { encryptedData, ...wrapped } = decode(sealed);
    const seed = this.#seeds.get(idOf(wrapped));
    if (!seed) throw new Error("its seed is not unwrapped");
    return openDerived(seed, encryptedData, context);
  }

  isStale(sealed: Uint8Array): boolean {
    return decode(sealed).keyId !== this.#keyId;
  }

  prepare(sealed: Uint8Array): Promise<void> | undefined {
    const wrapped = decode(sealed);
    const id = idOf(wrapped);
    if (this.#seeds.has(id)) return undefined;
    let asking = this.#asking.get(id);
    if (!asking) {
      asking = this.#unwrap(wrapped).finally(() => this.#asking.delete(id));
      this.#asking.set(id, asking);
    }
    return asking;
  }

  refusal(): string | undefined {
    if (this.#options.clock.now() - this.#goodAt < staleMs) return undefined;
    return `the KMS plugin ${this.#plugin.name} has not confirmed its key for ${staleMs / 60_000} minutes: ${this.problem}`;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelPoll();
    this.#grpc.close();
  }

  #poll(): void {
    if (this.#closed) return;
    this.#cancelPoll = this.#options.clock.after(this.problem ? unhealthyMs : healthyMs, () => {
      void this.#look().finally(() => this.#poll());
    });
  }

  async #look(): Promise<void> {
    const before = this.#current;
    try {
      await this.#status();
      await this.ready();
      if (before && before.wrapped.keyId !== this.#current!.wrapped.keyId) {
        this.#options.log.info({ kms: this.#plugin.name, keyId: this.#keyId }, "the plugin has another key");
        this.#options.onRotation();
      }
    } catch (error) {
      if (this.#closed) return;
      this.problem = this.#named(error).message;
      this.#options.log.error(
        { kms: this.#plugin.name, error },
        "the key management plugin does not answer as it should",
      );
    }
  }

  async #status(): Promise<void> {
    const { version, healthz, keyId } = await this.#call<{ version: string; healthz: string; keyId: string }>(
      "Status",
      {},
    );
    if (healthz !== "ok") throw new Error(`got unexpected healthz status: ${healthz}`);
    if (version !== "v2") throw new Error(`expected KMSv2 API version v2, got ${version}`);
    checkKeyId(keyId);
    this.#keyId = keyId;
    // A key whose seed cannot be wrapped is confirmed all the same when it is the one in use.
    if (!this.#current || this.#current.wrapped.keyId === keyId) this.#good();
  }

  #good(): void {
    this.#goodAt = this.#options.clock.now();
    this.problem = undefined;
  }

  async #wrapSeed(): Promise<void> {
    const seed = randomBytes(seedBytes);
    const request = { plaintext: seed, uid: randomUUID() };
    const answer = await this.#call<{ ciphertext: Uint8Array; keyId: string; annotations: Annotations }>(
      "Encrypt",
      request,
    );
    checkKeyId(answer.keyId);
    checkWrapped(answer.ciphertext, answer.annotations);
    const { keyId, ciphertext: encryptedDekSource, annotations } = answer;
    const wrapped = { keyId, encryptedDekSource, annotations };
    this.#seeds.set(idOf(wrapped), seed);
    this.#current = { seed, wrapped };
    this.#keyId = keyId;
    this.#good();
  }

  async #unwrap({ keyId, encryptedDekSource, annotations }: Wrapped): Promise<void> {
    const request = { ciphertext: encryptedDekSource, uid: randomUUID(), keyId, annotations };
    const { plaintext: seed } = await this.#call<{ plaintext: Uint8Array }>("Decrypt", request).catch(
      (error: unknown) => {
        throw this.#named(error);
      },
    );
    if (seed.length !== seedBytes)
      throw new Error(`${this.prefix} gave ${seed.length} bytes for a seed of ${seedBytes}`);
    const wrapped = { keyId, encryptedDekSource, annotations };
    this.#seeds.set(idOf(wrapped), seed);
    // One seed serves as well after a restart; salts keep its keys apart.
    if (!this.#current && keyId === this.#keyId) this.#current = { seed, wrapped };
  }

  #named(cause: unknown): Error {
    const { name, endpoint } = this.#plugin;
    return new Error(`KMS plugin ${name} (${endpoint}): ${(cause as Error).message}`, { cause });
  }

  #call<T>(method: "Status" | "Encrypt" | "Decrypt", request: object): Promise<T> {
    return callGrpc(this.#grpc, {
      path: `/v2.KeyManagementService/${method}`,
      input: messages<object>(`${method}Request`),
      output: messages<T>(`${method}Response`),
      request,
      timeoutMs: this.#plugin.timeoutMs,
      waitForReady: true,
    });
  }
}

function decode(sealed: Uint8Array): EncryptedObject {
  const object = encryptedObject.decode(sealed);
  if (object.encryptedDekSourceType !== seedType) throw new Error("its seed is of a type that is not known");
  checkKeyId(object.keyId);
  return object;
}

const idOf = ({ keyId, encryptedDekSource, annotations }: Wrapped): string =>
  JSON.stringify([
    keyId,
    Buffer.from(encryptedDekSource).toString("base64"),
    ...Object.entries(annotations).flatMap(([name, value]) => [name, Buffer.from(value).toString("base64")]),
  ]);

function checkKeyId(keyId: string): void {
  if (keyId.length === 0) throw new Error("keyID is empty");
  if (Buffer.byteLength(keyId) > maxKeyIdBytes) throw new Error(`keyID is longer than ${maxKeyIdBytes} bytes`);
}

function checkWrapped(source: Uint8Array, annotations: Annotations): void {
  if (source.length === 0) throw new Error("the encrypted seed is empty");
  if (source.length > maxSourceBytes) throw new Error(`the encrypted seed is longer than ${maxSourceBytes} bytes`);
  let bytes = 0;
  for (const [name, value] of Object.entries(annotations)) {
    if (!name.includes(".")) throw new Error(`annotation ${JSON.stringify(name)} is no fully qualified domain name`);
    bytes += Buffer.byteLength(name) + value.length;
  }
  if (bytes > maxAnnotationBytes) throw new Error(`annotations are longer than ${maxAnnotationBytes} bytes`);
}
