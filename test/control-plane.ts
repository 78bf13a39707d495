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
import type { NodeConnection } from "../src/client/node-connection.ts";
import { writeKubeconfig } from "../src/client/kubeconfig.ts";
import { httpsClient, type Credentials, type HttpsClient } from "../src/client/https.ts";
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
  /** The administrator's. */
  readonly kubeconfig: string;
  /** A client with other credentials, closed with the rest. */
  as(who: KeyPair | { readonly token: string }): HttpsClient;
}

/** `historyEvents` bounds what the store remembers of the past; `nodes` are connections by name, none unless given. */
export async function startControlPlane({
  nodes = () => undefined,
  ...options
}: {
  readonly historyEvents?: number;
  readonly nodes?: (name: string) => NodeConnection | undefined;
} = {}): Promise<ControlPlane> {
  await using started = new AsyncDisposableStack();
  const clock = realClock;
  const directory = mkdtempSync(join(tmpdir(), "knarr-control-plane-"));
  started.defer(() => rmSync(directory, { recursive: true, force: true }));
  const pki = await ensurePki(directory, { names: ["localhost"], addresses: ["127.0.0.1"], clock });
  const store = started.use(await openMemoryStore({ clock, freeze: true, ...options }));
  const kinds = new KindRegistry(builtinKinds);
  const tokens = createTokenIssuer({ keyPem: pki.serviceAccountKeyPem, store, clock, issuer: "https://test" });
  const shared = { store, clock, log: silentLogger, kinds, tokens };
  const serviceCidr = "10.96.0.0/16";
  const api = createApi({ ...shared, serviceCidr, rootCaPem: pki.caPem, clusterDomain: "cluster.local" });
  await bootstrap({ store, clock, rootCaPem: pki.caPem, serviceCidr });
  const client = localClient(api, store, kinds, "test");
  const stop = new AbortController();
  const listen = { host: "127.0.0.1", port: 0 };
  const rest = { listen, nodes, signal: stop.signal, version: "test" };
  const server = await startApiServer({ ...shared, ...rest, api, client, pki });
  started.defer(() => server.close());
  started.defer(() => stop.abort());
  const metrics = await startControllers({
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
  server.metrics.addSource(metrics);
  const clients = started.use(new AsyncDisposableStack());
  const as: ControlPlane["as"] = (who) => {
    const credentials: Credentials = "token" in who ? who : { cert: who.certPem, key: who.keyPem };
    return clients.use(httpsClient({ server: server.url, caPem: pki.caPem, credentials, component: "test" }));
  };
  const admin = as(pki.admin);
  const kubeconfig = join(directory, "kubeconfig");
  writeKubeconfig(kubeconfig, { ...admin.connection, name: "test" });
  const owned = started.move();
  return { url: server.url, pki, store, admin, kubeconfig, as, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
