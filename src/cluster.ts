// The one place that puts the parts together: a whole cluster in this process, as a value that starts and stops.
import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { readCertificateRequest } from "./apiserver/auth/certificate-request.ts";
import { createTokenIssuer } from "./apiserver/auth/tokens.ts";
import { authenticationTrust, configuredAuthentication, configuredAuthorization } from "./apiserver/auth/configured.ts";
import { configuredAudit } from "./apiserver/audit/configured.ts";
import { ensurePki, type Pki } from "./apiserver/auth/pki.ts";
import type { CaFiles, PkiOptions } from "./apiserver/auth/pki/settle.ts";
import { createApi } from "./apiserver/core/api.ts";
import { openEncryption } from "./apiserver/encryption/encryption.ts";
import { bootstrap } from "./apiserver/rbac/bootstrap.ts";
import { followEvents } from "./apiserver/core/event-expiry.ts";
import type { ApiServerFlags } from "./apiserver/flags.ts";
import { startApiServer } from "./apiserver/http/server.ts";
import { localClient } from "./apiserver/local.ts";
import type { Client } from "./client/client.ts";
import type { Connection } from "./client/https.ts";
import { publicKubeconfig, writeKubeconfig } from "./client/kubeconfig.ts";
import { builtinKinds, Node, Secret } from "./kinds/index.ts";
import { KindRegistry } from "./kinds/registry.ts";
import type { Clock } from "./machinery/clock.ts";
import type { Logger } from "./machinery/log.ts";
import { openSqliteStore } from "./store/sqlite.ts";
import type { NodeConnection } from "./client/node-connection.ts";
import { addressAt, parseCidr } from "./network/address.ts";

/** Addresses are IPv4; ranges are CIDRs; ports are TCP. Chosen once per cluster. */
export interface ClusterSettings {
  readonly name: string;
  readonly nodeName: string;
  /** Where other machines reach this node. */
  readonly nodeAddress: string;
  readonly apiPort: number;
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly bridge: string;
  readonly nftTable: string;
  readonly cgroupRoot: string;
  readonly clusterDomain: string;
  /** A runtime that somebody else runs; absent: a private containerd. */
  readonly containerRuntimeEndpoint?: string;
  readonly apiServer?: ApiServerFlags;
}

export type SettingsOverrides = Partial<Omit<ClusterSettings, "name">>;

/** Well-known addresses of a cluster, derived from its ranges. */
export function wellKnownAddresses(settings: Pick<ClusterSettings, "podCidr" | "serviceCidr">): {
  gateway: string;
  kubernetes: string;
  dns: string;
} {
  const services = parseCidr(settings.serviceCidr)!;
  const pods = parseCidr(settings.podCidr)!;
  return { gateway: addressAt(pods, 1), kubernetes: addressAt(services, 1), dns: addressAt(services, 10) };
}

export const pkiDirectory = (dataDir: string): string => join(dataDir, "pki");

/** What the certificate of the API server is good for. */
export function servingNames(settings: ClusterSettings): Pick<PkiOptions, "names" | "addresses"> {
  const { gateway, kubernetes } = wellKnownAddresses(settings);
  const service = "kubernetes.default.svc";
  return {
    names: ["localhost", "kubernetes", "kubernetes.default", service, `${service}.${settings.clusterDomain}`],
    addresses: ["127.0.0.1", gateway, kubernetes, settings.nodeAddress],
  };
}

export const asAdmin = ({ caPem, admin }: Pick<Pki, "caPem" | "admin">): Pick<Connection, "caPem" | "credentials"> => ({
  caPem,
  credentials: { cert: admin.certPem, key: admin.keyPem },
});

export interface ClusterOptions {
  readonly settings: ClusterSettings;
  readonly dataDir: string;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The CA to begin with, instead of one that Knarr makes. */
  readonly ca?: CaFiles;
  /** Only API server, controllers and scheduler: needs no root, runs no containers. */
  readonly controlPlaneOnly?: boolean;
  /** Told of every step that a person waits for. */
  readonly onProgress?: (step: string) => void;
}

/** A running cluster. Disposing it stops Knarr and leaves containers, rules and data in place. */
export interface Cluster extends AsyncDisposable {
  readonly url: string;
  readonly client: Client;
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string;
}

