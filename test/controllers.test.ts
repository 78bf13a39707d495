// The controllers on a real API over a store in memory; pods are made ready by hand.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createApi } from "../src/apiserver/core/api.ts";
import { localClient } from "../src/apiserver/local.ts";
import type { Client } from "../src/client/client.ts";
import { startControllers } from "../src/controllers/index.ts";
import {
  builtinKinds,
  Deployment,
  Endpoints,
  EndpointSlice,
  Namespace,
  Pod,
  ReplicaSet,
  Service,
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
    removeVolumeDirectory: async () => {},
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
  } else if (pod.status?.phase !== "Running" && labels?.hold === undefined) {
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

test("nothing is written while nothing changes", async () => {
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { revision } = store;
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(store.revision, revision);
});
