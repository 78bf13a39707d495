// The controllers on a real API over a store in memory; pods are made ready by hand.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createApi } from "../src/apiserver/core/api.ts";
import { localClient } from "../src/apiserver/local.ts";
import type { Client } from "../src/client/client.ts";
import { startControllers } from "../src/controllers/index.ts";
import {
  builtinKinds,
  DaemonSet,
  Deployment,
  Endpoints,
  EndpointSlice,
  HorizontalPodAutoscaler,
  Job,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  ReplicaSet,
  Service,
  ServiceAccount,
  StatefulSet,
  StorageClass,
} from "../src/kinds/index.ts";
import { KindRegistry } from "../src/kinds/registry.ts";
import { formatTime, realClock } from "../src/machinery/clock.ts";
import type { Logger } from "../src/machinery/log.ts";
import type { KubeObject } from "../src/machinery/object.ts";
import type { Kind } from "../src/kinds/kind.ts";
import { openMemoryStore } from "../src/store/memory.ts";
import type { Store } from "../src/store/store.ts";

const problems: string[] = [];
const log: Logger = {
  debug() {},
  info() {},
  warn: (fields, message) => void problems.push(`${message} ${JSON.stringify(fields)}`),
  error: (fields, message) => void problems.push(`${message} ${JSON.stringify(fields)}`),
  child: () => log,
};

const removed: string[] = [];
/** Nodes whose usage was asked for. */
const asked: string[] = [];
let store: Store;
let client: Client;
const stop = new AbortController();

