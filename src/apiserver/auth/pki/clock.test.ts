// Certificates and clocks that jump.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { silentLogger } from "../../../machinery/log.ts";
import { ensurePki } from "../pki.ts";
import { certificatesIn, isIssuedBy } from "./chain.ts";
import { followPki } from "./follow.ts";
import { rotate } from "./rotate.ts";
import { dayMs, standingClock } from "./testing.ts";
import { isGoodAt, renewalAt } from "./validity.ts";

const start = Date.parse("2026-01-01T00:00:00Z");
const names = { names: ["localhost"], addresses: ["127.0.0.1"] };

async function pkiAt(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "knarr-pki-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const clock = standingClock(start);
  return { dir, clock, pki: await ensurePki(dir, { ...names, clock }) };
}

const goodAt = (pem: string, caPem: string, now: number) => {
  const [certificate] = certificatesIn(pem);
  const isInTime = certificate!.validFromDate.getTime() <= now && now < certificate!.validToDate.getTime();
  return isInTime && certificatesIn(caPem).some((ca) => isIssuedBy(certificate!, ca));
};

test("a certificate is renewed long before it ends, but not when the CA gives nothing longer", () => {
  const ca = { from: 0, until: 3650 * dayMs };
  const leaf = { from: 0, until: 365 * dayMs };
  assert.equal(renewalAt(leaf, ca), 245 * dayMs);
  assert.equal(renewalAt({ from: 0, until: 30 * dayMs }, ca), 20 * dayMs);
  assert.equal(renewalAt(leaf, { from: 0, until: 365 * dayMs }), leaf.until);
  assert.ok(isGoodAt(0, leaf, ca));
  assert.ok(!isGoodAt(246 * dayMs, leaf, ca));
  assert.ok(!isGoodAt(-1, leaf, { from: -dayMs, until: ca.until }), "issued while the clock was ahead");
  assert.ok(isGoodAt(-2 * dayMs, leaf, { from: -dayMs, until: ca.until }), "only the clock can be wrong");
});

test("after two years off everything but the CA is new", async (t) => {
  const { clock, pki, dir } = await pkiAt(t);
  const before = { ca: pki.caPem, serving: pki.serving };
  clock.set(start + 730 * dayMs);
  assert.ok(pki.isDue());
  const after = await ensurePki(dir, { ...names, clock });
  assert.equal(after.caPem, before.ca);
  for (const { certPem } of [after.serving, after.admin]) assert.ok(goodAt(certPem, after.caPem, clock.now()));
  assert.ok(goodAt(after.frontProxyClient.certPem, after.frontProxyCaPem, clock.now()));
  assert.ok(!after.isDue());
});

test("after eleven years off Knarr's own CA is new too, and the ended one is trusted no longer", async (t) => {
  const { clock, dir, pki } = await pkiAt(t);
  clock.set(start + 11 * 365 * dayMs);
  const after = await ensurePki(dir, { ...names, clock });
  assert.equal(certificatesIn(after.caPem).length, 1);
  assert.notEqual(after.caPem, pki.caPem);
  assert.ok(goodAt(after.serving.certPem, after.caPem, clock.now()));
});

test("a running cluster lives through the end of its CA: the new one is known long before it serves", async (t) => {
  const { clock, pki } = await pkiAt(t);
  const [first] = certificatesIn(pki.caPem);
  let wasAmongTwo = false;
  let client = pki.admin.certPem;
  for (let day = 0; day < 12 * 365; day += 30) {
    clock.set(start + day * dayMs);
    const known = pki.caPem;
    if (pki.isDue()) await pki.renew();
    assert.ok(!pki.isDue(), `day ${day}`);
    assert.ok(goodAt(pki.serving.certPem, known, clock.now()), `who knew the CAs a month ago is served on day ${day}`);
    assert.ok(goodAt(client, pki.clientCaPem, clock.now()), `who renewed a month ago is let in on day ${day}`);
    client = pki.admin.certPem;
    wasAmongTwo ||= certificatesIn(pki.caPem).length === 2;
  }
  assert.ok(wasAmongTwo);
  assert.ok(!certificatesIn(pki.caPem).some(({ fingerprint256 }) => fingerprint256 === first!.fingerprint256));
});

test("what was issued while the clock was ahead is issued anew; with the clock behind the CA nothing is touched", async (t) => {
  const { clock, dir, pki } = await pkiAt(t);
  clock.set(start - 30 * dayMs);
  assert.ok(pki.isDue());
  assert.equal(await pki.renew(), true);
  assert.ok(goodAt(pki.serving.certPem, pki.caPem, clock.now()));
  const serving = readFileSync(join(dir, "serving.crt"), "utf8");
  clock.set(0);
  const lost = await ensurePki(dir, { ...names, clock });
  assert.equal(lost.serving.certPem, serving);
  clock.set(start);
  assert.equal(await lost.renew(), false, "all is well again without having done anything");
});

test("the clock is asked at connections and in intervals that no timer is too short for", async (t) => {
  const { clock, dir, pki } = await pkiAt(t);
  const waits: number[] = [];
  const timers = new Set<() => void>();
  const ticking = {
    now: clock.now,
    after(ms: number, callback: () => void) {
      waits.push(ms);
      timers.add(callback);
      return () => timers.delete(callback);
    },
  };
  const wake = () => {
    const due = Array.from(timers);
    timers.clear();
    for (const callback of due) callback();
  };
  const stop = new AbortController();
  t.after(() => stop.abort());
  const check = followPki(pki, { clock: ticking, log: silentLogger, signal: stop.signal });
  const renewed = () => new Promise<void>((resolve) => pki.onChange(resolve));
  clock.set(start + 300 * dayMs);
  let done = renewed();
  wake();
  await done;
  clock.set(start + 600 * dayMs);
  done = renewed();
  check();
  await done;
  assert.ok(new X509Certificate(pki.serving.certPem).validToDate.getTime() > start + 900 * dayMs);
  assert.ok(waits.every((ms) => ms < 2 ** 31));

  await rotate(dir, ["admin"], { ...names, clock });
  const rotated = readFileSync(join(dir, "admin.crt"), "utf8");
  while (pki.admin.certPem !== rotated) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    wake();
  }
});
