import { test } from "node:test";
import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import fc from "fast-check";
import { isSignedBy, keysOfJwks, parseJwt, verificationKey } from "./jwt.ts";

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const pem = (key: KeyObject) => key.export({ type: "spki", format: "pem" }) as string;
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });

test("whatever is sent, nothing throws and nothing is signed", () => {
  const keys = [verificationKey(pem(ec.publicKey)), verificationKey(pem(rsa.publicKey))];
  const judge = (text: string) => {
    const jwt = parseJwt(text);
    if (jwt) assert.equal(isSignedBy(jwt, keys), false);
  };
  fc.assert(fc.property(fc.string(), judge));
  const part = fc.oneof(
    fc.json().map((text) => Buffer.from(text).toString("base64url")),
    fc.base64String(),
  );
  fc.assert(fc.property(part, part, part, (a, b, c) => judge(`${a}.${b}.${c}`)));
  const names = fc.constantFrom("none", "HS256", "RS256", "PS512", "ES256", "ES512", "", "es256", "RS1");
  fc.assert(
    fc.property(names, fc.jsonValue(), fc.uint8Array(), (alg, kid, signature) =>
      judge(`${encoded({ alg, kid })}.${encoded({})}.${Buffer.from(signature).toString("base64url")}`),
    ),
  );
});

test("keys of a document are taken for what they are good for, and the rest is left out", () => {
  const jwk = (changed: object) => ({ ...rsa.publicKey.export({ format: "jwk" }), ...changed });
  const found = keysOfJwks({
    keys: [
      jwk({ kid: "a", alg: "RS384" }),
      jwk({ kid: "b", use: "enc" }),
      jwk({ kid: "c", alg: "HS256" }),
      { kty: "oct", k: "c2VjcmV0", kid: "d" },
      { ...ec.publicKey.export({ format: "jwk" }), use: "sig" },
      { kty: "EC" },
      null,
      "x",
    ],
  });
  assert.deepEqual(
    found.map(({ kid, algorithms }) => [kid, algorithms]),
    [
      ["a", ["RS384"]],
      ["c", []],
      [undefined, ["ES256"]],
    ],
  );
  for (const document of [null, {}, [], { keys: 1 }]) assert.throws(() => keysOfJwks(document), /list of keys/);
});

test("keys that sign no tokens are refused", () => {
  assert.throws(() => verificationKey(pem(generateKeyPairSync("ed25519").publicKey)), /sign no tokens/);
  assert.throws(() => verificationKey("nonsense"));
});
