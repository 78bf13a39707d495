// Objects for the tests of the controllers, in a few words.
import type { ReplicaSet, Deployment, Pod } from "../kinds/index.ts";
import { formatTime } from "../machinery/clock.ts";
import { controllerReference, type KubeObject } from "../machinery/object.ts";

/** The moment at which tests happen. */
export const now = Date.parse("2026-01-01T12:00:00Z");
export const ago = (seconds: number): string => formatTime(now - seconds * 1000);

export const meta = (name: string, more: Partial<KubeObject["metadata"]> = {}): KubeObject["metadata"] => ({
  name,
  namespace: "default",
  uid: `uid-${name}`,
  resourceVersion: "1",
  creationTimestamp: ago(3600),
  generation: 1,
  ...more,
});

interface PodWords {
  readonly phase?: string;
  readonly node?: string;
  /** Seconds since it became ready; not ready when absent. */
  readonly readyFor?: number;
  readonly labels?: Record<string, string>;
  readonly owner?: KubeObject;
  readonly more?: Partial<KubeObject["metadata"]>;
  readonly spec?: Partial<NonNullable<Pod["spec"]>>;
  readonly status?: Pod["status"];
}

export function pod(name: string, words: PodWords = {}): Pod {
  const { phase = "Running", node, readyFor, labels, owner, more, spec, status } = words;
  const condition =
    readyFor === undefined
      ? { type: "Ready", status: "False" }
      : { type: "Ready", status: "True", lastTransitionTime: ago(readyFor) };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: meta(name, {
      ...(labels ? { labels } : {}),
      ...(owner ? { ownerReferences: [controllerReference(owner)] } : {}),
      ...more,
    }),
    spec: { containers: [{ name: "app" }], ...(node ? { nodeName: node } : {}), ...spec },
    status: { phase, conditions: [condition], ...status },
  };
}

export const templateOf = (image: string) => ({
  metadata: { labels: { app: "web" } },
  spec: { containers: [{ name: "app", image }] },
});

type DeploymentSpec = NonNullable<Deployment["spec"]>;

export const deployment = (spec: Partial<DeploymentSpec> = {}, status?: Deployment["status"]): Deployment => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: meta("web", { annotations: { "deployment.kubernetes.io/revision": "1" } }),
  spec: {
    replicas: 10,
    progressDeadlineSeconds: 600,
    selector: { matchLabels: { app: "web" } },
    template: templateOf("app:1"),
    ...spec,
  },
  ...(status ? { status } : {}),
});

interface SetWords {
  readonly image?: string;
  readonly replicas: number;
  readonly available?: number;
  readonly revision?: number;
  /** What the deployment's size was when this one was sized. */
  readonly desired?: number;
  readonly max?: number;
}

export function replicaSet(name: string, words: SetWords): ReplicaSet {
  const { image = "app:1", replicas, available = replicas, revision = 1, desired = 10, max = 13 } = words;
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: meta(name, {
      creationTimestamp: ago(1000 - revision),
      annotations: {
        "deployment.kubernetes.io/revision": String(revision),
        "deployment.kubernetes.io/desired-replicas": String(desired),
        "deployment.kubernetes.io/max-replicas": String(max),
      },
    }),
    spec: { replicas, selector: { matchLabels: { app: "web" } }, template: templateOf(image) },
    status: { replicas, availableReplicas: available, readyReplicas: available, observedGeneration: 1 },
  };
}
