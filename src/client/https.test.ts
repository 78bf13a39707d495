// The HTTPS client against the real API server, on loopback: the same answers as in process, and recovery.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ensurePki, type Pki } from "../apiserver/auth/pki.ts";
import { createTokenIssuer } from "../apiserver/auth/tokens.ts";
import { startApiServer, type ApiServer } from "../apiserver/http/server.ts";
import { testApi } from "../apiserver/testing.ts";
import { ConfigMap, Namespace } from "../kinds/index.ts";
import { realClock } from "../machinery/clock.ts";
import { isReason } from "../machinery/errors.ts";
import { silentLogger } from "../machinery/log.ts";
import { httpsClient, type HttpsClient } from "./https.ts";
import { clientFromKubeconfig, connectionOf, writeKubeconfig } from "./kubeconfig.ts";

const folder = mkdtempSync(join(tmpdir(), "knarr-https-"));
const stop = new AbortController();
let pki: Pki;
let start: (port: number) => Promise<ApiServer>;
let server: ApiServer;
let client: HttpsClient;

before(async () => {
  const { store, kinds, api, client: local } = await testApi();
  pki = await ensurePki(join(folder, "pki"), { names: ["localhost"], addresses: ["127.0.0.1"], clock: realClock });
  const keyPem = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" });
  const tokens = createTokenIssuer({ keyPem: String(keyPem), issuer: "https://test", store, clock: realClock });
  const common = { api, store, kinds, client: local, pki, tokens, nodes: () => undefined, clock: realClock };
  start = (port) =>
    startApiServer({
      ...common,
      listen: { host: "127.0.0.1", port },
      log: silentLogger,
      signal: stop.signal,
      version: "test",
    });
  server = await start(0);
  const kubeconfig = join(folder, "kubeconfig");
  writeKubeconfig(kubeconfig, { name: "test", server: server.url, caPem: pki.caPem, credentials: credentials() });
  assert.equal(statSync(kubeconfig).mode & 0o777, 0o600);
  client = await clientFromKubeconfig(kubeconfig, { component: "test" });
});

after(async () => {
  await client[Symbol.asyncDispose]();
  stop.abort();
  await server.close();
  rmSync(folder, { recursive: true });
});

const credentials = () => ({ cert: pki.admin.certPem, key: pki.admin.keyPem });
const configMap = (name: string, data: Record<string, string> = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data,
});

test("the verbs do what they say", async () => {
  const made = await client.create(ConfigMap, configMap("a", { x: "1" }));
  assert.deepEqual(await client.get(ConfigMap, "a", "default"), made);
  const updated = await client.update(ConfigMap, { ...made, data: { x: "2" } });
  assert.equal(updated.data?.x, "2");
  const target = { name: "a", namespace: "default" };
  const patched = await client.patch(ConfigMap, target, "merge", { data: { y: "3" } });
  assert.deepEqual(patched.data, { x: "2", y: "3" });
  const applied = await client.patch(ConfigMap, { ...target, name: "b" }, "apply", configMap("b", { z: "4" }));
  assert.equal(applied.data?.z, "4");
  const list = await client.list(ConfigMap, { namespace: "default", limit: 1 });
  assert.equal(list.items.length, 1);
  assert.equal(list.items[0]!.kind, "ConfigMap");
  assert.ok(list.metadata.continue);
  await client.delete(ConfigMap, target);
  await assert.rejects(client.get(ConfigMap, "a", "default"), (error) => isReason(error, "NotFound"));
  await assert.rejects(
    client.update(ConfigMap, { ...updated, metadata: { ...updated.metadata, name: "b" } }),
    (error) => isReason(error, "Conflict"),
  );
});

test("a watch delivers events and ends with its signal", async () => {
  const abort = new AbortController();
  const { resourceVersion } = (await client.list(ConfigMap)).metadata;
  const seen: string[] = [];
  const watching = (async () => {
    for await (const { type, object } of client.watch(ConfigMap, {
      resourceVersion: resourceVersion!,
      signal: abort.signal,
    })) {
      seen.push(`${type} ${object.metadata.name}`);
      if (type === "DELETED") abort.abort();
    }
  })();
  await client.create(ConfigMap, configMap("watched"));
  await client.delete(ConfigMap, { name: "watched", namespace: "default" });
  await watching;
  assert.deepEqual(seen, ["ADDED watched", "DELETED watched"]);
});

test("raw requests stream their answers and throw what the server refuses", async () => {
  const answer = await client.request("GET", "/readyz");
  assert.equal(answer.status, 200);
  answer.body.destroy();
  await assert.rejects(client.request("GET", "/api/v1/namespaces/none"), (error) => isReason(error, "NotFound"));
});

test("bad tokens and unreachable servers are errors by name", async () => {
  const common = { caPem: pki.caPem, component: "test" };
  await using stranger = httpsClient({ ...common, server: server.url, credentials: { token: "nonsense" } });
  await assert.rejects(stranger.get(Namespace, "default"), (error) => isReason(error, "Unauthorized"));
  await using nobody = httpsClient({ ...common, server: "https://127.0.0.1:1", credentials: credentials() });
  await assert.rejects(nobody.get(Namespace, "default"), (error) => isReason(error, "ServiceUnavailable"));
});

test("a cache survives a restart of the server and learns what it missed", { timeout: 20_000 }, async () => {
  const cache = client.cache(ConfigMap);
  await cache.synced;
  const port = server.port;
  await server.close();
  await assert.rejects(client.get(Namespace, "default"), (error) => isReason(error, "ServiceUnavailable"));
  server = await start(port);
  await client.create(ConfigMap, configMap("after-restart"));
  await new Promise<void>((resolve) => {
    cache.onChange(({ object }) => {
      if (object.metadata.name === "after-restart") resolve();
    });
  });
});

test("a kubeconfig that asks for what is not supported is refused by field", () => {
  const config = (user: Record<string, unknown>, cluster: Record<string, unknown> = {}) => ({
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: "https://x", "certificate-authority": "ca.pem", ...cluster } }],
    users: [{ name: "u", user }],
  });
  const read = (file: string) => `content of ${file}`;
  assert.deepEqual(connectionOf(config({ tokenFile: "t" }), read), {
    server: "https://x",
    caPem: "content of ca.pem",
    credentials: { token: "content of t" },
  });
  assert.throws(() => connectionOf(config({ exec: {} }), read), /users\[\]\.exec is not supported/);
  assert.throws(() => connectionOf(config({}, { "proxy-url": "http://p" }), read), /clusters\[\]\.proxy-url/);
  assert.throws(() => connectionOf(config({}), read), /neither a client certificate nor a token/);
});
