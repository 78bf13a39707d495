// For tests: API server and controllers in this process, over HTTPS on loopback, with a store in memory.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCertificateRequest } from "../src/apiserver/auth/certificate-request.ts";
import { ensurePki, type KeyPair, type Pki } from "../src/apiserver/auth/pki.ts";
import { createTokenIssuer } from "../src/apiserver/auth/tokens.ts";
import { createApi } from "../src/apiserver/core/api.ts";
import { startApiServer } from "../src/apiserver/http/server.ts";
import { localClient } from "../src/apiserver/local.ts";
import { bootstrap } from "../src/apiserver/rbac/bootstrap.ts";
import { httpsClient, type HttpsClient } from "../src/client/https.ts";
import { startControllers } from "../src/controllers/index.ts";
import { builtinKinds } from "../src/kinds/index.ts";
import { KindRegistry } from "../src/kinds/registry.ts";
import { realClock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import { openMemoryStore } from "../src/store/memory.ts";
import type { Store } from "../src/store/store.ts";

export interface ControlPlane extends AsyncDisposable {
  readonly url: string;
  readonly pki: Pki;
  readonly store: Store;
  readonly admin: HttpsClient;
  /** A client with other credentials, closed with the rest. */
  as(pair: KeyPair): HttpsClient;
}

export async function startControlPlane(): Promise<ControlPlane> {
  await using started = new AsyncDisposableStack();
  const clock = realClock;
  const directory = mkdtempSync(join(tmpdir(), "knarr-control-plane-"));
  started.defer(() => rmSync(directory, { recursive: true, force: true }));
  const pki = await ensurePki(directory, { names: ["localhost"], addresses: ["127.0.0.1"], clock });
  const store = started.use(await openMemoryStore({ clock, freeze: true }));
  const kinds = new KindRegistry(builtinKinds);
  const tokens = createTokenIssuer({ keyPem: pki.serviceAccountKeyPem, store, clock, issuer: "https://test" });
  const shared = { store, clock, log: silentLogger, kinds, tokens };
  const serviceCidr = "10.96.0.0/16";
  const api = createApi({ ...shared, serviceCidr, rootCaPem: pki.caPem, clusterDomain: "cluster.local" });
  await bootstrap({ store, clock, rootCaPem: pki.caPem, serviceCidr });
  const client = localClient(api, store, kinds, "test");
  const stop = new AbortController();
  const listen = { host: "127.0.0.1", port: 0 };
  const rest = { listen, nodes: () => undefined, signal: stop.signal, version: "test" };
  const server = await startApiServer({ ...shared, ...rest, api, client, pki });
  started.defer(() => server.close());
  started.defer(() => stop.abort());
  await startControllers({
    client,
    kinds,
    clock,
    log: silentLogger,
    signal: stop.signal,
    rootCaPem: pki.caPem,
    storageDir: "/storage",
    removeVolumeDirectory: () => Promise.resolve(),
    certificateSigner: { read: readCertificateRequest, sign: (request, how) => pki.signRequest(request, how) },
  });
  const clients = started.use(new AsyncDisposableStack());
  const as = ({ certPem: cert, keyPem: key }: KeyPair) =>
    clients.use(httpsClient({ server: server.url, caPem: pki.caPem, credentials: { cert, key }, component: "test" }));
  const admin = as(pki.admin);
  const owned = started.move();
  return { url: server.url, pki, store, admin, as, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