before(async () => {
  store = await openMemoryStore({ clock: realClock, freeze: true });
  const kinds = new KindRegistry(builtinKinds);
  const rootCaPem = "-----BEGIN CERTIFICATE-----\n";
  const api = createApi({
    store,
    kinds,
    clock: realClock,
    log,
    serviceCidr: "10.96.0.0/16",
    rootCaPem,
    clusterDomain: "cluster.local",
  });
  client = localClient(api, store, kinds, "test");
  for (const name of ["default", "kube-system"]) {
    await client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  await startControllers({
    client,
    kinds,
    clock: realClock,
    log,
    signal: stop.signal,
    rootCaPem,
    storageDir: "/storage",
    removeVolumeDirectory: async (path, node) => void removed.push(`${path} on ${node}`),
    nodeUsage: async (nodeName) => {
      asked.push(nodeName);
      const use = { cpuNanoCores: 0, memoryWorkingSetBytes: 250 << 20 };
      const containers = podsOf("busy").map(({ metadata: { name } }) => ({
        namespace: "default",
        pod: name,
        container: "app",
        ...use,
      }));
      return { ...use, containers };
    },
  });
  client.cache(Pod).onChange(({ type, object }) => void (type !== "DELETED" && playKubelet(object)));
});

after(async () => {
  stop.abort();
  await store.close();
  assert.deepEqual(problems, []);
});

let address = 1;

/** Runs pods that are not being held back by a label, and ends those that are deleted. */
async function playKubelet(pod: Pod): Promise<void> {
  const { name, namespace, deletionTimestamp, labels } = pod.metadata;
  if (deletionTimestamp !== undefined) {
    await client.delete(Pod, { name, namespace: namespace! }, { gracePeriodSeconds: 0 }).catch(() => {});
  } else if ((pod.status?.phase ?? "Pending") === "Pending" && labels?.hold === undefined) {
    const status = {
      phase: "Running",
      podIP: `10.1.0.${address++}`,
      conditions: [{ type: "Ready", status: "True", lastTransitionTime: formatTime(Date.now()) }],
    };
    await client
      .patch(Pod, { name, namespace: namespace! }, "merge", { status }, { subresource: "status" })
      .catch(() => {});
  }
}

/** Waits for the object (undefined: for its absence) until it fits. */
async function until<T extends KubeObject>(
  kind: Kind<T>,
  key: string,
  fits: (object: T | undefined) => boolean,
): Promise<T> {
  const deadline = Date.now() + 5000;
  for (;;) {
    const object = client.cache(kind).get(key);
    if (fits(object)) return object!;
    if (Date.now() > deadline) assert.fail(`${kind.kind} ${key} does not fit: ${JSON.stringify(object, null, 1)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const template = (labels: Record<string, string>, image = "app:1") => ({
  metadata: { labels },
  spec: { containers: [{ name: "app", image }] },
});

const podsOf = (app: string) =>
  client
    .cache(Pod)
    .list("default")
    .filter(({ metadata }) => metadata.labels?.app === app);

test("a Deployment rolls from one template to the next and keeps the old ReplicaSet", async () => {
  await client.create(Deployment, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "default" },
    spec: {
      replicas: 3,
      progressDeadlineSeconds: 600,
      selector: { matchLabels: { app: "web" } },
      template: template({ app: "web" }),
    },
  });
  const done = (object: Deployment | undefined) =>
    object?.status?.conditions?.find(({ type }) => type === "Progressing")?.reason === "NewReplicaSetAvailable" &&
    object.status.observedGeneration === object.metadata.generation;
  const first = await until(Deployment, "default/web", done);
  assert.equal(first.status?.availableReplicas, 3);
  assert.equal(first.metadata.annotations?.["deployment.kubernetes.io/revision"], "1");
  const podSpec = template({ app: "web" }, "app:2");
  await client.patch(Deployment, { name: "web", namespace: "default" }, "merge", { spec: { template: podSpec } });
  const second = await until(
    Deployment,
    "default/web",
    (object) => done(object) && object!.status?.updatedReplicas === 3 && object!.metadata.generation === 2,
  );
  assert.equal(second.metadata.annotations?.["deployment.kubernetes.io/revision"], "2");
  assert.equal(second.status?.replicas, 3);
  const sets = client.cache(ReplicaSet).list("default");
  assert.deepEqual(sets.map(({ spec }) => spec?.replicas).sort(), [0, 3]);
  assert.ok(podsOf("web").every(({ spec }) => spec?.containers[0]?.image === "app:2"));
});

test("an autoscaler resizes its target, and does not look again because of what it wrote itself", async () => {
  const metadata = { name: "busy", namespace: "default" };
  const labels = { app: "busy" };
  const nodeName = "busy-node";
  const spec = { ...template(labels).spec, nodeName };
  await client.create(Deployment, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata,
    spec: { replicas: 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  });
  const ready = (wanted: number) => (object: Deployment | undefined) => object?.status?.readyReplicas === wanted;
  await until(Deployment, "default/busy", ready(1));
  const target = { type: "AverageValue", averageValue: "100Mi" };
  await client.create(HorizontalPodAutoscaler, {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata,
    spec: {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "busy" },
      minReplicas: 1,
      maxReplicas: 5,
      metrics: [{ type: "Resource", resource: { name: "memory", target } }],
    },
  });
  await until(Deployment, "default/busy", ready(3));
  const { status } = await until(HorizontalPodAutoscaler, "default/busy", (object) => object?.status !== undefined);
  assert.equal(status!.desiredReplicas, 3);
  assert.deepEqual(asked, [nodeName]);
  await client.delete(HorizontalPodAutoscaler, metadata);
  await client.delete(Deployment, metadata, { propagationPolicy: "Background" });
  await until(Deployment, "default/busy", (object) => object === undefined);
});

test("deleting a Deployment collects its ReplicaSets and pods", async () => {
  await client.delete(Deployment, { name: "web", namespace: "default" }, { propagationPolicy: "Background" });
  await until(Deployment, "default/web", (object) => object === undefined);
  const deadline = Date.now() + 5000;
  while (podsOf("web").length > 0 || client.cache(ReplicaSet).list("default").length > 0) {
    assert.ok(Date.now() < deadline, "pods or sets are left");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

test("a foreground deletion keeps the owner until its pods are gone", async () => {
  await client.create(ReplicaSet, {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { name: "fore", namespace: "default" },
    spec: { replicas: 2, selector: { matchLabels: { app: "fore" } }, template: template({ app: "fore" }) },
  });
  await until(ReplicaSet, "default/fore", (object) => object?.status?.readyReplicas === 2);
  await client.delete(ReplicaSet, { name: "fore", namespace: "default" }, { propagationPolicy: "Foreground" });
  await until(ReplicaSet, "default/fore", (object) => object === undefined);
  assert.equal(podsOf("fore").length, 0);
});

test("an orphaning deletion leaves the pods, and another set adopts them", async () => {
  const set = {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { name: "orphan", namespace: "default" },
    spec: { replicas: 2, selector: { matchLabels: { app: "orphan" } }, template: template({ app: "orphan" }) },
  };
  await client.create(ReplicaSet, set);
  await until(ReplicaSet, "default/orphan", (object) => object?.status?.readyReplicas === 2);
  const before = podsOf("orphan")
    .map(({ metadata }) => metadata.uid)
    .sort();
  await client.delete(ReplicaSet, { name: "orphan", namespace: "default" }, { propagationPolicy: "Orphan" });
  await until(ReplicaSet, "default/orphan", (object) => object === undefined);
  assert.ok(podsOf("orphan").every(({ metadata }) => (metadata.ownerReferences ?? []).length === 0));
  await client.create(ReplicaSet, { ...set, metadata: { name: "adopter", namespace: "default" } });
  await until(ReplicaSet, "default/adopter", (object) => object?.status?.readyReplicas === 2);
  assert.deepEqual(
    podsOf("orphan")
      .map(({ metadata }) => metadata.uid)
      .sort(),
    before,
  );
});

test("a Service gets an EndpointSlice and Endpoints of its ready pods", async () => {
  await client.create(Service, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "orphans", namespace: "default" },
    spec: { selector: { app: "orphan" }, ports: [{ port: 80 }] },
  });
  await until(Endpoints, "default/orphans", (object) => object?.subsets?.[0]?.addresses?.length === 2);
  const slices = client.cache(EndpointSlice).list("default");
  assert.equal(slices.length, 1);
  assert.equal(slices[0]!.endpoints?.length, 2);
  assert.ok(slices[0]!.endpoints!.every(({ conditions }) => conditions?.ready));
  await client.delete(Service, { name: "orphans", namespace: "default" });
  await until(Endpoints, "default/orphans", (object) => object === undefined);
  await until(EndpointSlice, `default/${slices[0]!.metadata.name}`, (object) => object === undefined);
});

test("a deleted namespace takes everything in it along", async () => {
  await client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: "gone" } });
  await client.create(Deployment, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "gone" },
    spec: { replicas: 2, selector: { matchLabels: { app: "web" } }, template: template({ app: "web" }) },
  });
  await until(Deployment, "gone/web", (object) => object?.status?.availableReplicas === 2);
  await client.delete(Namespace, { name: "gone" });
  await until(Namespace, "gone", (object) => object === undefined);
  assert.equal(client.cache(Pod).list("gone").length, 0);
});

const object = <S>(apiVersion: string, kind: string, name: string, spec: S) => ({
  apiVersion,
  kind,
  metadata: { name, namespace: "default" },
  spec,
});

test("a StatefulSet starts, renews and shrinks its pods in order, with claims of their own", async () => {
  const order: string[] = [];
  const stopListening = client.cache(Pod).onChange(({ type, object: { metadata } }) => {
    if (metadata.labels?.app === "db" && type !== "MODIFIED") order.push(`${type} ${metadata.name}`);
  });
  const spec = {
    replicas: 2,
    serviceName: "db",
    podManagementPolicy: "OrderedReady",
    updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } },
    selector: { matchLabels: { app: "db" } },
    template: template({ app: "db" }),
    volumeClaimTemplates: [
      {
        metadata: { name: "data" },
        spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
      } as unknown as PersistentVolumeClaim,
    ],
  };
  await client.create(StatefulSet, object("apps/v1", "StatefulSet", "db", spec));
  const first = await until(StatefulSet, "default/db", (set) => set?.status?.readyReplicas === 2);
  assert.deepEqual(order, ["ADDED db-0", "ADDED db-1"]);
  assert.ok(client.cache(PersistentVolumeClaim).get("default/data-db-1"));
  const pod = client.cache(Pod).get("default/db-1")!;
  assert.equal(pod.spec?.hostname, "db-1");
  assert.equal(pod.spec?.subdomain, "db");
  assert.equal(pod.metadata.labels?.["apps.kubernetes.io/pod-index"], "1");
  const patch = { spec: { template: template({ app: "db" }, "db:2") } };
  await client.patch(StatefulSet, { name: "db", namespace: "default" }, "merge", patch);
  const second = await until(
    StatefulSet,
    "default/db",
    (set) =>
      set?.status?.readyReplicas === 2 &&
      set.status.updatedReplicas === 2 &&
      set.status.currentRevision === set.status.updateRevision &&
      set.status.updateRevision !== first.status?.updateRevision,
  );
  assert.equal(second.status?.currentReplicas, 2);
  assert.deepEqual(order.slice(2), ["DELETED db-1", "ADDED db-1", "DELETED db-0", "ADDED db-0"]);
  await client.patch(StatefulSet, { name: "db", namespace: "default" }, "merge", { spec: { replicas: 0 } });
  await until(StatefulSet, "default/db", (set) => set?.status?.replicas === 0);
  assert.deepEqual(order.slice(6), ["DELETED db-1", "DELETED db-0"]);
  stopListening();
});

test("a DaemonSet puts one pod on each node that fits", async () => {
  for (const name of ["n1", "n2", "n3"]) {
    await client.create(Node, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, labels: { "kubernetes.io/hostname": name, disk: name === "n3" ? "hdd" : "ssd" } },
    });
    const conditions = [{ type: "Ready", status: "True", lastHeartbeatTime: formatTime(Date.now()) }];
    await client.patch(Node, { name }, "merge", { status: { conditions } }, { subresource: "status" });
  }
  const podTemplate = template({ app: "daemon" });
  const spec = {
    selector: { matchLabels: { app: "daemon" } },
    template: { ...podTemplate, spec: { ...podTemplate.spec, nodeSelector: { disk: "ssd" } } },
  };
  await client.create(DaemonSet, object("apps/v1", "DaemonSet", "daemon", spec));
  const first = await until(DaemonSet, "default/daemon", (set) => set?.status?.numberReady === 2);
  assert.equal(first.status?.desiredNumberScheduled, 2);
  const renewed = { ...spec.template, spec: { ...spec.template.spec, containers: [{ name: "app", image: "app:2" }] } };
  await client.patch(DaemonSet, { name: "daemon", namespace: "default" }, "merge", { spec: { template: renewed } });
  await until(
    DaemonSet,
    "default/daemon",
    (set) => set?.status?.updatedNumberScheduled === 2 && set.status.numberAvailable === 2,
  );
  await client.patch(Node, { name: "n3" }, "merge", { metadata: { labels: { disk: "ssd" } } });
  await until(DaemonSet, "default/daemon", (set) => set?.status?.numberReady === 3);
});

/** Lets all running pods of an app end in this phase. */
async function finish(app: string, phase: "Succeeded" | "Failed"): Promise<void> {
  for (const { metadata } of podsOf(app).filter(({ status }) => status?.phase === "Running")) {
    const { name } = metadata;
    await client.patch(Pod, { name, namespace: "default" }, "merge", { status: { phase } }, { subresource: "status" });
  }
}

test("a Job counts its pods exactly once and completes", async () => {
  const podTemplate = template({ app: "work" });
  const spec = {
    completions: 5,
    parallelism: 2,
    template: { ...podTemplate, spec: { ...podTemplate.spec, restartPolicy: "Never" } },
  };
  await client.create(Job, object("batch/v1", "Job", "work", spec));
  for (let done = 0; done < 5;) {
    await until(Job, "default/work", (job) => (job?.status?.ready ?? 0) === Math.min(2, 5 - done));
    await finish("work", "Succeeded");
    done = Math.min(5, done + 2);
    await until(Job, "default/work", (job) => job?.status?.succeeded === done);
  }
  const over = await until(Job, "default/work", (job) =>
    Boolean(job?.status?.conditions?.some(({ type, status }) => type === "Complete" && status === "True")),
  );
  assert.equal(over.status?.succeeded, 5);
  assert.equal(podsOf("work").length, 5);
  assert.ok(podsOf("work").every(({ metadata }) => !metadata.finalizers?.length));
});

test("a Job without retries fails with its first pod", async () => {
  const podTemplate = template({ app: "fails" });
  const spec = {
    backoffLimit: 0,
    template: { ...podTemplate, spec: { ...podTemplate.spec, restartPolicy: "Never" } },
  };
  await client.create(Job, object("batch/v1", "Job", "fails", spec));
  await until(Job, "default/fails", (job) => job?.status?.ready === 1);
  await finish("fails", "Failed");
  const over = await until(Job, "default/fails", (job) =>
    Boolean(job?.status?.conditions?.some(({ type, status }) => type === "Failed" && status === "True")),
  );
  assert.equal(over.status?.conditions?.find(({ type }) => type === "Failed")?.reason, "BackoffLimitExceeded");
  assert.equal(over.status?.failed, 1);
});

test("a claim gets a local volume once a node is chosen, and the data goes with it", async () => {
  await client.create(StorageClass, {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: "local" },
    provisioner: "knarr.dev/local",
    reclaimPolicy: "Delete",
    volumeBindingMode: "WaitForFirstConsumer",
  });
  const spec = {
    accessModes: ["ReadWriteOnce"],
    storageClassName: "local",
    resources: { requests: { storage: "1Gi" } },
  };
  await client.create(PersistentVolumeClaim, object("v1", "PersistentVolumeClaim", "data", spec));
  await until(PersistentVolumeClaim, "default/data", (claim) => claim?.status?.phase === "Pending");
  const annotations = { "volume.kubernetes.io/selected-node": "n2" };
  const target = { name: "data", namespace: "default" };
  await client.patch(PersistentVolumeClaim, target, "merge", { metadata: { annotations } });
  const claim = await until(PersistentVolumeClaim, "default/data", (found) => found?.status?.phase === "Bound");
  const name = claim.spec!.volumeName!;
  const volume = await until(PersistentVolume, name, (found) => found?.status?.phase === "Bound");
  assert.equal(volume.spec?.local?.path, `/storage/${name}_default_data`);
  await client.delete(PersistentVolumeClaim, target);
  await until(PersistentVolume, name, (found) => found === undefined);
  assert.deepEqual(removed, [`/storage/${name}_default_data on n2`]);
});

test("a deleted default ServiceAccount comes back", async () => {
  const before = client.cache(ServiceAccount).get("default/default")!.metadata.uid;
  await client.delete(ServiceAccount, { name: "default", namespace: "default" });
  await until(ServiceAccount, "default/default", (account) => account !== undefined && account.metadata.uid !== before);
});

test("nothing is written while nothing changes", async () => {
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { revision } = store;
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(store.revision, revision);
});
