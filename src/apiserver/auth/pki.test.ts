import { test } from "node:test";
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../machinery/clock.ts";
import { ensurePki } from "./pki.ts";

const at = (ms: number): Clock => ({ now: () => ms, after: () => () => {} });
const options = { names: ["localhost", "kubernetes.default.svc"], addresses: ["127.0.0.1", "10.96.0.1"] };

test("the PKI is made once, private to its owner, and reused while it is fresh", async (t) => {
  const parent = mkdtempSync(join(tmpdir(), "knarr-pki-"));
  const dir = join(parent, "pki");
  t.after(() => rmSync(parent, { recursive: true }));
  const clock = at(Date.now());
  const first = await ensurePki(dir, { ...options, clock });
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  for (const file of readdirSync(dir)) assert.equal(statSync(join(dir, file)).mode & 0o777, 0o600, file);
  const second = await ensurePki(dir, { ...options, clock });
  assert.deepEqual(second.serving, first.serving);
  assert.deepEqual(second.admin, first.admin);
  assert.equal(await second.renew(), false);

  assert.deepEqual(second.frontProxyClient, first.frontProxyClient);
  const proxy = new X509Certificate(first.frontProxyClient.certPem);
  assert.equal(proxy.subject, "CN=front-proxy-client");
  assert.ok(proxy.verify(new X509Certificate(first.frontProxyCaPem).publicKey));
  assert.ok(!proxy.verify(new X509Certificate(first.caPem).publicKey), "the cluster CA does not vouch for proxies");

  const serving = new X509Certificate(first.serving.certPem);
  assert.ok(serving.verify(new X509Certificate(first.caPem).publicKey));
  assert.equal(serving.checkIP("10.96.0.1"), "10.96.0.1");
  assert.match(new X509Certificate(first.admin.certPem).subject, /O=system:masters\nCN=kubernetes-admin/);
});

test("another name or a near expiry issues the serving certificate anew under the same CA", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "knarr-pki-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const now = Date.now();
  const first = await ensurePki(dir, { ...options, clock: at(now) });
  const renamed = await ensurePki(dir, { names: [...options.names, "box.example"], addresses: [], clock: at(now) });
  assert.notEqual(renamed.serving.certPem, first.serving.certPem);
  assert.equal(renamed.caPem, first.caPem);
  const later = await ensurePki(dir, { ...options, clock: at(now + 300 * 86_400_000) });
  assert.notEqual(later.admin.certPem, first.admin.certPem);
});

test("a client certificate carries user and groups", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "knarr-pki-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const pki = await ensurePki(dir, { ...options, clock: at(Date.now()) });
  const pair = await pki.issueClientCertificate({ commonName: "system:node:a", organizations: ["system:nodes"] });
  assert.equal(new X509Certificate(pair.certPem).subject, "O=system:nodes\nCN=system:node:a");
});
