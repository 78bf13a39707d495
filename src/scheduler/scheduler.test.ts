// The scheduler at work on a real API in memory.
import assert from "node:assert/strict";
import { test } from "node:test";
import { testApi } from "../apiserver/testing.ts";
import type { Node, Pod } from "../kinds/generated/core.v1.ts";
import { Event, Node as Nodes, PersistentVolumeClaim, Pod as Pods, StorageClass } from "../kinds/index.ts";
import { realClock } from "../machinery/clock.ts";
import { silentLogger } from "../machinery/log.ts";
import type { NewObject } from "../machinery/object.ts";
import { startScheduler } from "./scheduler.ts";
import { builtNode, builtPod, type PodOptions } from "./testing.ts";

async function cluster() {
  const { client } = await testApi();
  const stop = new AbortController();
  await startScheduler({
    client: client.as("kube-scheduler"),
    clock: realClock,
    log: silentLogger,
    signal: stop.signal,
  });
  const pods = client.cache(Pods);
  const until = (name: string, condition: (pod: Pod) => boolean) =>
    new Promise<Pod>((resolve) => {
      const unsubscribe = pods.onChange(({ type, object }) => {
        if (type === "DELETED" || object.metadata.name !== name || !condition(object)) return;
        resolve(object);
        queueMicrotask(() => unsubscribe());
      });
    });
  const onNode = async (name: string) => (await until(name, ({ spec }) => Boolean(spec?.nodeName))).spec!.nodeName;
  const refused = async (name: string) => {
    const unschedulable = ({ status }: Pod) =>
      status?.conditions?.some(({ type, reason }) => type === "PodScheduled" && reason === "Unschedulable") ?? false;
    const pod = await until(name, unschedulable);
    return pod.status!.conditions!.find(({ type }) => type === "PodScheduled")!.message;
  };
  const addNode = async (name: string, options: Parameters<typeof builtNode>[1] = {}) => {
    const node = builtNode(name, options);
    const made = await client.create(Nodes, {
      ...node,
      metadata: { name, labels: node.metadata.labels! },
    } as NewObject<Node>);
    const { taints } = node.spec ?? {};
    await client.updateStatus(Nodes, { ...made, status: node.status! });
    if (made.spec?.taints?.length && !taints) {
      await client.patch(Nodes, { name }, "merge", { spec: { taints: null } });
    } else if (taints) await client.patch(Nodes, { name }, "merge", { spec: { taints } });
  };
  const addPod = (name: string, options: PodOptions = {}) => {
    const { spec, metadata } = builtPod(name, options);
    const { labels = {} } = metadata;
    return client.create(Pods, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: "default", labels },
      spec: spec!,
    } as NewObject<Pod>);
  };
  return { client, until, onNode, refused, addNode, addPod, [Symbol.dispose]: () => stop.abort() };
}

test("a pod is bound once it is created, and an event says so", async () => {
  using c = await cluster();
  await c.addNode("n1");
  await c.addPod("a");
  assert.equal(await c.onNode("a"), "n1");
  const events = await new Promise<string[]>((resolve) => {
    const seen: string[] = [];
    c.client.cache(Event).onChange(({ object }) => {
      seen.push(`${object.reason}: ${object.message}`);
      if (seen.length === 1) resolve(seen);
    });
  });
  assert.ok(events.includes("Scheduled: Successfully assigned default/a to n1"), events.join("\n"));
});

test("pods that come before any node are placed as soon as one can take them", async () => {
  using c = await cluster();
  await c.addPod("early");
  assert.equal(await c.refused("early"), "no nodes available to schedule pods");
  await c.addNode("n1");
  assert.equal(await c.onNode("early"), "n1");
});

test("a burst of pods never fills a node beyond what it has", async () => {
  using c = await cluster();
  await c.addNode("n1", { cpu: "1", pods: "10" });
  await c.addNode("n2", { cpu: "1", pods: "10" });
  await Promise.all(Array.from({ length: 12 }, (_, i) => c.addPod(`p${i}`, { cpu: "200m" })));
  const counts = new Map<string, number>();
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (const { spec } of c.client.cache(Pods).list()) {
    const at = spec?.nodeName ?? "none";
    counts.set(at, (counts.get(at) ?? 0) + 1);
  }
  assert.deepEqual([...counts].sort(), [
    ["n1", 5],
    ["n2", 5],
    ["none", 2],
  ]);
});

