// Rotation in the directory, CAs that somebody brings, and what a crash or a hand leaves behind.
import assert from "node:assert/strict";
import { createPublicKey, X509Certificate } from "node:crypto";
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { realClock } from "../../../machinery/clock.ts";
import { ensurePki } from "../pki.ts";
import { certificatesIn, isIssuedBy } from "./chain.ts";
import { listCertificates } from "./list.ts";
import { finish, rotate } from "./rotate.ts";
import type { PkiOptions } from "./settle.ts";
import { dayMs, madeCa, standingClock } from "./testing.ts";

const options: PkiOptions = { names: ["localhost"], addresses: ["127.0.0.1"], clock: realClock };
const from = Date.now() - dayMs;

function directory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "knarr-pki-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const isFrom = (pem: string, caPem: string) => isIssuedBy(new X509Certificate(pem), new X509Certificate(caPem));

test("a CA changes in two steps: both are trusted first, and what others are shown changes last", async (t) => {
  const dir = directory(t);
  const pki = await ensurePki(dir, options);
  const [old, oldAdmin, oldServing] = [pki.caPem, pki.admin, pki.serving];
  let changes = 0;
  pki.onChange(() => changes++);
  await rotate(dir, ["ca"], options);
  assert.equal(await pki.renew(), true);
  assert.equal(changes, 1);
  const [next] = certificatesIn(pki.caPem).map(String);
  assert.equal(pki.caPem, next! + old);
  assert.equal(pki.clientCaPem, pki.caPem);
  assert.deepEqual(pki.serving, oldServing);
  assert.ok(isFrom(pki.admin.certPem, next!));
  assert.ok(isFrom(oldAdmin.certPem, old));
  await assert.rejects(
    rotate(dir, ["admin", "ca"], options),
    /under way: finish it with `knarr certs rotate ca --finish`/,
  );

  await finish(dir, ["ca"], options);
  await pki.renew();
  assert.equal(pki.caPem, next);
  assert.ok(isFrom(pki.serving.certPem, next!));
  await assert.rejects(finish(dir, ["ca"], options), /no rotation of ca is under way/);
  await assert.rejects(finish(dir, ["admin"], options), /no rotation of admin/);
});

test("the key of tokens changes in two steps, and certificates in one", async (t) => {
  const dir = directory(t);
  const pki = await ensurePki(dir, options);
  const { serviceAccountKeyPem: old, serving, admin, frontProxyClient } = pki;
  await rotate(dir, ["service-account", "serving"], options);
  await pki.renew();
  assert.notEqual(pki.serviceAccountKeyPem, old);
  assert.ok(createPublicKey(pki.previousServiceAccountKeysPem).equals(createPublicKey(old)));
  assert.notDeepEqual(pki.serving, serving);
  assert.deepEqual([pki.admin, pki.frontProxyClient], [admin, frontProxyClient]);
  await finish(dir, ["service-account"], options);
  await pki.renew();
  assert.equal(pki.previousServiceAccountKeysPem, "");
  await rotate(dir, ["front-proxy-ca"], options);
  await pki.renew();
  assert.equal(certificatesIn(pki.frontProxyCaPem).length, 2);
  assert.deepEqual(pki.frontProxyClient, frontProxyClient, "extension servers learn of the new CA first");
});

for (const key of ["rsa", "ec"] as const) {
  test(`an intermediate CA (${key}) signs, and the CA above it vouches for nobody itself`, async (t) => {
    const dir = directory(t);
    const root = await madeCa({ name: "company", key, from });
    const middle = await madeCa({ name: "cluster", key, from, days: 200, issuer: root });
    writeFileSync(join(dir, "ca.crt"), middle.certPem);
    writeFileSync(join(dir, "ca.key"), middle.keyPem);
    const pki = await ensurePki(dir, options);
    assert.equal(certificatesIn(pki.caPem).length, 2, "clients find the root");
    assert.deepEqual(
      certificatesIn(pki.clientCaPem).map(({ subject }) => subject),
      ["CN=cluster"],
    );
    const [leaf, above, ...more] = certificatesIn(pki.serving.certPem);
    assert.ok(isIssuedBy(leaf!, above!) && isIssuedBy(above!, new X509Certificate(root.certPem)));
    assert.equal(more.length, 0, "the root is not sent");
    assert.equal(leaf!.validTo, above!.validTo, "no certificate outlives its CA");
    assert.equal(await pki.renew(), false);
    assert.match(listCertificates(dir, Date.now())[0]!.subject, /CN=cluster/);

    const late = standingClock(from + 201 * dayMs);
    await assert.rejects(
      ensurePki(dir, { ...options, clock: late }),
      /CN=cluster has expired: .*knarr certs rotate ca/,
    );
    await rotate(dir, ["ca"], { ...options, clock: late });
    await ensurePki(dir, { ...options, clock: late });
  });
}

