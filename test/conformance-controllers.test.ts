// What the conformance suite asks of garbage collection and quotas. There is no node: pods end when the test says so.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { refusal, requestsOf, type Json, type Requests } from "./requests.ts";

describe("controllers as conformance sees them", { timeout: 120_000 }, () => {
  let plane: ControlPlane;
  let { ask, patch, until } = {} as Requests;
  let count = 0;

  before(async () => {
    plane = await startControlPlane();
    ({ ask, patch, until } = requestsOf(plane.admin));
  });
  after(async () => plane?.[Symbol.asyncDispose]());

  /** A namespace of its own. Returns the paths of its collections by plural. */
  const space = async () => {
    const name = `space-${count++}`;
    await ask("POST", "/api/v1/namespaces", { metadata: { name } });
    await until(`/api/v1/namespaces/${name}/configmaps/kube-root-ca.crt`, (map) => map !== undefined);
    return (plural: string, group = "") => `${group ? `/apis/${group}` : "/api"}/v1/namespaces/${name}/${plural}`;
  };
  const itemsOf = async (collection: string): Promise<Json[]> => (await ask("GET", collection)).items;
  /** Waits until the collection has as many objects. */
  const has = (collection: string, wanted: number) => until(collection, ({ items }) => items.length === wanted);
  const deletion = (propagationPolicy: string, uid?: string) => ({
    apiVersion: "v1",
    kind: "DeleteOptions",
    propagationPolicy,
    preconditions: { uid },
  });

  const podSpec = (more: object = {}) => ({ containers: [{ name: "main", image: "image", ...more }] });
  const templated = (name: string, replicas: number, spec: object = podSpec()) => ({
    metadata: { name },
    spec: { replicas, selector: { matchLabels: { name } }, template: { metadata: { labels: { name } }, spec } },
  });
  const controller = (name: string, replicas: number, spec?: object) => {
    const object = templated(name, replicas, spec);
    return { ...object, spec: { ...object.spec, selector: { name } } };
  };

  for (const [policy, left] of [
    ["Background", 0],
    ["Orphan", 2],
  ] as const) {
    test(`the pods of a ReplicationController deleted with ${policy} are ${left}`, async () => {
      const at = await space();
      await ask("POST", at("replicationcontrollers"), controller("rc", 2));
      await has(at("pods"), 2);
      await ask("DELETE", `${at("replicationcontrollers")}/rc`, deletion(policy));
      await has(at("replicationcontrollers"), 0);
      const { items } = await has(at("pods"), left);
      assert.ok(
        items.every(({ metadata }: Json) => metadata.ownerReferences === undefined && !metadata.deletionTimestamp),
      );
    });

    test(`the ReplicaSets of a Deployment deleted with ${policy} are ${left / 2}`, async () => {
      const at = await space();
      const [deployments, sets] = [at("deployments", "apps"), at("replicasets", "apps")];
      await ask("POST", deployments, templated("d", 2));
      await has(at("pods"), 2);
      await ask("DELETE", `${deployments}/d`, deletion(policy));
      await has(deployments, 0);
      const { items } = await has(sets, left / 2);
      await has(at("pods"), left);
      assert.ok(items.every(({ metadata }: Json) => metadata.ownerReferences === undefined));
    });
  }

  test("a ReplicationController deleted in the foreground stays until its last pod is gone", async () => {
    const at = await space();
    const path = `${at("replicationcontrollers")}/rc`;
    await ask("POST", at("replicationcontrollers"), controller("rc", 3, { ...podSpec(), nodeName: "nowhere" }));
    await has(at("pods"), 3);
    await ask("DELETE", path, deletion("Foreground"));
    const leaving = await until(at("pods"), ({ items }) =>
      items.every(({ metadata }: Json) => metadata.deletionTimestamp),
    );
    for (const { metadata } of leaving.items) {
      assert.deepEqual((await ask("GET", path)).metadata.finalizers, ["foregroundDeletion"]);
      await ask("DELETE", `${at("pods")}/${metadata.name}?gracePeriodSeconds=0`);
    }
    await until(path, (rc) => rc === undefined);
  });

  test("pods with another owner outlive one that waits for its dependents", async () => {
    const at = await space();
    const going = await ask("POST", at("replicationcontrollers"), controller("going", 4));
    const staying = await ask("POST", at("replicationcontrollers"), controller("staying", 0));
    const { items } = await has(at("pods"), 4);
    const owner = { apiVersion: "v1", kind: "ReplicationController", name: "staying", uid: staying.metadata.uid };
    const shared = items.slice(0, 2).map(({ metadata }: Json) => metadata.name);
    for (const name of shared) {
      const ownerReferences = [owner];
      await patch(`${at("pods")}/${name}`, { metadata: { ownerReferences } }, "strategic-merge-patch+json");
    }
    await ask("DELETE", `${at("replicationcontrollers")}/going`, deletion("Foreground", going.metadata.uid));
    await has(at("replicationcontrollers"), 1);
    const left = await itemsOf(at("pods"));
    assert.deepEqual(
      left.map(({ metadata }) => metadata.name),
      shared,
    );
    for (const { metadata } of left) {
      assert.equal(metadata.deletionTimestamp, undefined);
      assert.deepEqual(metadata.ownerReferences, [owner]);
    }
  });

  test("a circle of owners is no obstacle to its deletion", async () => {
    const at = await space();
    const pods: Json[] = [];
    for (const name of ["a", "b", "c"])
      pods.push(await ask("POST", at("pods"), { metadata: { name }, spec: podSpec() }));
    for (const [i, { metadata }] of pods.entries()) {
      const { name, uid } = pods.at(i - 1)!.metadata;
      const owner = { apiVersion: "v1", kind: "Pod", name, uid, controller: true, blockOwnerDeletion: true };
      const change = { metadata: { ownerReferences: [owner] } };
      await patch(`${at("pods")}/${metadata.name}`, change, "strategic-merge-patch+json");
    }
    await ask("DELETE", `${at("pods")}/a`, deletion("Foreground", pods[0].metadata.uid));
    await has(at("pods"), 0);
  });

  /** A namespace with a quota, and a wait for what the quota says is used. */
  const quotaOf = async (hard: Record<string, string>, scopes?: string[]) => {
    const at = await space();
    await ask("POST", at("resourcequotas"), { metadata: { name: "q" }, spec: { hard, scopes } });
    const used = (wanted: Record<string, string>, name = "q") =>
      until(`${at("resourcequotas")}/${name}`, ({ status }) =>
        Object.entries(wanted).every(([resource, amount]) => status?.used?.[resource] === amount),
      );
    return { at, used };
  };
  const exceeds = async (asked: Promise<unknown>) => assert.match((await refusal(asked)).message, /exceeded quota: q/);

  test("a quota's status is calculated promptly", async () => {
    const { used } = await quotaOf({ pods: "5", services: "3", "count/replicasets.apps": "2" });
    const { status } = await used({ pods: "0", services: "0", "count/replicasets.apps": "0" });
    assert.equal(status.hard.pods, "5");
  });

  for (const { plural, group, resource = plural, object = {}, first = 0 } of [
    { plural: "configmaps", first: 1 },
    { plural: "secrets" },
    { plural: "replicationcontrollers", object: controller("one", 0) },
    { plural: "replicasets", group: "apps", resource: "count/replicasets.apps", object: templated("one", 0) },
  ]) {
    test(`a quota captures the life of one of ${plural}`, async () => {
      const { at, used } = await quotaOf({ [resource]: String(first + 1) });
      await used({ [resource]: String(first) });
      await ask("POST", at(plural, group), { metadata: { name: "one" }, ...object });
      await used({ [resource]: String(first + 1) });
      await exceeds(ask("POST", at(plural, group), { ...object, metadata: { name: "two" } }));
      await ask("DELETE", `${at(plural, group)}/one`);
      await used({ [resource]: String(first) });
    });
  }

  test("a quota captures the life of a Service, its node ports and load balancers", async () => {
    const { at, used } = await quotaOf({ services: "3", "services.nodeports": "1", "services.loadbalancers": "1" });
    const service = (name: string, type: string) =>
      ask("POST", at("services"), { metadata: { name }, spec: { type, ports: [{ port: 80 }] } });
    await service("cluster", "ClusterIP");
    await service("node", "NodePort");
    await exceeds(service("balanced", "LoadBalancer"));
    await used({ services: "2", "services.nodeports": "1", "services.loadbalancers": "0" });
    await ask("DELETE", `${at("services")}/cluster`);
    await ask("DELETE", `${at("services")}/node`);
    await used({ services: "0", "services.nodeports": "0", "services.loadbalancers": "0" });
  });

  const dongle = "example.com/dongle";
  const podOf = (name: string, requests?: Record<string, string>, more: object = {}) => {
    const limits = requests?.[dongle] ? { [dongle]: requests[dongle] } : {};
    return { metadata: { name }, spec: { ...podSpec(requests && { resources: { requests, limits } }), ...more } };
  };

  test("a quota captures the life of a pod, its compute and extended resources", async () => {
    const hard = { pods: "5", cpu: "1", memory: "500Mi", "requests.ephemeral-storage": "50Gi" };
    const { at, used } = await quotaOf({ ...hard, [`requests.${dongle}`]: "3" });
    const create = (name: string, cpu: string, dongles: string) => {
      const requests = { cpu, memory: "252Mi", "ephemeral-storage": "30Gi", [dongle]: dongles };
      return ask("POST", at("pods"), podOf(name, requests));
    };
    const counted = { pods: "1", cpu: "500m", memory: "252Mi", [`requests.${dongle}`]: "2" };
    await create("one", "500m", "2");
    await used({ ...counted, "requests.ephemeral-storage": "30Gi" });
    await exceeds(create("much", "600m", "0"));
    await exceeds(create("many", "100m", "2"));
    const containers = [{ name: "main", resources: { requests: { cpu: "100m" } } }];
    const changed = await refusal(patch(`${at("pods")}/one`, { spec: { containers } }, "strategic-merge-patch+json"));
    assert.equal(changed.status.reason, "Invalid");
    await used(counted);
    await ask("DELETE", `${at("pods")}/one?gracePeriodSeconds=0`);
    await used({ pods: "0", cpu: "0", memory: "0", [`requests.${dongle}`]: "0", "requests.ephemeral-storage": "0" });
  });

  for (const scopes of [
    ["Terminating", "NotTerminating"],
    ["NotBestEffort", "BestEffort"],
  ]) {
    test(`quotas of the scopes ${scopes.join(" and ")} each count their own pods`, async () => {
      const requests = { cpu: "500m", memory: "200Mi" };
      const ofTime = scopes[0] === "Terminating";
      const hard: Record<string, string> = ofTime ? { pods: "5", "requests.cpu": "1" } : { pods: "5" };
      const none = Object.fromEntries(Object.keys(hard).map((resource) => [resource, "0"]));
      const one: Record<string, string> = ofTime ? { pods: "1", "requests.cpu": "500m" } : { pods: "1" };
      const { at, used } = await quotaOf(hard, scopes.slice(0, 1));
      await ask("POST", at("resourcequotas"), {
        metadata: { name: "second" },
        spec: { hard, scopes: scopes.slice(1) },
      });
      await used(none);
      const pods = [
        podOf("first", requests, ofTime ? { activeDeadlineSeconds: 3600 } : {}),
        podOf("second", ofTime ? requests : undefined),
      ];
      for (const [i, pod] of pods.entries()) {
        await ask("POST", at("pods"), pod);
        await used(i === 0 ? one : none);
        await used(i === 0 ? none : one, "second");
        await ask("DELETE", `${at("pods")}/${pod.metadata.name}?gracePeriodSeconds=0`);
        await used(none);
        await used(none, "second");
      }
    });
  }

  test("quotas are read, updated, patched, deleted, and deleted as a collection", async () => {
    const { at, used } = await quotaOf({ cpu: "1", memory: "500Mi" });
    const path = `${at("resourcequotas")}/q`;
    const read = await used({ cpu: "0" });
    assert.deepEqual(read.spec.hard, { cpu: "1", memory: "500Mi" });
    const hard = { cpu: "2", memory: "1Gi" };
    const updated = await ask("PUT", path, { ...read, spec: { hard } });
    assert.deepEqual(updated.spec.hard, hard);
    await ask("DELETE", path);
    assert.equal((await refusal(ask("GET", path))).code, 404);

    const labelled = { metadata: { name: "q", labels: { life: "quota" } }, spec: { hard: { pods: "1" } } };
    await ask("POST", at("resourcequotas"), labelled);
    const everywhere = "/api/v1/resourcequotas?labelSelector=life%3Dquota";
    assert.equal((await itemsOf(everywhere)).length, 1);
    const patched = await patch(path, { metadata: { labels: { life: "patched" } }, spec: { hard: { pods: "2" } } });
    assert.equal(patched.spec.hard.pods, "2");
    await ask("DELETE", `${at("resourcequotas")}?labelSelector=life%3Dpatched`);
    await has(at("resourcequotas"), 0);
  });

  test("a quota's status takes updates and patches, and becomes true again", async () => {
    const { at, used } = await quotaOf({ pods: "5" });
    const path = `${at("resourcequotas")}/q`;
    const read = await used({ pods: "0" });
    const status = { ...read.status, hard: { pods: "9" } };
    const updated = await ask("PUT", `${path}/status`, { ...read, spec: { hard: { pods: "7" } }, status });
    assert.deepEqual([updated.spec.hard.pods, updated.status.hard.pods], ["5", "9"]);
    await until(path, (quota) => quota.status.hard.pods === "5");
    const patched = await patch(`${path}/status`, { status: { used: { pods: "3" } } });
    assert.equal(patched.status.used.pods, "3");
    await used({ pods: "0" });
    assert.equal((await ask("GET", `${path}/status`)).metadata.name, "q");
  });
});