test("room that another pod leaves behind is used at once", async () => {
  using c = await cluster();
  await c.addNode("n1", { cpu: "1" });
  await c.addPod("first", { cpu: "1" });
  await c.onNode("first");
  await c.addPod("second", { cpu: "1" });
  assert.equal(
    await c.refused("second"),
    "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
  );
  await c.client.delete(Pods, { name: "first", namespace: "default" }, { gracePeriodSeconds: 0 });
  assert.equal(await c.onNode("second"), "n1");
});

test("a pod of higher priority takes the place of one of lower priority", async () => {
  using c = await cluster();
  await c.addNode("n1", { cpu: "1" });
  await c.addPod("low", { cpu: "1" });
  await c.onNode("low");
  await c.client.create((await import("../kinds/index.ts")).PriorityClass, {
    apiVersion: "scheduling.k8s.io/v1",
    kind: "PriorityClass",
    metadata: { name: "high" },
    value: 1000,
  });
  await c.addPod("high", { cpu: "1", priority: 1000 });
  const nominated = await c.until("high", ({ status }) => status?.nominatedNodeName === "n1");
  assert.equal(nominated.status!.nominatedNodeName, "n1");
  const low = await c.until("low", ({ metadata }) => metadata.deletionTimestamp !== undefined);
  assert.ok(low.status?.conditions?.some(({ type }) => type === "DisruptionTarget"));
  // Another attempt meanwhile changes nothing: the node stays promised.
  await c.client.patch(Pods, { name: "high", namespace: "default" }, "merge", { metadata: { labels: { again: "1" } } });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(c.client.cache(Pods).get("default/high")!.status!.nominatedNodeName, "n1");
  await c.client.delete(Pods, { name: "low", namespace: "default" }, { gracePeriodSeconds: 0 });
  assert.equal(await c.onNode("high"), "n1");
});

test("a gated pod waits for its gates", async () => {
  using c = await cluster();
  await c.addNode("n1");
  await c.addPod("gated", { gates: ["example.com/wait"] });
  await c.addPod("free");
  await c.onNode("free");
  assert.equal(c.client.cache(Pods).get("default/gated")!.spec!.nodeName, undefined);
  await c.client.patch(Pods, { name: "gated", namespace: "default" }, "merge", { spec: { schedulingGates: null } });
  assert.equal(await c.onNode("gated"), "n1");
});

test("a claim that waits for its consumer learns the node, and the pod follows once it is bound", async () => {
  using c = await cluster();
  await c.addNode("n1");
  await c.client.create(StorageClass, {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: "local" },
    provisioner: "example.com/local",
    volumeBindingMode: "WaitForFirstConsumer",
  });
  const claim = { name: "data", namespace: "default" };
  await c.addPod("db", { claim: "data" });
  assert.match((await c.refused("db"))!, /persistentvolumeclaim "data" not found/);
  await c.client.create(PersistentVolumeClaim, {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: claim,
    spec: { storageClassName: "local", accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
  });
  const annotations = await new Promise<Record<string, string>>((resolve) => {
    c.client.cache(PersistentVolumeClaim).onChange(({ object }) => {
      const found = object.metadata.annotations ?? {};
      if (found["volume.kubernetes.io/selected-node"]) resolve(found);
    });
  });
  assert.equal(annotations["volume.kubernetes.io/selected-node"], "n1");
  assert.equal(c.client.cache(Pods).get("default/db")!.spec!.nodeName, undefined);
  await c.client.patch(PersistentVolumeClaim, claim, "merge", {
    metadata: { annotations: { "pv.kubernetes.io/bind-completed": "yes" } },
    spec: { volumeName: "pv-1" },
  });
  assert.equal(await c.onNode("db"), "n1");
});
