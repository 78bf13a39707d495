// For tests: a key management plugin in this process, over a Unix socket. The message tables are written down again here from
// kubernetes v1.36 kms/apis/v2/api.proto, so that a wrong number in the provider's shows.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Server, ServerCredentials, status, type sendUnaryData, type ServerUnaryCall } from "@grpc/grpc-js";
import { defineMessages } from "../../machinery/protobuf.ts";

const bytesMap = "map<string, bytes>";
export const messages = defineMessages(
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
        [3, "annotations", bytesMap],
      ],
      DecryptRequest: [
        [1, "ciphertext", "bytes"],
        [2, "uid", "string"],
        [3, "key_id", "string"],
        [4, "annotations", bytesMap],
      ],
      DecryptResponse: [[1, "plaintext", "bytes"]],
      EncryptedObject: [
        [1, "encryptedData", "bytes"],
        [2, "keyID", "string"],
        [3, "encryptedDEKSource", "bytes"],
        [4, "annotations", bytesMap],
        [5, "encryptedDEKSourceType", "uint32"],
      ],
    },
  },
  { zeroValues: true },
);

type Method = "Status" | "Encrypt" | "Decrypt";
// oxlint-disable-next-line typescript/no-explicit-any
export type Message = any;

export class KmsPlugin implements AsyncDisposable {
  keyId = "key-1";
  healthz = "ok";
  delayMs = 0;
  readonly calls: Record<Method, number> = { Status: 0, Encrypt: 0, Decrypt: 0 };
  readonly #wrapped = new Map<string, Uint8Array>();
  readonly #socket: string;
  #server = new Server();

  constructor(directory: string) {
    this.#socket = join(directory, "kms.sock");
  }

  async listen(): Promise<void> {
    this.#server = new Server();
    const methods: Record<Method, (request: Message) => object> = {
      Status: () => ({ version: "v2", healthz: this.healthz, keyId: this.keyId }),
      Encrypt: ({ plaintext }) => {
        const ciphertext = randomBytes(40);
        this.#wrapped.set(this.keyId + ciphertext.toString("hex"), plaintext);
        return { ciphertext, keyId: this.keyId, annotations: { "version.test": Buffer.from("1") } };
      },
      Decrypt: ({ ciphertext, keyId, annotations }) => {
        assert.equal(Buffer.from(annotations["version.test"]).toString(), "1");
        return { plaintext: this.#wrapped.get(keyId + Buffer.from(ciphertext).toString("hex")) };
      },
    };
    for (const [name, answer] of Object.entries(methods) as [Method, (request: Message) => object][]) {
      const [request, response] = [messages<Message>(`${name}Request`), messages<Message>(`${name}Response`)];
      const row = {
        path: `/v2.KeyManagementService/${name}`,
        requestStream: false,
        responseStream: false,
        requestDeserialize: request.decode,
        requestSerialize: request.encode,
        responseDeserialize: response.decode,
        responseSerialize: response.encode,
      };
      const handle = (call: ServerUnaryCall<Message, Message>, done: sendUnaryData<Message>) => {
        this.calls[name]++;
        const reply = () => {
          try {
            done(null, answer(call.request));
          } catch (error) {
            done({ code: status.INTERNAL, message: String(error) });
          }
        };
        setTimeout(reply, this.delayMs);
      };
      this.#server.addService({ [name]: row }, { [name]: handle });
    }
    await new Promise<void>((resolve, reject) =>
      this.#server.bindAsync(`unix:${this.#socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      ),
    );
  }

  end(): void {
    this.#server.forceShutdown();
    rmSync(this.#socket, { force: true });
  }

  config(timeout = "2s"): string {
    const config = join(this.#socket, "..", "encryption.yaml");
    const kms = `{kms: {apiVersion: v2, name: plugin, endpoint: "unix://${this.#socket}", timeout: ${timeout}}}`;
    const rule = `{resources: [secrets], providers: [${kms}, {identity: {}}]}`;
    writeFileSync(
      config,
      `{apiVersion: apiserver.config.k8s.io/v1, kind: EncryptionConfiguration, resources: [${rule}]}`,
    );
    return config;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
  }
}
