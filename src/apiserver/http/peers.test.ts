// What a client certificate proves, over time, on connections that stay open.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { ensurePki } from "../auth/pki.ts";
import { madeCa } from "../auth/pki/testing.ts";
import { createTransport } from "./transport.ts";

test("an identity ends with its certificate, and with the trust in who issued it", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "knarr-peers-"));
  t.after(() => rmSync(dir, { recursive: true }));
  let now = Date.now();
  const timers: (() => void)[] = [];
  const after = (_: number, callback: () => void) => (timers.push(callback), () => {});
  const clock = { now: () => now, after };
  const pki = await ensurePki(dir, { names: ["localhost"], addresses: ["127.0.0.1"], clock });
  const transport = createTransport({
    serving: pki.serving,
    caPem: pki.caPem,
    clock,
    handle: async ({ peer }) => ({ status: 200, headers: {}, body: peer?.commonName ?? "nobody" }),
  });
  t.after(() => transport.close());
  const { port } = await transport.listen({ host: "127.0.0.1", port: 0 });
  const { certPem: cert, keyPem: key } = await pki.issueClientCertificate({
    commonName: "jane",
    organizations: [],
    days: 7,
  });
  const session = connect(`https://127.0.0.1:${port}`, { ca: pki.caPem, cert, key });
  t.after(() => session.destroy());
  const who = () => text(session.request({ ":path": "/" }));
  assert.equal(await who(), "jane");
  now += 8 * 86_400_000;
  assert.equal(await who(), "nobody");
  now -= 8 * 86_400_000;
  assert.equal(await who(), "jane");

  const other = await madeCa({ name: "other", from: now });
  const goAway = once(session, "goaway");
  const running = session.request({ ":path": "/" }, { endStream: false });
  await once(running, "response");
  transport.setCertificates({ serving: pki.serving, caPem: pki.caPem + other.certPem });
  assert.equal(await who(), "jane", "one more CA changes nothing");
  transport.setCertificates({ serving: pki.serving, caPem: other.certPem });
  await goAway;
  const closed = once(session, "close");
  for (const timer of timers) timer();
  await closed;
});
