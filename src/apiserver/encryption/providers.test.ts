import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { aesCbc, aesGcm, secretbox, type Provider } from "./providers.ts";

const key = (bytes: number) => ({ name: "k", secret: randomBytes(bytes) });
const providers: readonly (readonly [string, Provider, { tied: boolean; tagged: boolean }])[] = [
  ...[16, 24, 32].map((size) => [`aesgcm ${size}`, aesGcm(key(size)), { tied: true, tagged: true }] as const),
  ...[16, 24, 32].map((size) => [`aescbc ${size}`, aesCbc(key(size)), { tied: false, tagged: false }] as const),
  ["secretbox", await secretbox(key(32)), { tied: false, tagged: true }],
];

for (const [name, provider, { tied, tagged }] of providers) {
  test(`${name}: what was sealed is opened again, and looks different each time`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), fc.string(), (plain, context) => {
        const sealed = provider.seal(plain, context);
        assert.deepEqual(Buffer.from(provider.open(sealed, context)), Buffer.from(plain));
        assert.notDeepEqual(provider.seal(plain, context), sealed);
        if (plain.length > 7) assert.ok(!Buffer.from(sealed).includes(plain));
      }),
      { numRuns: 50 },
    );
  });

  if (tagged)
    test(`${name}: no byte can be changed, added or taken away`, () => {
      const sealed = Buffer.from(provider.seal(Buffer.from("a secret value"), "here"));
      for (let at = 0; at < sealed.length; at++) {
        const changed = Buffer.from(sealed);
        changed[at]! ^= 1 << (at % 8);
        assert.throws(() => provider.open(changed, "here"), `byte ${at}`);
        assert.throws(() => provider.open(sealed.subarray(0, at), "here"), `cut at ${at}`);
      }
      assert.throws(() => provider.open(Buffer.concat([sealed, Buffer.of(0)]), "here"));
    });

  if (tied)
    test(`${name}: a value of one object cannot be opened for another`, () => {
      const sealed = provider.seal(Buffer.from("value"), "/registry/secrets/a/x");
      assert.throws(() => provider.open(sealed, "/registry/secrets/b/x"));
    });
}

test("AES-CBC values are what other programs make: initialization vector, then PKCS #7", () => {
  // `openssl enc -aes-256-cbc` of {"a":1} with this key and a vector of zeros.
  const sealed = Buffer.from(`${"00".repeat(16)}1f762197e0dded13243748de6a928579`, "hex");
  const provider = aesCbc({ name: "k", secret: Buffer.alloc(32, 7) });
  assert.equal(Buffer.from(provider.open(sealed, "")).toString(), '{"a":1}');
});
