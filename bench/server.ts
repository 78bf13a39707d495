// The API server as the benchmarks meet it: TLS, client certificates, RBAC, defaulting, admission, validation, managedFields
// and a store on disk; no controllers, no node.
import { join } from "node:path";
import { createTokenIssuer } from "../src/apiserver/auth/tokens.ts";
import type { Pki } from "../src/apiserver/auth/pki.ts";
import { createApi } from "../src/apiserver/core/api.ts";
import { startApiServer } from "../src/apiserver/http/server.ts";
import { localClient } from "../src/apiserver/local.ts";
import { bootstrap } from "../src/apiserver/rbac/bootstrap.ts";
import { builtinKinds } from "../src/kinds/index.ts";
import { KindRegistry } from "../src/kinds/registry.ts";
import { realClock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import { openSqliteStore } from "../src/store/sqlite.ts";

const serviceCidr = "10.96.0.0/16";

export const podsPath = "/api/v1/namespaces/default/pods";

/** A pod of 4.4 KB once it is stored; `{i}` is its number. */
export const podText = JSON.stringify({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "pod-{i}",
    labels: { app: "shop", tier: "web", "pod-template-hash": "6d4b75cb6d" },
    annotations: { "example.com/number": "{i}" },
  },
  spec: {
    nodeSelector: { "kubernetes.io/os": "linux" },
    containers: ["web", "sidecar"].map((name) => ({
      name,
      image: `registry.example.com/shop/${name}:1.2.3`,
      ports: [{ name, containerPort: name === "web" ? 8080 : 9090 }],
      env: [{ name: "MODE", value: "production" }],
      resources: { requests: { cpu: "100m", memory: "64Mi" } },
      volumeMounts: [{ name: "data", mountPath: "/data" }],
    })),
    volumes: [{ name: "data", emptyDir: {} }],
  },
});

export async function startServer(dir: string, pki: Pki, signal: AbortSignal) {
  const clock = realClock;
  const log = silentLogger;
  const store = await openSqliteStore({ file: join(dir, "store.db"), clock, log });
  const kinds = new KindRegistry(builtinKinds);
  const issuer = "https://kubernetes.default.svc.cluster.local";
  const tokens = createTokenIssuer({ keyPem: pki.serviceAccountKeyPem, store, clock, issuer });
  const rootCaPem = pki.caPem;
  const api = createApi({ store, kinds, clock, log, serviceCidr, tokens, rootCaPem, clusterDomain: "cluster.local" });
  await bootstrap({ store, clock, rootCaPem, serviceCidr });
  const client = localClient(api, store, kinds, "bench");
  const listen = { host: "127.0.0.1", port: 0 };
  const server = await startApiServer({
    api,
    store,
    kinds,
    client,
    pki,
    tokens,
    listen,
    nodes: () => undefined,
    clock,
    log,
    signal,
    version: "bench",
  });
  return { store, client, server };
}