/**
 * Starts a cluster and resolves when it is usable: the API answers, and (unless control plane only) the node is Ready, DNS
 * answers and Services work. Throws with everything stopped again when a part cannot start.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { settings, dataDir, clock, log, onProgress = () => {} } = options;
  const started = new AsyncDisposableStack();
  const stop = new AbortController();
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const { gateway } = wellKnownAddresses(settings);
    const withNode = options.controlPlaneOnly !== true;
    const network = withNode ? import("./node.ts").then(({ prepareNetwork }) => prepareNetwork(settings)) : undefined;
    // A failure shows where it is awaited; until then it must not count as unhandled.
    network?.catch(() => {});

    const { apiServer: flags = {} } = settings;
    const files = { clock, log: log.child({ component: "apiserver" }), signal: stop.signal };
    const encryption = await openEncryption({ ...files, dataDir, flags });
    const [store, pki] = await Promise.all([
      openSqliteStore({
        file: join(dataDir, "store.db"),
        clock,
        log: log.child({ component: "store" }),
        codec: encryption.codec,
      }),
      ensurePki(pkiDirectory(dataDir), {
        ...servingNames(settings),
        clock,
        log: log.child({ component: "certificates" }),
        ...(options.ca ? { ca: options.ca } : {}),
      }),
    ]);
    started.use(store);
    await encryption.follow(store);
    const kinds = new KindRegistry(builtinKinds);
    const tokenKeys = () => ({
      keyPem: pki.serviceAccountKeyPem,
      previousKeyPems: pki.previousServiceAccountKeysPem ? [pki.previousServiceAccountKeysPem] : [],
    });
    const tokens = createTokenIssuer({
      ...tokenKeys(),
      store,
      clock,
      issuer: `https://kubernetes.default.svc.${settings.clusterDomain}`,
      onLegacyUse: (secret, labels) =>
        void client.patch(Secret, secret, "merge", { metadata: { labels } }).catch((error: unknown) => {
          log.warn({ error, secret }, "the last use of a token could not be written down");
        }),
    });
    const authentication = await configuredAuthentication({
      ...files,
      flags,
      tokens,
      store,
      frontProxyCaPem: () => pki.frontProxyCaPem,
    });
    const api = createApi({
      store,
      kinds,
      clock,
      log: log.child({ component: "apiserver" }),
      serviceCidr: settings.serviceCidr,
      tokens,
      authentication,
      authorization: await configuredAuthorization({ ...files, flags }),
      get rootCaPem() {
        return pki.caPem;
      },
      clusterDomain: settings.clusterDomain,
    });
    const endpoint = { address: withNode ? gateway : settings.nodeAddress, port: settings.apiPort };
    await bootstrap({ store, clock, rootCaPem: pki.caPem, serviceCidr: settings.serviceCidr, endpoint });
    followEvents({ store, clock, log: log.child({ component: "apiserver" }), signal: stop.signal });
    const client = localClient(api, store, kinds, "knarr");
    const nodes = new Map<string, NodeConnection>();
    const audit = await configuredAudit({
      flags: settings.apiServer ?? {},
      authorizer: api.authorizer,
      clock,
      log: log.child({ component: "audit" }),
    });
    if (audit) started.defer(() => audit.close());
    const server = await startApiServer({
      audit,
      flags,
      api,
      store,
      kinds,
      client,
      pki,
      tokens,
      authentication,
      listen: { host: "127.0.0.1", port: settings.apiPort },
      checks: () => encryption.checks(),
      nodes: (name) => nodes.get(name),
      clock,
      log: log.child({ component: "apiserver" }),
      signal: stop.signal,
      version: options.version,
    });
    started.defer(() => server.close());
    const url = `https://127.0.0.1:${server.port}`;
    const kubeconfig = join(dataDir, "kubeconfig");
    const writeAdmin = () => writeKubeconfig(kubeconfig, { name: settings.name, server: url, ...asAdmin(pki) });
    writeAdmin();
    pki.onChange(() => {
      writeAdmin();
      tokens.useKeys(tokenKeys());
    });
    onProgress(`API server answers on ${url}`);

    const component = (name: string) => ({
      client: client.as(name),
      clock,
      log: log.child({ component: name }),
      signal: stop.signal,
    });
    const { startControllers } = await import("./controllers/index.ts");
    const controllerMetrics = await startControllers({
      ...component("kube-controller-manager"),
      kinds,
      get rootCaPem() {
        return pki.caPem;
      },
      get authenticationTrust() {
        return authenticationTrust(pki.clientCaPem, pki.frontProxyCaPem);
      },
      get publicKubeconfig() {
        return publicKubeconfig({ server: url, caPem: pki.caPem });
      },
      onTrustChange: pki.onChange,
      storageDir: join(dataDir, "volumes"),
      removeVolumeDirectory: (directory) => rm(directory, { recursive: true, force: true }),
      nodeUsage: (name) => nodes.get(name)?.usage(),
      emptyElsewhere: (namespace) => server.aggregation.emptyNamespace(namespace),
      legacyTokens: tokens,
      certificateSigner: { read: readCertificateRequest, sign: (request, how) => pki.signRequest(request, how) },
    });
    const { startScheduler } = await import("./scheduler/scheduler.ts");
    const schedulerMetrics = await startScheduler(component("kube-scheduler"));
    server.metrics.addSource(controllerMetrics);
    server.metrics.addSource(schedulerMetrics);
    onProgress("controllers and scheduler are running");

    if (network) {
      const { ensureDefaultStorageClass } = await import("./controllers/volumes/default-class.ts");
      const [podNetwork] = await Promise.all([network, ensureDefaultStorageClass(client)]);
      await server.listen({ host: gateway, port: settings.apiPort });
      const { startNode } = await import("./node.ts");
      const node = await startNode(client, { settings, dataDir, network: podNetwork, clock, log, onProgress });
      started.use(node);
      nodes.set(settings.nodeName, node.kubelet);
      await nodeReady(client, settings.nodeName);
      onProgress(`node ${settings.nodeName} is Ready`);
    }
    return {
      url,
      client,
      kubeconfig,
      async [Symbol.asyncDispose]() {
        await server.end(finishMs);
        stop.abort();
        await started.disposeAsync();
      },
    };
  } catch (error) {
    stop.abort();
    await started.disposeAsync();
    throw error;
  }
}

/** How long requests may still run when the cluster is stopped. */
const finishMs = 10_000;

function nodeReady(client: Client, name: string): Promise<void> {
  return new Promise((resolve) => {
    const unsubscribe = client.cache(Node).onChange(({ object }) => {
      const ready =
        object.metadata.name === name &&
        object.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True");
      if (!ready) return;
      resolve();
      queueMicrotask(() => unsubscribe());
    });
  });
}
