// How a stored value is encrypted: one provider for each key. Follows kubernetes v1.36 apiserver/pkg/storage/value/encrypt
// (prefixes, AES-CBC, secretbox, and the extended nonce of KMS v2).
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";

export interface NamedKey {
  readonly name: string;
  readonly secret: Uint8Array;
}

/** `context` names the object: what is sealed for one cannot be opened for another where the algorithm can tell. */
export interface Provider {
  /** What everything it writes begins with: `k8s:enc:<algorithm>:<version>:<key>:`; empty for none at all. */
  readonly prefix: string;
  seal(plain: Uint8Array, context: string): Uint8Array;
  /** Takes what `seal` gave, without the prefix. Throws when it is not genuine. */
  open(sealed: Uint8Array, context: string): Uint8Array;
  /** `seal` would now use another key than the one in here. */
  isStale?(sealed: Uint8Array): boolean;
  /** Resolves once `open` can take this; undefined when it can already. */
  prepare?(sealed: Uint8Array): Promise<void> | undefined;
  /** Why nothing must be sealed now. */
  refusal?(): string | undefined;
}

export const encryptedPrefix = "k8s:enc:";

export const identity: Provider = { prefix: "", seal: (plain) => plain, open: (plain) => plain };

const saltBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

/**
 * AES-256-GCM under a key of its own for each write: HKDF-Expand of the seed with 32 random bytes, as KMS v2 has it. A nonce of
 * 96 bits drawn at random may repeat after some 2^32 writes under one key, which gives the key of the tag away; this way
 * salt and nonce would have to repeat together, and no writes have to be counted. Result: salt, nonce, ciphertext, tag.
 */
export function sealDerived(seed: Uint8Array, plain: Uint8Array, context: string): Buffer {
  const out = Buffer.allocUnsafeSlow(saltBytes + nonceBytes + plain.length + tagBytes);
  const random = randomBytes(saltBytes + nonceBytes);
  random.copy(out);
  const cipher = createCipheriv("aes-256-gcm", derive(seed, random), random.subarray(saltBytes));
  cipher.setAAD(Buffer.from(context));
  cipher.update(plain).copy(out, saltBytes + nonceBytes);
  cipher.final();
  cipher.getAuthTag().copy(out, out.length - tagBytes);
  return out;
}

export function openDerived(seed: Uint8Array, sealed: Uint8Array, context: string): Buffer {
  const end = sealed.length - tagBytes;
  if (end < saltBytes + nonceBytes) throw new Error("it is cut short");
  const nonce = sealed.subarray(saltBytes, saltBytes + nonceBytes);
  const decipher = createDecipheriv("aes-256-gcm", derive(seed, sealed), nonce, { authTagLength: tagBytes });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(sealed.subarray(end));
  const plain = decipher.update(sealed.subarray(saltBytes + nonceBytes, end));
  decipher.final();
  return plain;
}

/** One block of HKDF-Expand (RFC 5869) is all that a key needs. */
const derive = (seed: Uint8Array, salted: Uint8Array): Buffer =>
  createHmac("sha256", seed).update(salted.subarray(0, saltBytes)).update("\u0001").digest();

export const aesGcm = ({ name, secret }: NamedKey): Provider => ({
  prefix: `${encryptedPrefix}aesgcm:v1:${name}:`,
  seal: (plain, context) => sealDerived(secret, plain, context),
  open: (sealed, context) => openDerived(secret, sealed, context),
});

const ivBytes = 16;

/** Weaker than the others: nothing ties a value to its object. */
export function aesCbc({ name, secret }: NamedKey): Provider {
  const algorithm = `aes-${secret.length * 8}-cbc`;
  return {
    prefix: `${encryptedPrefix}aescbc:v1:${name}:`,
    seal(plain) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv(algorithm, secret, iv);
      return Buffer.concat([iv, cipher.update(plain), cipher.final()]);
    },
    open(sealed) {
      const decipher = createDecipheriv(algorithm, secret, sealed.subarray(0, ivBytes));
      return Buffer.concat([decipher.update(sealed.subarray(ivBytes)), decipher.final()]);
    },
  };
}

const boxNonceBytes = 24;

/** XSalsa20 and Poly1305, which Node's OpenSSL does not have. */
export async function secretbox({ name, secret }: NamedKey): Promise<Provider> {
  const { xsalsa20poly1305 } = await import("@noble/ciphers/salsa.js");
  return {
    prefix: `${encryptedPrefix}secretbox:v1:${name}:`,
    seal(plain) {
      const nonce = randomBytes(boxNonceBytes);
      return Buffer.concat([nonce, xsalsa20poly1305(secret, nonce).encrypt(plain)]);
    },
    open: (sealed) =>
      xsalsa20poly1305(secret, sealed.subarray(0, boxNonceBytes)).decrypt(sealed.subarray(boxNonceBytes)),
  };
}