test("what cannot be the CA is refused with what it lacks", async (t) => {
  const files = directory(t);
  const file = (name: string, text: string) => {
    writeFileSync(join(files, name), text);
    return join(files, name);
  };
  const root = await madeCa({ name: "root", from });
  const other = await madeCa({ name: "other", from });
  const middle = await madeCa({ name: "middle", from, issuer: root });
  const old = await madeCa({ name: "old", from: from - 2000 * dayMs });
  const early = await madeCa({ name: "early", from: from + 20 * dayMs });
  const leaf = await madeCa({ name: "leaf", from, isCa: false });
  const refused = async (certPem: string, keyPem: string, why: RegExp) => {
    const ca = { certFile: file("c", certPem), keyFile: file("k", keyPem) };
    await assert.rejects(ensurePki(join(files, "pki"), { ...options, ca }), why);
  };
  await refused(root.certPem, other.keyPem, /k does not belong to .*c/);
  await refused(
    middle.certPem.slice(0, middle.certPem.indexOf("END") + 22),
    middle.keyPem,
    /CN=middle must be followed by .*CN=root/,
  );
  await refused(old.certPem, old.keyPem, /CN=old expired on/);
  await refused(early.certPem, early.keyPem, /CN=early is not valid before/);
  await refused(leaf.certPem, leaf.keyPem, /CN=leaf may not sign certificates/);
  await refused("nothing", root.keyPem, /c is no certificate in PEM/);
  await refused(root.certPem, root.certPem, /k is no private key in PEM/);
  await refused(root.certPem, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", /passphrase/);

  const ca = { certFile: file("c", root.certPem), keyFile: file("k", root.keyPem) };
  const dir = join(files, "good");
  const pki = await ensurePki(dir, { ...options, ca });
  assert.equal(pki.caPem, root.certPem);
  await ensurePki(dir, { ...options, ca });
  file("c", other.certPem);
  await assert.rejects(
    ensurePki(dir, { ...options, ca }),
    /another CA than .*without --ca-cert, or .*knarr certs rotate ca --ca-cert/,
  );
});

test("a CA is never replaced in silence, and there is a way out", async (t) => {
  const dir = directory(t);
  const { caPem } = await ensurePki(dir, options);
  const other = await madeCa({ name: "other", from });
  const path = (name: string) => join(dir, name);
  copyFileSync(path("ca.key"), path("kept.key"));
  rmSync(path("ca.key"));
  await assert.rejects(ensurePki(dir, options), /ca\.crt without ca\.key.*private key/);
  rmSync(path("ca.crt"));
  await assert.rejects(ensurePki(dir, options), /without the CA that issued them: restore/);
  writeFileSync(path("ca.key"), other.keyPem);
  writeFileSync(path("ca.crt"), caPem);
  await assert.rejects(ensurePki(dir, options), /does not belong to ca\.crt: restore both/);
  writeFileSync(path("ca.crt"), other.certPem);
  await assert.rejects(ensurePki(dir, options), /not the CA that issued this cluster's certificates: .*--ca-cert FILE/);
  await rotate(dir, ["ca"], { ...options, newCa: { certFile: path("ca.crt"), keyFile: path("ca.key") } });
  const pki = await ensurePki(dir, options);
  assert.equal(pki.caPem, other.certPem);
  assert.ok(isFrom(pki.serving.certPem, other.certPem));
});

test("a crash between two files is healed, damage is repaired, and a dead writer's lock is taken over", async (t) => {
  const dir = directory(t);
  const path = (name: string) => join(dir, name);
  await ensurePki(dir, options);
  const old = readFileSync(path("ca.crt"), "utf8");
  await rotate(dir, ["ca"], options);
  const next = readFileSync(path("ca.crt"), "utf8");
  writeFileSync(path(".ca.crt.new"), next);
  writeFileSync(path("ca.crt"), old);
  writeFileSync(path("admin.crt"), "-----BEGIN CERT");
  writeFileSync(path(".lock"), "999999999");
  const problems = listCertificates(dir, Date.now()).filter(({ problem }) => problem);
  assert.deepEqual(
    problems.map(({ name }) => name),
    ["admin"],
  );
  const pki = await ensurePki(dir, options);
  assert.ok(pki.caPem.startsWith(next));
  assert.ok(isFrom(pki.admin.certPem, next));
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.startsWith(".")),
    [],
  );
  writeFileSync(path(".lock"), "1");
  let waits = 0;
  const hasty = {
    now: Date.now,
    after: (_: number, callback: () => void) => (waits++, setImmediate(callback), () => {}),
  };
  await ensurePki(dir, { ...options, clock: hasty });
  assert.equal(waits, 100, "the number may be another process's by now");
  writeFileSync(path("service-account.key"), "half");
  await assert.rejects(ensurePki(dir, options), /service-account\.key .*is damaged: restore it/);
  assert.ok(!existsSync(path(".lock")));
});
