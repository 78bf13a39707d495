// All controllers, one line each, and what starts them.
import type { Client } from "../client/client.ts";
import type { WorkQueue } from "../client/work-queue.ts";
import type { KindRegistry } from "../kinds/registry.ts";
import type { Clock } from "../machinery/clock.ts";
import type { Logger } from "../machinery/log.ts";
import type { MetricFamily, MetricSource } from "../machinery/metrics.ts";
import { horizontalPodAutoscaler, type AutoscalingOptions } from "./autoscaling/index.ts";
import { bootstrapSigner, tokenCleaner } from "./bootstrap-tokens.ts";
import { certificateApprover, certificateRequests, type CertificateSigner } from "./certificates.ts";
import { cronJob } from "./cronjob.ts";
import { daemonSet } from "./daemonset/index.ts";
import { deployment } from "./deployment/index.ts";
import { disruptionBudget } from "./disruption-budget.ts";
import { endpoints, endpointSlice } from "./endpoints/index.ts";
import { endpointSliceMirroring } from "./endpoints/mirror.ts";
import type { Controller } from "./framework/controller.ts";
import { runController } from "./framework/run.ts";
import { runGarbageCollector } from "./garbage/index.ts";
import { job, orphanedJobPods } from "./job/index.ts";
import { runNamespaceController, type NamespaceOptions } from "./namespace/index.ts";
import { taintEviction } from "./nodes/eviction.ts";
import { nodeLifecycle } from "./nodes/lifecycle.ts";
import { finishedPods, lostPods } from "./nodes/pod-collector.ts";
import { replicaSet, replicationController } from "./replicaset.ts";
import { resourceQuota } from "./resource-quota.ts";
import { authenticationTrustPublisher, rootCaPublisher, serviceAccounts } from "./service-accounts.ts";
import { statefulSet } from "./statefulset/index.ts";
import { tokenSecrets, type LegacyTokenIssuer } from "./token-secrets.ts";
import { persistentVolumeClaims } from "./volumes/claims.ts";
import { claimProtection, ephemeralVolumes, volumeProtection } from "./volumes/pods.ts";
import { removeLocalData } from "./volumes/provision.ts";
import { persistentVolumes } from "./volumes/volumes.ts";

export interface ControllersOptions {
  readonly client: Client;
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborting it ends all controllers. */
  readonly signal: AbortSignal;
  /** The CA that `kube-root-ca.crt` shows to pods. */
  readonly rootCaPem: string;
  /** Where local volumes live on the nodes; each gets a directory of its own below. */
  readonly storageDir: string;
  /** Removes the directory of a deleted local volume; the path is below `storageDir`. */
  readonly removeVolumeDirectory: (path: string, nodeName: string | undefined) => Promise<void>;
  /** What runs on a node and how much it uses; without it autoscalers have no metrics. */
  readonly nodeUsage?: AutoscalingOptions["nodeUsage"];
  /** Deletes what other API servers keep in a namespace. */
  readonly emptyElsewhere?: NamespaceOptions["emptyElsewhere"];
  /** Signs certificate requests; without it they wait. */
  readonly certificateSigner?: CertificateSigner;
  /** Makes tokens for Secrets; without it they stay empty. */
  readonly legacyTokens?: LegacyTokenIssuer;
  /** What other API servers find about whom to trust. */
  readonly authenticationTrust?: Readonly<Record<string, string>>;
  /** A kubeconfig without credentials, for machines that are to join. */
  readonly publicKubeconfig?: string;
  /** Has the listener called whenever the CAs, all that is said of them above, or the keys of tokens are others. */
  readonly onTrustChange?: (listener: () => void) => void;
}

/** They tell others whom to trust, and begin anew when that changes. */
const trustControllersOf = ({
  authenticationTrust,
  publicKubeconfig,
  rootCaPem,
  legacyTokens,
}: ControllersOptions): readonly Controller[] => [
  ...(authenticationTrust ? [authenticationTrustPublisher(authenticationTrust)] : []),
  ...(publicKubeconfig ? [bootstrapSigner(publicKubeconfig)] : []),
  rootCaPublisher(rootCaPem),
  ...(legacyTokens ? [tokenSecrets(legacyTokens, rootCaPem)] : []),
];

const controllersOf = ({
  client,
  kinds,
  clock,
  log,
  certificateSigner,
  nodeUsage = () => undefined,
  storageDir,
  removeVolumeDirectory,
}: ControllersOptions): readonly Controller[] => [
  ...(certificateSigner
    ? [certificateApprover, certificateRequests].map((make) => make(client, certificateSigner, () => clock.now()))
    : []),
  claimProtection,
  cronJob,
  daemonSet,
  deployment,
  disruptionBudget,
  endpoints,
  endpointSlice,
  endpointSliceMirroring,
  ephemeralVolumes,
  finishedPods,
  horizontalPodAutoscaler({ client, kinds, log, nodeUsage }),
  job,
  lostPods(),
  nodeLifecycle(clock.now()),
  orphanedJobPods,
  persistentVolumeClaims(storageDir),
  persistentVolumes((volume) => removeLocalData(volume, storageDir, removeVolumeDirectory)),
  replicaSet,
  replicationController,
  resourceQuota(kinds),
  serviceAccounts,
  statefulSet,
  taintEviction,
  tokenCleaner,
  volumeProtection,
];

/**
 * Starts all controllers; resolves when each watches what it needs, with what tells the state of their queues. They run
 * until the signal aborts.
 */
export async function startControllers(options: ControllersOptions): Promise<MetricSource> {
  const environment = { ...options, client: options.client.as("kube-controller-manager") };
  const queues = new Map<string, WorkQueue>();
  const start = async (controllers: readonly Controller[], signal = options.signal) => {
    const run = async (controller: Controller) =>
      queues.set(controller.name, await runController(controller, { ...environment, signal }));
    await Promise.all(controllers.map(run));
  };
  let trust = new AbortController();
  const startTrust = () => start(trustControllersOf(options), AbortSignal.any([options.signal, trust.signal]));
  options.onTrustChange?.(() => {
    trust.abort();
    trust = new AbortController();
    void startTrust();
  });
  await Promise.all([
    start(controllersOf({ ...options, client: environment.client })),
    startTrust(),
    runGarbageCollector(environment),
    runNamespaceController(environment),
  ]);
  return () => queueMetrics([...queues]);
}

function queueMetrics(queues: readonly (readonly [string, WorkQueue])[]): MetricFamily[] {
  const family = (name: string, type: "counter" | "gauge", help: string, value: (queue: WorkQueue) => number) => ({
    name,
    type,
    help,
    samples: queues.map(([controller, queue]) => ({ labels: { name: controller }, value: value(queue) })),
  });
  return [
    family("workqueue_depth", "gauge", "Keys that wait, are in work or are delayed.", ({ depth }) => depth),
    family("workqueue_adds_total", "counter", "Keys added.", ({ counts }) => counts.adds),
    family("workqueue_retries_total", "counter", "Keys added again after a failure.", ({ counts }) => counts.retries),
  ];
}
